// SPDX-License-Identifier: MIT
// Times and sizes as they are typed: a whole number and a unit.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace bindtrace {

// "500ms", "30s", "10m", "2h", "7d" in nanoseconds. Nothing where it is none, is zero, or too large.
std::optional<std::uint64_t> parse_time(std::string_view text);

// "64K", "200M", "2G", "1T" in bytes.
std::optional<std::uint64_t> parse_size(std::string_view text);

}  // namespace bindtrace
