// SPDX-License-Identifier: MIT
// An entry of the port registry: whose a port is.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bindtrace/event.h"

namespace bindtrace {

struct OwnerRule {
    enum class Kind : std::uint8_t { unit, container, user, exe };
    Kind kind = Kind::unit;
    std::string name;
};

struct PortEntry {
    std::uint16_t first_port = 0, last_port = 0;  // inclusive
    std::uint16_t protocol = 0;                   // IPPROTO_TCP, IPPROTO_UDP
    std::optional<bt_sock> address;               // its family, local_addr and V6ONLY, so "::" is not "0.0.0.0" too
    std::vector<OwnerRule> owners;                // any of them; none = the port is to be free
    std::optional<std::string> netns;             // a name of `ip netns`, or "host"
    std::string file;                             // as given
    unsigned line = 0;                            // of its [[port]]
};

// "myapp.service", "user:bob"; "free" where there is none; else with commas.
std::string owners_text(const std::vector<OwnerRule>& owners);

// "tcp 8080", "udp 10.0.0.1:53", "tcp 9000-9010 netns web".
std::string place_text(const PortEntry& entry);

// The command that keeps these ports, a list as the kernel takes it, from clients in the network namespace of the
// entry.
std::string reserve_command(const std::optional<std::string>& netns, std::string_view ports);

}  // namespace bindtrace
