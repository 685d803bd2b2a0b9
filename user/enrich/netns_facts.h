// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "model/receiver.h"

namespace bindtrace {

// The settings and addresses of a network namespace that decide who gets which port, given its inode number and a
// thread that is in it. Nothing where that thread has gone, or we may not look there.
std::optional<NetnsFacts> netns_facts(std::uint32_t netns, std::uint32_t tid, std::optional<std::string> name);

}  // namespace bindtrace
