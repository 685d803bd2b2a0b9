// SPDX-License-Identifier: MIT
#include "enrich/enricher.h"

#include <algorithm>

namespace bindtrace {

Enricher::Enricher(const std::optional<std::string>& cgroup2_mount, std::uint32_t host_netns, Notes notes)
    : cgroups_(cgroup2_mount, std::move(notes.cgroup_path)),
      netns_(host_netns),
      processes_(std::move(notes.process)),
      socket_users_(std::move(notes.socket_users)) {}

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

Owner Enricher::owner(const bt_task& task) {
    Owner owner;
    owner.task = task;
    if (const Process* process = processes_.find(task.key)) owner.process = *process;
    owner.start_time_ns = clock_.utc_ns(task.key.start_ns);
    owner.user = users_.name(task.uid);
    owner.cgroup_path = cgroups_.find(task.cgroup_id);
    return owner;
}

std::vector<Holder> Enricher::holders(const Refusal& refusal) {
    std::vector<bt_socket_user> users;
    for (const bt_holder& raw : refusal.holders)
        users.push_back({.inode = raw.sock.inode, .claimant = raw.task.key, .task = {}});
    if (std::ranges::any_of(users, [](const bt_socket_user& user) { return user.inode != 0; })) socket_users_(users);

    std::vector<Holder> holders;
    for (std::size_t i = 0; i < users.size(); ++i) holders.push_back(holder(refusal.holders[i], users[i].task));
    return holders;
}

Holder Enricher::holder(const bt_holder& raw, const bt_task& user) {
    Holder holder;
    holder.raw = raw;
    if (raw.since_ns != 0) holder.since_ns = clock_.utc_ns(raw.since_ns);
    holder.socket_cgroup_path = cgroups_.find(raw.sock.cgroup_id);
    holder.netns_name = netns_.name(raw.sock.netns);
    if (user.key.pid != 0) holder.process = owner(user);
    if (raw.has_claim == 0 || (raw.flags & BT_EVENT_HAS_TASK) == 0) return holder;
    if (is_same_process(user.key, raw.task.key)) return holder;
    holder.last_process = owner(raw.task);
    holder.last_process_exited = !processes_.is_alive(raw.task.key);
    return holder;
}

}  // namespace bindtrace
