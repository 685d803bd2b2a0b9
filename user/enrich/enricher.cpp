// SPDX-License-Identifier: MIT
#include "enrich/enricher.h"

namespace bindtrace {

Enricher::Enricher(const std::optional<std::string>& cgroup2_mount, std::uint32_t host_netns, Notes notes)
    : cgroups_(cgroup2_mount, std::move(notes.cgroup_path)), netns_(host_netns), processes_(std::move(notes.process)) {}

const Context& Enricher::enrich(const Event& event) {
    context_ = Context{};
    context_.time_ns = clock_.utc_ns(event.ktime_ns);
    if (event.flags & BT_EVENT_HAS_TASK) {
        context_.process = processes_.find(event.task.key);
        context_.start_time_ns = clock_.utc_ns(event.task.key.start_ns);
        context_.user = users_.name(event.task.uid);
        context_.cgroup_path = cgroups_.find(event.task.cgroup_id);
    }
    if (event.sock.cgroup_id == event.task.cgroup_id)
        context_.socket_cgroup_path = context_.cgroup_path;
    else
        context_.socket_cgroup_path = cgroups_.find(event.sock.cgroup_id);
    context_.netns_name = netns_.name(event.sock.netns);
    return context_;
}

}  // namespace bindtrace
