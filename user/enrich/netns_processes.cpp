// SPDX-License-Identifier: MIT
#include "enrich/netns_processes.h"

#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "enrich/netns_names.h"
#include "enrich/proc_stat.h"

namespace bindtrace {
namespace {

void put_in_order(NetnsProcesses& processes) {
    std::ranges::sort(processes, {}, [](const NetnsProcess& one) { return std::pair(one.started, one.pid); });
}

}  // namespace

NetnsProcesses netns_processes(const std::string& proc, std::uint32_t host) {
    NetnsProcesses found;
    std::error_code ignored;
    std::filesystem::directory_iterator entry(proc, ignored), end;
    for (; !ignored && entry != end; entry.increment(ignored)) {
        const std::string name = entry->path().filename();
        std::uint32_t pid = 0;
        const auto [rest, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
        if (error != std::errc() || rest != name.data() + name.size()) continue;
        const auto netns = NetnsNames::inum_of(entry->path() / "ns/net");
        if (!netns || *netns == host) continue;
        const auto stat = read_proc_stat(proc, pid);
        if (!stat || stat->of_kernel) continue;
        found.push_back(
            {.pid = pid, .ppid = stat->ppid, .netns = *netns, .started = stat->start_ticks, .comm = stat->comm});
    }
    put_in_order(found);
    return found;
}

NetnsProcesses netns_processes(std::span<const bt_netns_process> told) {
    NetnsProcesses processes;
    for (const auto& [task, netns, unused] : told)
        processes.push_back({.pid = task.key.pid,
                             .ppid = task.ppid,
                             .netns = netns,
                             .started = task.key.start_ns,
                             .comm = std::string(task.comm, strnlen(task.comm, sizeof(task.comm))),
                             .cgroup_id = task.cgroup_id});
    put_in_order(processes);
    return processes;
}

std::vector<std::uint32_t> open_netns(const std::string& proc, std::uint32_t pid) {
    std::vector<std::uint32_t> found;
    struct stat own {};
    if (stat((proc + "/self/ns/net").c_str(), &own) != 0) return found;
    std::error_code error;
    std::filesystem::directory_iterator entry(proc + "/" + std::to_string(pid) + "/fd", error), end;
    for (; !error && entry != end; entry.increment(error)) {
        std::error_code gone;
        const std::string target = std::filesystem::read_symlink(entry->path(), gone);
        if (gone || !(target.starts_with("/run/") || target.starts_with("net:["))) continue;  // nothing that may hang
        struct stat status {};
        if (stat(entry->path().c_str(), &status) != 0 || status.st_dev != own.st_dev) continue;  // of another kind
        found.push_back(static_cast<std::uint32_t>(status.st_ino));
    }
    return found;
}

}  // namespace bindtrace
