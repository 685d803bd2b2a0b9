// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "bindtrace/event.h"

namespace bindtrace {

struct NetnsProcess {
    std::uint32_t pid = 0;
    std::uint32_t ppid = 0;
    std::uint32_t netns = 0;    // inode number
    std::uint64_t started = 0;  // in whatever unit; the same for all of a look
    std::string comm;
    std::uint64_t cgroup_id = 0;  // 0 = to be read from /proc
};

using NetnsProcesses = std::vector<NetnsProcess>;

// All processes that are in another network namespace than the one with the number `host`, the oldest first; without
// the kernel's own and those that we may not look at. Reads all of /proc: some milliseconds for a thousand processes.
NetnsProcesses netns_processes(const std::string& proc, std::uint32_t host);

// The same of what the kernel side told.
NetnsProcesses netns_processes(std::span<const bt_netns_process> told);

// Network namespaces that a process keeps open, by a descriptor of a path below /run or of "net:[...]".
std::vector<std::uint32_t> open_netns(const std::string& proc, std::uint32_t pid);

}  // namespace bindtrace
