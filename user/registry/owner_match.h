// SPDX-License-Identifier: MIT
// Is a socket held by whom the registry names? Whoever has it open counts, and so does the socket unit that made it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "registry/held_sockets.h"
#include "registry/registry.h"
#include "registry/unit_files.h"

namespace bindtrace {

enum class Match : std::uint8_t { no, unknown, yes };

// With unknown: why, a clause.
struct MatchResult {
    Match match = Match::no;
    std::string why{};
};

// By the best of the owners.
MatchResult match_owners(const std::vector<OwnerRule>& owners, const HeldSocket& socket, const UnitFiles& units);

// The unit of the system manager that a process runs in; that of a person's own manager is none, whatever its name.
std::optional<std::string> system_unit_of(const Owner& user);

// The system manager's socket unit that made the socket.
std::optional<std::string> system_socket_unit(const Holder& holder);

}  // namespace bindtrace
