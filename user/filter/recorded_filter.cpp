// SPDX-License-Identifier: MIT
#include "filter/recorded_filter.h"

#include <algorithm>

#include "model/names.h"

namespace bindtrace {
namespace {

bool is_listed(const Filter& filter, std::uint16_t port) {
    return std::ranges::any_of(filter.ports,
                               [port](const auto& range) { return port >= range.first && port <= range.second; });
}

// What the kernel side applies to a live stream: fact_wanted() and task_wanted() in bpf/emit.bpf.h.
bool passes_kernel_part(const Filter& filter, const Event& event) {
    const bool has_sock = (event.flags & BT_EVENT_HAS_SOCK) != 0, has_task = (event.flags & BT_EVENT_HAS_TASK) != 0;
    if ((filter.kinds & 1u << event.kind) == 0) return false;
    if (filter.failed_only && event.error == 0) return false;
    if (filter.no_ephemeral && (event.flags & BT_EVENT_EPHEMERAL) != 0 && event.error == 0) return false;
    if (filter.netns && *filter.netns != event.sock.netns) return false;
    if (filter.pid && (!has_task || *filter.pid != event.task.key.pid)) return false;
    if (filter.uid && (!has_task || *filter.uid != event.task.uid)) return false;
    if (filter.protocols != 0) {
        const auto bit = protocol_bit(protocol_name(event.sock.protocol, event.sock.type));
        if (!has_sock || !bit || (filter.protocols & *bit) == 0) return false;
    }
    if (filter.ports.empty()) return true;
    return (event.sock.local_port != 0 && is_listed(filter, event.sock.local_port)) ||
           ((event.flags & BT_EVENT_HAS_REQUEST) != 0 && is_listed(filter, event.port));
}

}  // namespace

bool RecordedFilter::matches(const Event& event, const Context& context) const {
    if (!passes_kernel_part(filter, event) || !filter.matches(event, context)) return false;
    if (user && context.user != *user) return false;
    return !filter.cgroup || context.cgroup_path;
}

}  // namespace bindtrace
