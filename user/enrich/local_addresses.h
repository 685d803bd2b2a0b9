// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "model/conflict.h"

namespace bindtrace {

// The addresses of all interfaces of a network namespace, given its inode number and a thread that is in it. Nothing
// where that thread has gone, or we may not look there.
std::optional<std::vector<LocalAddress>> local_addresses(std::uint32_t netns, std::uint32_t tid);

// The same of the calling thread's own.
std::optional<std::vector<LocalAddress>> addresses_here();

}  // namespace bindtrace
