// SPDX-License-Identifier: MIT
// What `who` prints: ports that are held, and by whom.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "model/conflict.h"

namespace bindtrace {

// By port, listeners first, connections last.
void sort_held_ports(std::vector<HeldPort>& ports);

// A line of JSON each. now_ns: boot-time clock. host: told where it is given; empty = not known.
void append_held_ports_json(std::string& out, std::span<const HeldPort> ports, std::uint64_t now_ns,
                            const std::optional<std::string>& host = std::nullopt);

// A table with a heading. Connections that differ in their remote end alone take one line.
void append_held_ports_text(std::string& out, std::span<const HeldPort> ports, bool colour);

}  // namespace bindtrace
