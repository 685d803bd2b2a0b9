// SPDX-License-Identifier: MIT
// What `who` prints: ports that are held, and by whom.
#pragma once

#include <cstdint>
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

// since_start: a recording has gone on since, and of connections that were there before it nobody tells the end.
enum class HeldWhen : std::uint8_t { now, since_start };

// A table with a heading. Connections that differ in their remote end alone take one line.
void append_held_ports_text(std::string& out, std::span<const HeldPort> ports, bool colour,
                            HeldWhen when = HeldWhen::now);

}  // namespace bindtrace
