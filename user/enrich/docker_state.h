// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "enrich/port_mapping.h"
#include "enrich/state_files.h"
#include "model/container.h"

namespace bindtrace {

struct DockerContainer {
    ContainerFacts facts;
    bool running = false;
    std::vector<std::string> addresses;
    std::vector<PortMapping> ports;
};

// From config.v2.json, which dockerd replaces as a whole whenever something changes. user: of a rootless dockerd.
std::optional<DockerContainer> docker_container(const StateFiles& files, std::string_view id,
                                                std::optional<std::uint32_t> user);

// Those that may have published that port: the others are read, but not parsed, which takes ten times as long. Nothing
// where we may not look.
std::optional<std::vector<DockerContainer>> docker_containers(const StateFiles& files,
                                                              std::optional<std::uint32_t> user,
                                                              std::uint16_t host_port);

}  // namespace bindtrace
