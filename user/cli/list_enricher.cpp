// SPDX-License-Identifier: MIT
#include "cli/list_enricher.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "kernel/attach.h"

namespace bindtrace {
namespace {

NetnsProcesses oldest_first(const std::vector<bt_netns_process>& told) {
    NetnsProcesses processes;
    for (const auto& [task, netns, unused] : told)
        processes.push_back({.pid = task.key.pid,
                             .ppid = task.ppid,
                             .netns = netns,
                             .started = task.key.start_ns,
                             .comm = std::string(task.comm, strnlen(task.comm, sizeof(task.comm))),
                             .cgroup_id = task.cgroup_id});
    std::ranges::sort(processes, {}, [](const NetnsProcess& one) { return std::pair(one.started, one.pid); });
    return processes;
}

}  // namespace

Enricher enricher_of_list(const KernelFacts& facts, const PortList& list) {
    warn_of_nulls(facts);
    Enricher::Notes notes;
    notes.netns_processes = [processes = oldest_first(list.processes)] { return processes; };
    notes.warn = [](const std::string& sentence) { spdlog::warn("{}", sentence); };
    return {facts.cgroup_mount(), list.host_netns, std::move(notes)};
}

}  // namespace bindtrace
