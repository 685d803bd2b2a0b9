// SPDX-License-Identifier: MIT
// The port registry: which port belongs to whom, as an operator writes it down and commits it.
//
//     [[port]]
//     port = 8080                 # or "9000-9010"
//     proto = "tcp"               # tcp (default) | udp
//     address = "10.0.0.1"        # optional; none = all addresses
//     owner = "myapp.service"     # a unit, "container:NAME", "user:NAME", "exe:/path", or "free"; a list = any of them
//     netns = "web"               # optional; none = the network namespace that bindtrace runs in
//
// Two entries never speak of the same place, so that a port has one answer: such a registry is refused.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bindtrace/event.h"
#include "core/result.h"

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

// Of one file's content. Errors are "FILE:LINE: what was found and what was expected".
Result<std::vector<PortEntry>> parse_registry(const std::string& content, const std::string& file);

// Several files, and folders of *.toml, read in the order of their names.
Result<std::vector<PortEntry>> read_registries(const std::vector<std::string>& paths);

// "myapp.service", "user:bob"; "free" where there is none; else with commas.
std::string owners_text(const std::vector<OwnerRule>& owners);

// "tcp 8080", "udp 10.0.0.1:53", "tcp 9000-9010 netns web".
std::string place_text(const PortEntry& entry);

// Does the entry speak of a socket with this address?
bool covers_address(const PortEntry& entry, const bt_sock& sock);

}  // namespace bindtrace
