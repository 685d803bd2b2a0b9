// SPDX-License-Identifier: MIT
// Any bytes from the ring buffer, through decode and both sinks, with any bytes for what is looked up. What must hold:
// one line each; the JSON line parses and has the same keys always; the text line is UTF-8 without control characters.
//
// Input: an event, a bt_process, then the names that the enricher would add.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>

#include "decode/decode.h"
#include "enrich/processes.h"
#include "sink/json_sink.h"
#include "sink/text_sink.h"

namespace {

using nlohmann::json;

constexpr std::size_t kKeys = 24;

void require(bool holds) {
    if (!holds) std::abort();
}

bool is_utf8(const std::string& bytes) {
    try {
        static_cast<void>(json(bytes).dump());
        return true;
    } catch (const json::exception&) {
        return false;
    }
}

bool has_control(std::string_view utf8) {
    for (std::size_t i = 0; i < utf8.size(); ++i) {
        const auto byte = static_cast<unsigned char>(utf8[i]);
        if (byte < 0x20 || byte == 0x7f) return true;
        if (byte == 0xc2 && i + 1 < utf8.size() && static_cast<unsigned char>(utf8[i + 1]) < 0xa0) return true;
    }
    return false;
}

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

void check(const bindtrace::Event& event, const bindtrace::Context& context) {
    std::string line;
    bindtrace::JsonSink json_sink;
    json_sink.record({event, context}, line);
    check_line(line);
    const json parsed = json::parse(line, nullptr, false);
    require(parsed.is_object() && parsed.size() == kKeys);

    for (const bool colour : {false, true}) {
        line.clear();
        bindtrace::TextSink text_sink({.colour = colour});
        text_sink.record({event, context}, line);
        if (colour) continue;  // our own escapes; that it does not crash is enough
        check_line(line);
        require(is_utf8(line));
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view rest(reinterpret_cast<const char*>(data), size);
    const std::string_view head = rest.substr(0, sizeof(bindtrace::Event));
    rest.remove_prefix(head.size());
    const auto event = bindtrace::decode(std::as_bytes(std::span(head.data(), head.size())));
    if (!event) return 0;
    require(std::memchr(event->task.comm, 0, sizeof(event->task.comm)) != nullptr);

    check(*event, bindtrace::Context{});

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
    check(*event, context);
    return 0;
}
