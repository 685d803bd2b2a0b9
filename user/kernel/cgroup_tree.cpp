// SPDX-License-Identifier: MIT
#include "kernel/cgroup_tree.h"

#include <mntent.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <string_view>

namespace bindtrace {
namespace {

constexpr const char* kOfSystemd = "name=systemd";

// A line of /proc/PID/cgroup: "1:name=systemd:/init.scope", "0::/init.scope".
struct Place {
    std::uint32_t hierarchy = 0;
    std::string path;
};

std::optional<Place> place_in(const std::string& file, std::string_view controllers) {
    std::ifstream lines(file);
    for (std::string line; std::getline(lines, line);) {
        const std::size_t first = line.find(':');
        const std::size_t second = first == std::string::npos ? first : line.find(':', first + 1);
        if (second == std::string::npos || std::string_view(line).substr(first + 1, second - first - 1) != controllers)
            continue;
        return Place{.hierarchy = static_cast<std::uint32_t>(std::strtoul(line.c_str(), nullptr, 10)),
                     .path = line.substr(second + 1)};
    }
    return std::nullopt;
}

}  // namespace

CgroupLayout find_cgroups(const std::string& mounts, const std::string& first_process) {
    CgroupLayout layout;
    std::optional<std::string> of_systemd;
    const std::unique_ptr<FILE, int (*)(FILE*)> table(setmntent(mounts.c_str(), "re"), endmntent);
    while (const mntent* entry = table ? getmntent(table.get()) : nullptr) {
        if (!layout.cgroup2_mount && std::strcmp(entry->mnt_type, "cgroup2") == 0)
            layout.cgroup2_mount = entry->mnt_dir;
        if (!of_systemd && std::strcmp(entry->mnt_type, "cgroup") == 0 && hasmntopt(entry, kOfSystemd) != nullptr)
            of_systemd = entry->mnt_dir;
    }
    const auto in_v1 = place_in(first_process, kOfSystemd), in_v2 = place_in(first_process, "");
    const bool uses_v2 = layout.cgroup2_mount && (!in_v1 || in_v1->path == "/" || (in_v2 && in_v2->path != "/"));
    if (of_systemd && in_v1 && in_v1->hierarchy != 0 && !uses_v2)
        layout.tree = CgroupTree{.mount = *of_systemd, .hierarchy = in_v1->hierarchy};
    else if (layout.cgroup2_mount)
        layout.tree = CgroupTree{.mount = *layout.cgroup2_mount};
    return layout;
}

std::optional<Error> lacking_cgroups(const CgroupLayout& layout) {
    if (layout.tree && layout.tree->hierarchy != 0)
        return Error{"units are in cgroup v1 (" + layout.tree->mount +
                         "): where a socket was made is not known, so socket units are null",
                     0, "boot with systemd.unified_cgroup_hierarchy=1"};
    if (layout.tree) return std::nullopt;
    return Error{"no hierarchy of cgroups that tells units is mounted: no cgroup paths, units, containers or --unit", 0,
                 "mount -t cgroup2 none /sys/fs/cgroup"};
}

}  // namespace bindtrace
