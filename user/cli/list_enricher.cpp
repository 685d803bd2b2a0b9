// SPDX-License-Identifier: MIT
#include "cli/list_enricher.h"

#include <spdlog/spdlog.h>

#include <cstdint>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "kernel/attach.h"

namespace bindtrace {

Enricher enricher_of_list(const KernelFacts& facts, const PortList& list) {
    warn_of_nulls(facts);
    Enricher::Notes notes;
    std::unordered_map<std::uint32_t, std::vector<bt_netns_process>> by_netns;
    for (const bt_netns_process& process : list.processes) by_netns[process.netns].push_back(process);
    notes.netns_processes = [by_netns = std::move(by_netns)](std::uint32_t inum) {
        const auto found = by_netns.find(inum);
        return found == by_netns.end() ? NetnsProcesses{} : netns_processes(found->second);
    };
    notes.warn = [](const std::string& sentence) { spdlog::warn("{}", sentence); };
    return {facts.cgroup_mount(), list.host_netns, std::move(notes)};
}

}  // namespace bindtrace
