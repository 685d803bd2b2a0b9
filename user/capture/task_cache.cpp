// SPDX-License-Identifier: MIT
#include "capture/task_cache.h"

#include <algorithm>
#include <cstring>

namespace bindtrace {
namespace {

bool is_same_task(const bt_task& one, const bt_task& other) {
    return std::memcmp(&one, &other, sizeof(one)) == 0;
}

bool is_same_process_text(const Process& one, const Process& other) {
    const auto same = [](const Ancestor& mine, const Ancestor& theirs) {
        return mine.pid == theirs.pid && mine.comm == theirs.comm;
    };
    return one.exe == other.exe && one.cmdline == other.cmdline &&
           std::ranges::equal(one.ancestry, other.ancestry, same);
}

bool is_still(const Owner& known, const TaskView& view) {
    if (!is_same_task(known.task, view.task) || known.start_time_ns != view.start_time_ns) return false;
    if (known.user != view.user || known.cgroup_path != view.cgroup_path) return false;
    if (known.process.has_value() != (view.process != nullptr)) return false;
    return !known.process || is_same_process_text(*known.process, *view.process);
}

}  // namespace

TaskView task_view(const Event& event, const Context& context) {
    return {.task = event.task,
            .process = context.process,
            .start_time_ns = context.start_time_ns,
            .user = context.user,
            .cgroup_path = context.cgroup_path};
}

TaskView task_view(const Owner& owner) {
    return {.task = owner.task,
            .process = owner.process ? &*owner.process : nullptr,
            .start_time_ns = owner.start_time_ns,
            .user = owner.user,
            .cgroup_path = owner.cgroup_path};
}

Owner owner_of(const TaskView& view) {
    Owner owner;
    owner.task = view.task;
    if (view.process != nullptr) owner.process = *view.process;
    owner.start_time_ns = view.start_time_ns;
    owner.user = view.user;
    owner.cgroup_path = view.cgroup_path;
    return owner;
}

TaskCache::Known& TaskCache::find(const TaskView& view) {
    const Key key{.process = view.task.key, .tid = view.task.tid, .described = view.start_time_ns.has_value()};
    if (known_.size() >= kCapacity && !known_.contains(key)) known_.clear();
    Known& known = known_[key];
    if (!known.owner || !is_still(*known.owner, view)) known = {.owner = std::make_shared<const Owner>(owner_of(view))};
    return known;
}

}  // namespace bindtrace
