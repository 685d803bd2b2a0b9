// SPDX-License-Identifier: MIT
#include "pipeline/portless_services.h"

#include <algorithm>
#include <cstring>
#include <string_view>

#include "model/names.h"
#include "model/publisher.h"

namespace bindtrace {
namespace {

// Long enough for a program that gives up to have ended: Spring Boot takes some seconds, nginx tries for two and a
// half.
constexpr std::uint64_t kPatienceNs = 10'000'000'000;

std::string_view protocol_of(const Event& event) {
    return protocol_name(event.sock.protocol, event.sock.type);
}

// As if it had been made.
Holder claim_of(const Event& event, const Context& context, std::uint16_t port) {
    Holder claim;
    claim.raw.sock = event.sock;
    claim.raw.sock.local_port = port;
    if ((event.flags & BT_EVENT_HAS_REQUEST) != 0 && event.addr_family == event.sock.family)
        std::memcpy(claim.raw.sock.local_addr, event.addr, sizeof(event.addr));
    claim.raw.flags = event.flags & (BT_EVENT_HAS_SOCK | BT_EVENT_HAS_SOCKOPT);
    Owner& owner = claim.process.emplace();
    owner.task = event.task;
    if (context.process != nullptr) owner.process = *context.process;
    owner.start_time_ns = context.start_time_ns;
    owner.user = context.user;
    owner.cgroup_path = context.cgroup_path;
    claim.socket_cgroup_path = context.socket_cgroup_path;
    claim.netns_name = context.netns_name;
    if (context.container != nullptr) claim.container = *context.container;
    return claim;
}

}  // namespace

void PortlessServices::refused(const Event& event, const Context& context, const std::vector<Holder>& holders) {
    const std::uint16_t port = event.flags & BT_EVENT_HAS_REQUEST ? event.port : event.sock.local_port;
    if (port == 0 || !(event.flags & BT_EVENT_HAS_TASK) || context.place.type() != "service") return;
    if (publishes_ports(event.task, context.process)) return;  // it is the container that has to start again
    const std::string unit(*context.place.unit);
    const auto same = [&](const Watched& watched) {
        return watched.claim.raw.sock.local_port == port && protocol_of(watched.event) == protocol_of(event) &&
               is_same_process(watched.event.task.key, event.task.key);
    };
    if (watched_.size() >= kWatched || std::ranges::any_of(watched_, same)) return;
    if (std::ranges::any_of(holders, [&](const Holder& holder) { return unit_of(holder) == unit; })) return;  // has it
    watched_.push_back({.event = event, .claim = claim_of(event, context, port), .unit = unit});
}

void PortlessServices::succeeded(const Event& event, const Context& context) {
    if (watched_.empty() || (event.kind != BT_KIND_BIND && event.kind != BT_KIND_LISTEN)) return;
    std::erase_if(watched_, [&](const Watched& watched) {
        return watched.claim.raw.sock.local_port == event.sock.local_port &&
               protocol_of(watched.event) == protocol_of(event) && context.place.unit == watched.unit;
    });
}

std::optional<Warning> PortlessServices::look(std::uint64_t now_ns) {
    std::erase_if(watched_, [&](const Watched& watched) { return !is_alive_(watched.event.task.key); });
    const auto due = std::ranges::find_if(watched_, [&](const Watched& watched) {
        return !watched.told && watched.event.ktime_ns + kPatienceNs <= now_ns;
    });
    if (due == watched_.end()) return std::nullopt;
    due->told = true;
    Warning warning;
    warning.ktime_ns = now_ns;
    warning.reason = WarningReason::service_without_port;
    warning.claim = due->claim;
    warning.refused_error = due->event.error;
    warning.refused_ns = due->event.ktime_ns;
    return warning;
}

}  // namespace bindtrace
