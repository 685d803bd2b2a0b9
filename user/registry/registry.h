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
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "bindtrace/event.h"
#include "core/result.h"
#include "model/port_entry.h"

namespace bindtrace {

// Of one file's content. Errors are "FILE:LINE: what was found and what was expected".
Result<std::vector<PortEntry>> parse_registry(const std::string& content, const std::string& file);

// The inode number of a network namespace by its name in a registry, "" for the one bindtrace runs in; nothing where
// there is none.
using NetnsOfName = std::function<std::optional<std::uint32_t>(const std::string&)>;

// Several files, and folders of *.toml, read in the order of their names.
Result<std::vector<PortEntry>> read_registries(const std::vector<std::string>& paths, const NetnsOfName& netns_of);

// One namespace may have two names: on the host that is "host", and none.
bool same_netns(const PortEntry& one, const PortEntry& other, const NetnsOfName& netns_of);

// Does the entry speak of a socket with this address?
bool covers_address(const PortEntry& entry, const bt_sock& sock);

// Does it speak of this socket, if its network namespace is that one?
bool concerns(const PortEntry& entry, const bt_sock& sock, std::uint32_t netns);

}  // namespace bindtrace
