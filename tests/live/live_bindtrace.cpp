// SPDX-License-Identifier: MIT
#include "live_bindtrace.h"

#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <regex>

namespace bindtrace {
namespace {

using namespace std::chrono_literals;

Words command(Words words) {
    words.insert(words.begin(), bindtrace_binary());
    return words;
}

std::string place(const Json& event, const char* address, const char* port) {
    if (event[address].is_null() && event[port].is_null()) return "-";
    const std::string host = event[address].is_string() ? event[address].get<std::string>() : "-";
    const bool chosen = event["ephemeral"] == true && std::string(port) == "local_port";
    return host + ":" + (chosen ? "ephemeral" : event[port].dump());
}

}  // namespace

std::string bindtrace_binary() {
    const char* given = std::getenv("BINDTRACE");
    if (given != nullptr && *given != '\0') return given;
    return std::filesystem::path(own_program()).parent_path() / "bindtrace";
}

std::string own_program() {
    return std::filesystem::read_symlink("/proc/self/exe");
}

std::string cgroup_mount() {
    std::ifstream mounts("/proc/self/mounts");
    for (std::string device, folder, type; mounts >> device >> folder >> type; mounts.ignore(10000, '\n'))
        if (type == "cgroup2") return folder;
    return "";
}

std::uint64_t boot_time_ns() {
    timespec now{};
    ::clock_gettime(CLOCK_BOOTTIME, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U + static_cast<std::uint64_t>(now.tv_nsec);
}

Ended run(const Words& argv, std::chrono::milliseconds deadline) {
    ChildProcess process(argv);
    process.close_stdin();
    Ended ended;
    std::thread reader([&] {
        while (const auto line = process.read_line()) ended.out += *line + "\n";
    });
    ended.code = process.wait(deadline);
    if (!ended.code) {
        process.signal(SIGKILL);
        process.wait(10s);
    }
    reader.join();
    ended.errors = process.errors();
    return ended;
}

Ended run_bindtrace(Words words) {
    return run(command(std::move(words)));
}

Words as_nobody(Words argv) {
    const Words prefix = {"/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all"};
    argv.insert(argv.begin(), prefix.begin(), prefix.end());
    return argv;
}

Bindtrace::Bindtrace(Words words) : Bindtrace(command(std::move(words)), Whole{}) {}

Bindtrace::Bindtrace(const Words& argv, Whole) : process_(argv), reader_([this] { read(); }) {}

Bindtrace::~Bindtrace() {
    process_.signal(SIGKILL);
    if (reader_.joinable()) reader_.join();
}

void Bindtrace::read() {
    while (auto text = process_.read_line()) {
        auto line = std::make_unique<Line>();
        line->arrived_ns = boot_time_ns();
        line->json = Json::parse(*text, nullptr, false);
        line->text = std::move(*text);
        const std::lock_guard lock(mutex_);
        lines_.push_back(std::move(line));
        more_.notify_all();
    }
    const std::lock_guard lock(mutex_);
    ended_ = true;
    more_.notify_all();
}

const Line* Bindtrace::wait_for(const std::function<bool(const Line&)>& wanted, std::chrono::milliseconds deadline) {
    const auto end = std::chrono::steady_clock::now() + deadline;
    std::unique_lock lock(mutex_);
    for (std::size_t next = 0;;) {
        for (; next < lines_.size(); ++next)
            if (wanted(*lines_[next])) return lines_[next].get();
        if (ended_) return nullptr;
        if (!more_.wait_until(lock, end, [&] { return next < lines_.size() || ended_; })) return nullptr;
    }
}

Bindtrace::Output Bindtrace::stop(int number) {
    process_.signal(number);
    return wait_for_end(20s);
}

Bindtrace::Output Bindtrace::wait_for_end(std::chrono::milliseconds deadline) {
    Output output;
    output.code = process_.wait(deadline);
    if (!output.code) {
        ADD_FAILURE() << "bindtrace does not end";
        process_.signal(SIGKILL);
        process_.wait(10s);
    }
    if (reader_.joinable()) reader_.join();
    output.errors = process_.errors();
    for (const auto& line : lines_) output.lines.push_back(*line);
    return output;
}

std::string word_of(const Json& object, const char* key) {
    const auto found = object.find(key);
    return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::vector<Json> events_of(const std::vector<Line>& lines) {
    std::vector<Json> events;
    for (const Line& line : lines) {
        EXPECT_TRUE(line.json.is_object()) << "not a JSON object: " << line.text;
        if (!line.json.is_object()) continue;
        const std::string type = word_of(line.json, "type");
        EXPECT_NE(type, "loss") << line.text;
        if (type != "meta") events.push_back(line.json);
    }
    return events;
}

std::string brief(const Json& event) {
    const std::string type = word_of(event, "type");
    const std::string head = type + " " + (event["proto"].is_null() ? "-" : word_of(event, "proto")) + " ";
    if (type == "bind") return head + place(event, "addr", "port") + " " + word_of(event, "result");
    if (type == "state") return head + word_of(event, "old_state") + " > " + word_of(event["socket"], "state");
    if (type == "release") return head + place(event, "local_addr", "local_port");
    if (type == "listen") return head + place(event, "local_addr", "local_port") + " " + word_of(event, "result");
    return head + place(event, "local_addr", "local_port") + " -> " + place(event, "remote_addr", "remote_port") + " " +
           word_of(event, "result");
}

Words briefs(const std::vector<Json>& events) {
    Words all;
    for (const Json& event : events) all.push_back(brief(event));
    return all;
}

std::optional<Totals> totals_of(const std::string& errors) {
    static const std::regex kForm("bindtrace: ([0-9]+) events, ([0-9]+) of them failures, ([0-9]+) lost\n");
    std::smatch parts;
    if (!std::regex_search(errors, parts, kForm)) return std::nullopt;
    return Totals{std::stoull(parts[1]), std::stoull(parts[2]), std::stoull(parts[3])};
}

}  // namespace bindtrace
