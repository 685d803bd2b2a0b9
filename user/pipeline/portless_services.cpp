// SPDX-License-Identifier: MIT
#include "pipeline/portless_services.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <string_view>

#include "diagnose/holder_words.h"
#include "model/names.h"
#include "model/publisher.h"
#include "sink/escape.h"

namespace bindtrace {
namespace {

// Long enough for a program that gives up to have ended: Spring Boot takes some seconds, nginx tries for two and a
// half.
constexpr std::uint64_t kPatienceNs = 10'000'000'000;

std::string_view protocol_of(const Event& event) {
    return protocol_name(event.sock.protocol, event.sock.type);
}

}  // namespace

void PortlessServices::refused(const Event& event, const Context& context, const std::vector<Holder>& holders) {
    const std::uint16_t port = event.flags & BT_EVENT_HAS_REQUEST ? event.port : event.sock.local_port;
    if (port == 0 || !(event.flags & BT_EVENT_HAS_TASK) || context.place.type() != "service") return;
    if (publishes_ports(event.task, context.process)) return;  // it is the container that has to start again
    const std::string unit(*context.place.unit);
    const auto same = [&](const Watched& watched) {
        return watched.port == port && protocol_of(watched.event) == protocol_of(event) &&
               is_same_process(watched.event.task.key, event.task.key);
    };
    if (watched_.size() >= kWatched || std::ranges::any_of(watched_, same)) return;
    if (std::ranges::any_of(holders, [&](const Holder& holder) { return unit_of(holder) == unit; })) return;  // has it
    watched_.push_back({.event = event,
                        .unit = unit,
                        .restart = systemctl_of(context.place, context.user, event.task.uid) + " restart " + unit,
                        .port = port});
}

void PortlessServices::succeeded(const Event& event, const Context& context) {
    if (watched_.empty() || (event.kind != BT_KIND_BIND && event.kind != BT_KIND_LISTEN)) return;
    std::erase_if(watched_, [&](const Watched& watched) {
        return watched.port == event.sock.local_port && protocol_of(watched.event) == protocol_of(event) &&
               context.place.unit == watched.unit;
    });
}

std::optional<std::string> PortlessServices::look(std::uint64_t now_ns) {
    std::erase_if(watched_, [&](const Watched& watched) { return !is_alive_(watched.event.task.key); });
    const auto due = std::ranges::find_if(watched_, [&](const Watched& watched) {
        return !watched.told && watched.event.ktime_ns + kPatienceNs <= now_ns;
    });
    if (due == watched_.end()) return std::nullopt;
    due->told = true;
    const char* const comm = due->event.task.comm;
    std::string sentence;
    append_text(
        sentence,
        fmt::format("{} runs on without {} port {}, which {}[{}] was refused {} s ago ({}): systemctl calls "
                    "it active all the same; once the port is free, {}",
                    due->unit, protocol_of(due->event), due->port, std::string_view(comm, strnlen(comm, BT_COMM_LEN)),
                    due->event.task.key.pid, (now_ns - due->event.ktime_ns) / 1'000'000'000,
                    errno_name(due->event.error), due->restart));
    return sentence;
}

}  // namespace bindtrace
