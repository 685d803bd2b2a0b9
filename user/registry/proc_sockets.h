// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>

#include "registry/held_sockets.h"

namespace bindtrace {

// What anybody may see without privilege: the sockets of the own network namespace (inode number) in /proc/net, and who
// has them open of those processes that this user may look at. TCP sockets that are bound and do not listen are not
// in there.
HeldSockets proc_sockets(std::uint32_t netns, const std::string& proc = "/proc");

}  // namespace bindtrace
