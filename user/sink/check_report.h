// SPDX-License-Identifier: MIT
// What `check` prints.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "registry/check.h"

namespace bindtrace {

// A line of JSON for each entry. now_ns: boot-time clock.
void append_check_json(std::string& out, std::span<const CheckedEntry> entries, std::uint64_t now_ns);

// A table, the risks with what prevents them, and the sum.
void append_check_text(std::string& out, std::span<const CheckedEntry> entries, bool colour);

}  // namespace bindtrace
