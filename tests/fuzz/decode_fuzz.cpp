// SPDX-License-Identifier: MIT
// Any bytes from the ring buffer, through decode, diagnosis and both sinks, with any bytes for what is looked up. What
// must hold: one line each; the JSON line parses and has the same keys always; the text line is UTF-8 without control
// characters.
//
// Input: a bt_refusal, a bt_process, then the names that the enricher would add.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "decode/decode.h"
#include "diagnose/diagnose.h"
#include "enrich/processes.h"
#include "require.h"
#include "sink/json_sink.h"
#include "sink/text_sink.h"

namespace {

using nlohmann::json;

constexpr std::size_t kKeys = 31;

// Takes at most `size` bytes off the front; what is short is filled with zeros.
template <typename Plain>
Plain take(std::string_view& bytes) {
    Plain value{};
    const std::size_t size = std::min(sizeof(value), bytes.size());
    std::memcpy(&value, bytes.data(), size);
    bytes.remove_prefix(size);
    return value;
}

void check_line(std::string& line) {
    require(!line.empty() && line.back() == '\n');
    line.pop_back();
    require(!has_control(line));
}

void check_text(const std::string& text) {
    require(!text.empty() && text.back() == '\n' && std::count(text.begin(), text.end(), '\n') <= 5);
    require(is_utf8(text));
    for (std::size_t begin = 0; begin < text.size();) {
        const std::size_t end = text.find('\n', begin);
        require(!has_control(std::string_view(text).substr(begin, end - begin)));
        begin = end + 1;
    }
}

void check(const bindtrace::Record& record) {
    std::string line;
    bindtrace::JsonSink json_sink;
    json_sink.record(record, line);
    check_line(line);
    const json parsed = json::parse(line, nullptr, false);
    require(parsed.is_object() && parsed.size() == kKeys);

    for (const bool colour : {false, true}) {
        line.clear();
        bindtrace::TextSink text_sink({.colour = colour});
        text_sink.record(record, line);
        if (!colour) check_text(line);  // else our own escapes; that it does not crash is enough
    }
}

// With a process, a user and paths from the input on every holder.
bindtrace::Conflict diagnose(const bindtrace::Sample& sample, const bindtrace::Context& context) {
    std::vector<bindtrace::Holder> holders;
    if (sample.refusal) {
        for (const bt_holder& raw : sample.refusal->holders) {
            bindtrace::Holder& holder = holders.emplace_back();
            holder.raw = raw;
            holder.socket_cgroup_path = context.cgroup_path;
            bindtrace::Owner owner;
            owner.task = raw.task;
            if (context.process != nullptr) owner.process = *context.process;
            owner.user = context.user;
            owner.cgroup_path = context.cgroup_path;
            if (context.container != nullptr) holder.container = *context.container;
            if ((raw.has_claim & 1) != 0) holder.process = owner;
            if ((raw.explicit_port & 1) != 0) holder.last_process = owner;
        }
    }
    return bindtrace::Diagnosis().diagnose(
        sample.event, context,
        {.refusal = sample.refusal, .holders = std::move(holders), .range = {}, .local_addresses = {}});
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view rest(reinterpret_cast<const char*>(data), size);
    const std::string_view head = rest.substr(0, sizeof(bt_refusal));
    rest.remove_prefix(head.size());
    const auto sample = bindtrace::decode(std::as_bytes(std::span(head.data(), head.size())));
    if (!sample) return 0;
    const bindtrace::Event& event = sample->event;
    require(std::memchr(event.task.comm, 0, sizeof(event.task.comm)) != nullptr);
    require(!sample->refusal || sample->refusal->holders.size() <= BT_HOLDERS);

    const bindtrace::Context nothing;
    check({event, nothing});

    const bindtrace::Process process = bindtrace::process_from_kernel(take<bt_process>(rest));
    require(process.ancestry.size() <= BT_ANCESTORS);
    bindtrace::Context context;
    context.time_ns = take<std::int64_t>(rest);
    context.start_time_ns = take<std::int64_t>(rest);
    context.process = &process;
    context.netns_name = rest.substr(0, rest.size() / 2);
    context.user = context.netns_name;
    context.cgroup_path = rest.substr(rest.size() / 2);
    context.socket_cgroup_path = context.cgroup_path;
    context.read_paths();
    const std::string name(context.netns_name.value_or(""));
    const bindtrace::ContainerFacts container{
        .container = bindtrace::Container{.runtime = "docker", .id = name, .name = name, .image = name},
        .pod = bindtrace::Pod{.name_space = name, .name = name, .uid = name, .container = name}};
    context.container = &container;
    const bindtrace::Conflict verdict = diagnose(*sample, context);
    check({event, context, &verdict});
    return 0;
}
