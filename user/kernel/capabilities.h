// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace bindtrace {

// The names of those that bindtrace has a use for and this process does not have. `maps_are_locked_memory`: the kernel
// counts them against RLIMIT_MEMLOCK, which only CAP_SYS_RESOURCE may raise.
std::vector<std::string> find_missing_capabilities(bool maps_are_locked_memory);

// Whether names are told without it, or programs loaded.
bool is_for_names(std::string_view capability);

}  // namespace bindtrace
