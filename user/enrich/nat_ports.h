// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "enrich/port_mapping.h"
#include "enrich/state_files.h"
#include "model/container.h"

namespace bindtrace {

// A port of the host that a pod or container asked its network for, as a pod's hostPort is. The network's plugin makes
// rules of NAT of it, which are not looked at here; no socket has the port, so the kernel gives it to whoever asks.
struct NatPort {
    PortMapping mapping;
    ContainerFacts facts;
};

// By the notes of CNI, those of what still runs.
std::vector<NatPort> nat_ports(const StateFiles& files);

}  // namespace bindtrace
