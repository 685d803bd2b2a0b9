// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <functional>

namespace bindtrace {

// Runs it inside a network namespace, given its inode number and a thread that is in it. False where that thread has
// gone and it is not our own, or we may not go there.
bool in_netns(std::uint32_t netns, std::uint32_t tid, const std::function<void()>& body);

}  // namespace bindtrace
