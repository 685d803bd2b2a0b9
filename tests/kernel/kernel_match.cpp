// SPDX-License-Identifier: MIT
#include "kernel_match.h"

#include <algorithm>
#include <utility>

namespace bindtrace {
namespace {

// {"min": 1, "max": 2}, either may be missing.
bool is_bounds(const Json& expected) {
    if (!expected.is_object() || expected.empty()) return false;
    const std::size_t ends = expected.count("min") + expected.count("max");
    return ends == expected.size();
}

bool is_choice(const Json& expected) {
    return expected.is_object() && expected.size() == 1 && expected.contains("any");
}

// {"has": [...]} or {"lacks": [...]}, or both: of a list, in any order.
bool is_part(const Json& expected) {
    return expected.is_object() && !expected.empty() &&
           expected.size() == expected.count("has") + expected.count("lacks");
}

bool has_part(const Json& part, const Json& actual) {
    if (!actual.is_array()) return false;
    const auto there = [&](const Json& item) { return std::find(actual.begin(), actual.end(), item) != actual.end(); };
    const Json has = part.value("has", Json::array());
    const Json lacks = part.value("lacks", Json::array());
    return std::all_of(has.begin(), has.end(), there) && std::none_of(lacks.begin(), lacks.end(), there);
}

// {"first": {...}}: of the first item of a list.
bool is_first(const Json& expected) {
    return expected.is_object() && expected.size() == 1 && expected.contains("first");
}

bool within(const Json& bounds, const Json& actual) {
    for (const Json& end : bounds)
        if (end.is_string() ? !actual.is_string() : !actual.is_number()) return false;
    if (bounds.contains("min") && actual < bounds["min"]) return false;
    return !bounds.contains("max") || actual <= bounds["max"];
}

bool value_agrees(const Json& expected, const Json& actual) {
    if (is_bounds(expected)) return within(expected, actual);
    if (is_part(expected)) return has_part(expected, actual);
    if (is_first(expected)) return actual.is_array() && !actual.empty() && agrees(expected["first"], actual.front());
    if (is_choice(expected)) {
        const Json& choices = expected["any"];
        return std::find(choices.begin(), choices.end(), actual) != choices.end();
    }
    return expected == actual;
}

bool is_nested(const Json& expected) {
    return expected.is_object() && !is_bounds(expected) && !is_choice(expected) && !is_part(expected) &&
           !is_first(expected);
}

// Was it over when provoke wrote its line? Then provoke knew when at the latest.
bool is_prompt(const Json& expected) {
    return expected.contains("ktime_ns") && expected["ktime_ns"].contains("max");
}

std::string text_of(const Json& value) {
    return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

void collect(const Json& expected, const Json& actual, const std::string& prefix, std::vector<std::string>& out) {
    for (const auto& [key, value] : expected.items()) {
        const std::string name = prefix + key;
        if (!actual.is_object() || !actual.contains(key)) {
            out.push_back(name + ": expected " + text_of(value) + ", is not there");
        } else if (is_nested(value) && actual[key].is_object()) {
            collect(value, actual[key], name + ".", out);
        } else if (is_nested(value) || !value_agrees(value, actual[key])) {
            out.push_back(name + ": expected " + text_of(value) + ", is " + text_of(actual[key]));
        }
    }
}

}  // namespace

std::string word_of(const Json& object, const char* key) {
    const auto found = object.find(key);
    return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

bool agrees(const Json& expected, const Json& actual) {
    if (!actual.is_object()) return false;
    for (const char* telling : {"type", "local_port", "port"}) {  // the cheap way out
        if (expected.contains(telling) &&
            (!actual.contains(telling) || !value_agrees(expected[telling], actual[telling])))
            return false;
    }
    for (const auto& [key, value] : expected.items()) {
        const auto found = actual.find(key);
        if (found == actual.end()) return false;
        if (is_nested(value) ? !agrees(value, *found) : !value_agrees(value, *found)) return false;
    }
    return true;
}

std::vector<std::string> differences(const Json& expected, const Json& actual) {
    std::vector<std::string> out;
    collect(expected, actual, "", out);
    return out;
}

Matcher::Matcher(std::vector<Expected> expected, const std::string& strategy) {
    for (Expected& it : expected) {
        const bool required = std::find(it.unseen_by.begin(), it.unseen_by.end(), strategy) == it.unseen_by.end();
        const bool prompt = is_prompt(it.event);
        open_ += required ? 1 : 0;
        prompt_ += required && prompt ? 1 : 0;
        slots_.push_back({std::move(it), required, prompt});
    }
}

void Matcher::add(const Json& event) {
    while (first_free_ < slots_.size() && slots_[first_free_].taken) ++first_free_;
    for (std::size_t i = first_free_; i < slots_.size(); ++i) {
        Slot& slot = slots_[i];
        if (slot.taken || !agrees(slot.expected.event, event)) continue;
        slot.taken = true;
        slot.event = event;
        open_ -= slot.required ? 1 : 0;
        prompt_ -= slot.required && slot.prompt ? 1 : 0;
        return;
    }
    extra_.push_back(event);
}

std::string Matcher::report() const {
    std::string text;
    std::vector<bool> shown(extra_.size());
    for (const Slot& slot : slots_) {
        if (slot.taken || !slot.required) continue;
        text += "\nMISSING  " + text_of(slot.expected.event);
        std::size_t nearest = extra_.size();
        std::vector<std::string> fewest;
        for (std::size_t i = 0; i < extra_.size(); ++i) {
            std::vector<std::string> these = differences(slot.expected.event, extra_[i]);
            if (nearest == extra_.size() || these.size() < fewest.size()) {
                nearest = i;
                fewest = std::move(these);
            }
        }
        if (nearest == extra_.size()) continue;
        shown[nearest] = true;
        text += "\nNEAREST  " + text_of(extra_[nearest]);
        for (const std::string& line : fewest) text += "\n         " + line;
    }
    for (std::size_t i = 0; i < extra_.size(); ++i) {
        if (!shown[i]) text += kExtraMark + text_of(extra_[i]);
    }
    return text;
}

std::vector<Json> Matcher::matched() const {
    std::vector<Json> events;
    for (const Slot& slot : slots_) events.push_back(slot.event);
    return events;
}

namespace {

constexpr int kFirstEphemeral = 32768;
constexpr int kLastEphemeral = 60999;

void mask(Json& object, std::initializer_list<const char*> keys) {
    if (!object.is_object()) return;
    for (const char* key : keys) {
        if (object.contains(key) && !object[key].is_null()) object[key] = "#";
    }
}

// "/bindtrace-deny-4711": the cgroups of the cases carry a process number.
void mask_path(Json& object, const char* key) {
    if (!object.is_object() || !object.contains(key) || !object[key].is_string()) return;
    std::string path = object[key];
    const std::size_t dash = path.rfind('-');
    const bool numbered = dash != std::string::npos && dash + 1 < path.size() &&
                          path.find_first_not_of("0123456789", dash + 1) == std::string::npos;
    if (numbered) object[key] = path.substr(0, dash + 1) + "#";
}

void mask_process(Json& process) {
    mask(process, {"pid", "tid", "ppid", "start_time"});
    if (!process.is_object() || !process.contains("ancestry")) return;
    for (Json& ancestor : process["ancestry"]) mask(ancestor, {"pid"});
}

void mask_socket(Json& socket) {
    mask(socket, {"cookie", "inode", "cgroup_id"});
    mask_path(socket, "cgroup_path");
}

// Its name is that of a process which may have gone before anybody looked.
void mask_netns(Json& netns) {
    mask(netns, {"inum"});
    if (netns.is_object()) netns.erase("name");
}

// The sentences have process numbers and times in them; what they are made of is compared.
void mask_conflict(Json& conflict) {
    mask(conflict, {"summary", "rule", "advice", "in_the_way"});
    if (!conflict.is_object() || !conflict.contains("holders")) return;
    for (Json& holder : conflict["holders"]) {
        mask(holder, {"since", "held_ns", "local_port", "remote_port"});
        mask_netns(holder["netns"]);
        mask_socket(holder["socket"]);
        mask_process(holder["process"]);
        mask_process(holder["last_process"]);
    }
}

}  // namespace

Json normalised(const Json& event) {
    Json out = event;
    if (!out.is_object()) return out;
    mask(out, {"time", "ktime_ns", "held_ns"});
    const bool chosen = out.contains("ephemeral") && out["ephemeral"] == true;
    for (const char* key : {"port", "local_port", "remote_port"}) {
        if (!out.contains(key) || !out[key].is_number_integer()) continue;
        const int port = out[key];
        const bool own = chosen && std::string(key) == "local_port";
        if (own || (port >= kFirstEphemeral && port <= kLastEphemeral)) out[key] = "ephemeral";
    }
    if (out.contains("process")) mask_process(out["process"]);
    if (out.contains("socket")) mask_socket(out["socket"]);
    if (out.contains("netns")) mask_netns(out["netns"]);
    if (out.contains("conflict")) mask_conflict(out["conflict"]);
    if (out.contains("cgroup")) {
        mask(out["cgroup"], {"id"});
        mask_path(out["cgroup"], "path");
    }
    return out;
}

}  // namespace bindtrace
