// SPDX-License-Identifier: MIT
#include "enrich/enricher.h"

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
    std::vector<std::uint64_t> inodes;
    for (const bt_holder& raw : refusal.holders)
        if (raw.sock.inode != 0) inodes.push_back(raw.sock.inode);
    const std::vector<bt_socket_user> users = inodes.empty() ? std::vector<bt_socket_user>{} : socket_users_(inodes);

    std::vector<Holder> holders;
    for (const bt_holder& raw : refusal.holders) {
        Holder& holder = holders.emplace_back();
        holder.raw = raw;
        if (raw.since_ns != 0) holder.since_ns = clock_.utc_ns(raw.since_ns);
        holder.socket_cgroup_path = cgroups_.find(raw.sock.cgroup_id);
        holder.netns_name = netns_.name(raw.sock.netns);
        const bool claimed = (raw.flags & BT_EVENT_HAS_TASK) != 0;
        const bt_task* now = nullptr;  // the claimant if it still has it, else who has had it longest
        for (const bt_socket_user& user : users) {
            if (user.inode != raw.sock.inode) continue;
            const bool claimant =
                claimed && user.task.key.pid == raw.task.key.pid && user.task.key.start_ns == raw.task.key.start_ns;
            if (now == nullptr || claimant || user.task.key.start_ns < now->key.start_ns) now = &user.task;
            if (claimant) break;
        }
        // It was open when the claim failed, and is so no more: then it was the claimant's.
        if (now == nullptr && claimed && raw.sock.inode != 0) now = &raw.task;
        if (now != nullptr) holder.process = owner(*now);
        const bool still =
            now != nullptr && now->key.pid == raw.task.key.pid && now->key.start_ns == raw.task.key.start_ns;
        if (!claimed || still) continue;
        holder.last_process = owner(raw.task);
        holder.last_process_exited = !processes_.is_alive(raw.task.key);
    }
    return holders;
}

}  // namespace bindtrace
