// SPDX-License-Identifier: MIT
// The sockets that have a port, now, in all network namespaces: those that processes have open and those without one.
#pragma once

#include <cstdint>
#include <vector>

#include "bindtrace/event.h"
#include "core/result.h"
#include "kernel/kernel_facts.h"

namespace bindtrace {

struct PortHolder {
    bt_holder socket{};
    std::vector<bt_task> users;  // who has it open; the one that has run longest first
};

struct PortList {
    std::vector<PortHolder> holders;
    std::vector<bt_netns_process> processes;  // those that are not in the host's network namespace
    std::uint32_t host_netns = 0;             // inode number; 0 = not to be seen from here
    bool complete = true;                     // false: of some port there were more than are listed
};

// `config`: its ports and protocols; without ports those that listen or are bound, and no connections.
Result<PortList> list_ports(const KernelFacts& facts, const bt_config& config);

}  // namespace bindtrace
