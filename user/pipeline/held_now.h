// SPDX-License-Identifier: MIT
#pragma once

#include "enrich/enricher.h"
#include "kernel/port_list.h"
#include "registry/held_sockets.h"

namespace bindtrace {

// What was listed, with the names of who has it.
HeldSockets held_now(const PortList& ports, Enricher& enricher);

}  // namespace bindtrace
