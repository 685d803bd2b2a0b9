// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "enrich/docker_state.h"
#include "enrich/state_files.h"
#include "model/container.h"

namespace bindtrace {

// From containers.json of its storage. Podman's own database is SQLite or BoltDB by version, and this is the same in
// all of them. user: of a rootless one.
std::optional<ContainerFacts> podman_container(const StateFiles& files, std::string_view id,
                                               std::optional<std::uint32_t> user);

// Of a running container of root's, from what netavark notes for the firewall. Rootless ones have no such note.
std::vector<PortMapping> podman_ports(const StateFiles& files, std::string_view id);

}  // namespace bindtrace
