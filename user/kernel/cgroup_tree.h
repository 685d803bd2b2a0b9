// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/result.h"

namespace bindtrace {

// The hierarchy of cgroups that says in which unit and which container a process is.
struct CgroupTree {
    std::string mount;
    std::uint32_t hierarchy = 0;  // its number in /proc/PID/cgroup; 0 = v2
};

struct CgroupLayout {
    std::optional<std::string> cgroup2_mount;  // where v2 is, whoever uses it
    std::optional<CgroupTree> tree;            // nothing: no such hierarchy is mounted
};

// v2 where systemd puts the processes there: alone, or beside v1 ("hybrid"). Else v1's "name=systemd", though v2 may be
// mounted too, for others, with all processes at its root.
CgroupLayout find_cgroups(const std::string& mounts = "/proc/self/mounts",
                          const std::string& first_process = "/proc/1/cgroup");

// What cannot be told for want of v2, and how to have it; nothing where all processes are in v2.
std::optional<Error> lacking_cgroups(const CgroupLayout& layout);

}  // namespace bindtrace
