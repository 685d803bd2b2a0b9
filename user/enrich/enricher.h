// SPDX-License-Identifier: MIT
// Adds to an event what the kernel does not put into it: wall-clock time, the process's executable and arguments, names
// of users, cgroups and network namespaces. All from caches; what is not known stays empty.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/clock.h"
#include "enrich/cgroup_paths.h"
#include "enrich/containers.h"
#include "enrich/netns_names.h"
#include "enrich/processes.h"
#include "enrich/published_ports.h"
#include "enrich/users.h"
#include "model/conflict.h"
#include "model/record.h"

namespace bindtrace {

class Enricher {
  public:
    // What the kernel side noted of a process or a cgroup while it was there.
    struct Notes {
        Processes::Describe process = [](const bt_process_key&) { return std::nullopt; };
        CgroupPaths::Noted cgroup_path = [](std::uint64_t) { return std::nullopt; };
        std::function<void(std::span<bt_socket_user>)> socket_users = [](auto) {};  // fills in their tasks
        NetnsNames::Look netns_processes = {};                                      // where /proc need not be searched
        StateFiles::Warn warn = [](const std::string&) {};                          // of what may not be read
    };

    // host_netns: inode number, 0 = not known.
    Enricher(const std::optional<std::string>& cgroup_mount, std::uint32_t host_netns, Notes notes);
    Enricher(const Enricher&) = delete;
    Enricher& operator=(const Enricher&) = delete;

    // Before the first event, where they come as they happen: what would take it longest to find out.
    void read_ahead() { published_.read_ahead(clock_ns(CLOCK_REALTIME)); }

    // Lives until the next call.
    const Context& enrich(const Event& event);

    // The last one.
    const Context& context() const { return context_; }

    // Who holds, or held, what was found in the way.
    std::vector<Holder> holders(const Refusal& refusal);

    // Of one socket. user: who has it open, pid 0 = nobody, or nobody knows.
    Holder holder(const bt_holder& raw, const bt_task& user);

    std::optional<std::string_view> netns_name(std::uint32_t inum) { return netns_.name(inum); }

    bool is_alive(const bt_process_key& process) const { return processes_.is_alive(process); }

    std::int64_t utc_ns(std::uint64_t ktime_ns) const { return clock_.utc_ns(ktime_ns); }

    // Between batches: follow a step of the wall clock.
    void refresh() { clock_.refresh(); }

    // What was enriched last is to be enriched again after this.
    Owner owner(const bt_task& task);

  private:
    // Whose container the port or the process is.
    void find_container(Holder& holder);
    std::optional<std::string> cgroup_of(const NetnsProcess& process);
    // Of a network namespace, by those that are in it.
    std::optional<std::string> name_of(const NetnsProcesses& processes);

    WallClock clock_;
    CgroupPaths cgroups_;
    Containers containers_;
    PublishedPorts published_{containers_};
    NetnsNames netns_;
    Users users_;
    Processes processes_;
    std::function<void(std::span<bt_socket_user>)> socket_users_;
    Context context_;
};

}  // namespace bindtrace
