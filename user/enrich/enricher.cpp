// SPDX-License-Identifier: MIT
#include "enrich/enricher.h"

#include <algorithm>
#include <unordered_set>

#include "enrich/proc_stat.h"

namespace bindtrace {

Enricher::Enricher(const std::optional<std::string>& cgroup_mount, std::uint32_t host_netns, Notes notes)
    : cgroups_(cgroup_mount, std::move(notes.cgroup_path)),
      containers_(std::move(notes.warn)),
      netns_(
          host_netns, [this](const NetnsProcesses& processes) { return name_of(processes); }, "/run/netns", "/proc",
          std::move(notes.netns_processes)),
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
    if (context_.cgroup_path) context_.container = containers_.find(event.task.cgroup_id, *context_.cgroup_path);
    if (event.sock.cgroup_id == event.task.cgroup_id)
        context_.socket_cgroup_path = context_.cgroup_path;
    else
        context_.socket_cgroup_path = cgroups_.find(event.sock.cgroup_id);
    context_.read_paths();
    context_.netns_name = netns_.name(event.sock.netns, event.task.key);
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
    for (const bt_holder& raw : refusal.holders) {
        bt_socket_user& user = users.emplace_back();
        user.inode = raw.sock.inode;
        user.claimant = raw.task.key;
    }
    if (std::ranges::any_of(users, [](const bt_socket_user& user) { return user.inode != 0; })) socket_users_(users);

    std::vector<Holder> holders;
    for (std::size_t i = 0; i < users.size(); ++i) {
        Holder& found = holders.emplace_back(holder(refusal.holders[i], users[i].task));
        found.processes = users[i].processes;
        for (const bt_task& other : users[i].others)
            if (other.key.pid != 0) found.others.push_back(owner(other));
    }
    return holders;
}

Holder Enricher::holder(const bt_holder& raw, const bt_task& user) {
    Holder holder;
    holder.raw = raw;
    if (raw.since_ns != 0) holder.since_ns = clock_.utc_ns(raw.since_ns);
    holder.socket_cgroup_path = cgroups_.find(raw.sock.cgroup_id);
    holder.netns_name = netns_.name(raw.sock.netns);
    if (user.key.pid != 0) holder.process = owner(user);
    const bool claimed = raw.has_claim != 0 && (raw.flags & BT_EVENT_HAS_TASK) != 0;
    if (claimed && !is_same_process(user.key, raw.task.key)) {
        holder.last_process = owner(raw.task);
        holder.last_process_exited = !processes_.is_alive(raw.task.key);
    }
    find_container(holder);
    return holder;
}

void Enricher::find_container(Holder& holder) {
    const Owner* owner = owner_of(holder);
    if (owner == nullptr) return;
    const std::int64_t now_ns = clock_ns(CLOCK_REALTIME);
    holder.serves_itself = published_.is_daemons_own(*owner, holder.raw.sock, holder.since_ns, now_ns);
    if (auto behind = published_.behind(*owner, holder.raw.sock, now_ns)) {
        holder.published = std::move(behind->published);
        holder.container = std::move(behind->facts);
    } else if (owner->cgroup_path) {
        if (const ContainerFacts* facts = containers_.find(owner->task.cgroup_id, *owner->cgroup_path))
            holder.container = *facts;
    }
}

std::optional<std::string> Enricher::cgroup_of(const NetnsProcess& process) {
    if (const auto path = cgroups_.find(process.cgroup_id)) return std::string(*path);
    return read_proc_cgroup("/proc", process.pid);
}

// The container or the pod that has it, else the unit that was given it (PrivateNetwork=), else the oldest process.
std::optional<std::string> Enricher::name_of(const NetnsProcesses& processes) {
    std::optional<std::string> unit;
    std::unordered_set<std::uint64_t> looked_at;
    for (const NetnsProcess& process : processes) {
        if (process.cgroup_id != 0 && !looked_at.insert(process.cgroup_id).second) continue;
        const std::optional<std::string> cgroup = cgroup_of(process);
        if (!cgroup) continue;
        if (const auto facts = containers_.look_up(*cgroup)) {
            if (facts->pod && facts->pod->name) return facts->pod->name_space.value_or("?") + "/" + *facts->pod->name;
            if (facts->container) return facts->container->name.value_or(facts->container->id);
        }
        const UnitPlace place = place_of_cgroup(*cgroup);
        if (!unit && place.type() == "service") unit = *place.unit;
    }
    if (unit) return unit;
    const NetnsProcess& oldest = processes.front();
    return oldest.comm + "[" + std::to_string(oldest.pid) + "]";
}

}  // namespace bindtrace
