// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "enrich/podman_database.h"
#include "enrich/port_mapping.h"
#include "enrich/state_files.h"
#include "model/container.h"

namespace bindtrace {

// From containers.json of its storage, which is the same in all versions of Podman, as its own database is not. user:
// of a rootless one.
std::optional<ContainerFacts> podman_container(const StateFiles& files, std::string_view id,
                                               std::optional<std::uint32_t> user);

// Of a running container, from what netavark notes for the firewall, which it does for root's alone; else from the
// database.
std::vector<PortMapping> podman_ports(const StateFiles& files, PodmanDatabases& databases, std::string_view id,
                                      std::optional<std::uint32_t> user);

}  // namespace bindtrace
