// SPDX-License-Identifier: MIT
// The settings of a network namespace that decide about ports: net.ipv4.ip_local_port_range and its neighbours. They
// hold for IPv6 too.
#pragma once

#include <bitset>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "model/port_entry.h"

namespace bindtrace {

using PortSet = std::bitset<65536>;

// "8080,9000-9010", as the kernel prints it; empty is no port. Nothing where it is not such a list.
std::optional<PortSet> parse_port_set(std::string_view text);

// The same in the fewest words: neighbours become a range.
std::string port_set_text(const PortSet& ports);

// What could not be read is not known.
struct PortSysctls {
    std::optional<std::pair<std::uint16_t, std::uint16_t>> ephemeral;  // inclusive
    std::optional<PortSet> reserved;                                   // never given to a client
    std::optional<std::uint32_t> unprivileged_start;
};

// Those ports of the entry that a client may be given; none where that is not known.
PortSet exposed_ports(const PortEntry& entry, const PortSysctls& sysctls);

// Of this thread's network namespace.
PortSysctls read_port_sysctls(const std::string& folder = "/proc/sys/net/ipv4");

// Of the one behind a path such as /run/netns/web; needs CAP_SYS_ADMIN.
PortSysctls read_port_sysctls_of(const std::string& netns_path);

}  // namespace bindtrace
