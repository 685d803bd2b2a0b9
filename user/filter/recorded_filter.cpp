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

bool has_all_ports(const Filter& asked, std::string_view recorded) {
    const auto ports = parse_ports(recorded);
    return ports && !asked.ports.empty() && std::ranges::all_of(asked.ports, [&ports](const auto& range) {
               return std::ranges::any_of(*ports, [&range](const auto& has) {
                   return has.first <= range.first && range.second <= has.second;
               });
           });
}

// Of one word of Meta::filters.
bool leaves_claims_in(std::string_view name, std::string_view value, const Filter& asked) {
    if (name == "--registry") return true;
    if (name == "--port") return has_all_ports(asked, value);
    if (name == "--netns") return asked.netns_name == value || (asked.netns && std::to_string(*asked.netns) == value);
    if (name == "--proto") {
        const auto protocols = parse_protocols(value);
        return protocols && asked.protocols != 0 && (asked.protocols & ~*protocols) == 0;
    }
    if (name == "--events") {
        constexpr std::uint32_t kNeeded = 1u << BT_KIND_BIND | 1u << BT_KIND_AUTOBIND | 1u << BT_KIND_RELEASE;
        const auto kinds = parse_kinds(value);
        return kinds && (*kinds & kNeeded) == kNeeded;
    }
    return false;
}

}  // namespace

bool tells_all_claims(const Meta& meta, const RecordedFilter& asked) {
    return std::ranges::all_of(meta.filters, [&asked](std::string_view word) {
        const std::size_t space = std::min(word.find(' '), word.size());
        return leaves_claims_in(word.substr(0, space), word.substr(std::min(space + 1, word.size())), asked.filter);
    });
}

bool RecordedFilter::matches(const Event& event, const Context& context) const {
    if (!passes_kernel_part(filter, event) || !filter.matches(event, context)) return false;
    if (user && context.user != *user) return false;
    return !filter.cgroup || context.cgroup_path;
}

bool RecordedFilter::matches(const HeldPort& port) const {
    const Holder& holder = port.holder;
    Event event{};
    event.kind = BT_KIND_BIND;
    event.flags = BT_EVENT_HAS_SOCK | (holder.raw.flags & BT_EVENT_EPHEMERAL);
    event.sock = holder.raw.sock;
    Context context;
    if (const Owner* owner = owner_of(holder)) {
        event.flags |= BT_EVENT_HAS_TASK;
        event.task = owner->task;
        context.user = owner->user;
        context.cgroup_path = owner->cgroup_path;
    }
    context.socket_cgroup_path = holder.socket_cgroup_path;
    context.netns_name = holder.netns_name;
    context.container = &holder.container;
    context.read_paths();
    RecordedFilter of_holders = *this;
    of_holders.filter.kinds = ~0u;
    of_holders.filter.failed_only = false;
    return of_holders.matches(event, context);
}

}  // namespace bindtrace
