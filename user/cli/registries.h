// SPDX-License-Identifier: MIT
// What `check` and --registry have in common: the registries that the command line names, on this machine.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "registry/port_sysctls.h"
#include "registry/registry.h"

namespace bindtrace {

// An error has been told already; it is the user's (exit code 2).
std::optional<std::vector<PortEntry>> load_registries(const std::vector<std::string>& paths);

// A network namespace by its name in a registry; "" is the own one. Nothing where it is not to be seen.
std::optional<std::uint32_t> registry_netns(const std::string& name);
PortSysctls registry_sysctls(const std::string& netns);

}  // namespace bindtrace
