// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "registry/held_sockets.h"
#include "registry/registry.h"

namespace bindtrace {

// A registry of what listens now, as a person would commit it: by network namespace (the own one first), protocol and
// port, each with the name of its owner that will be the same after a restart. `check` is content with it at once.
// What has no such name, or a port that the kernel chose, is a comment, and so are namespaces without a name.
std::string learned_registry(const HeldSockets& held, std::uint32_t own_netns, const NetnsOfName& netns_of,
                             const std::string& host_name);

}  // namespace bindtrace
