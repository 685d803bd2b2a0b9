// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace bindtrace {

// The parts of /proc/PID/stat that are used here.
struct ProcStat {
    std::string comm;
    char state = '?';  // R: running, D: sleeps and no signal wakes it
    std::uint32_t ppid = 0;
    std::uint64_t start_ticks = 0;  // since boot
    bool of_kernel = false;         // a thread of the kernel itself
};

// proc: where it is mounted. Nothing where the process has gone.
std::optional<ProcStat> read_proc_stat(const std::string& proc, std::uint32_t pid);

// All of a file below /proc; empty where it cannot be read.
std::string read_proc_file(const std::string& path);

// Its cgroup, relative to the root: in the v2 hierarchy, or in v1's of systemd where v2 is not used.
std::optional<std::string> read_proc_cgroup(const std::string& proc, std::uint32_t pid);

}  // namespace bindtrace
