// SPDX-License-Identifier: MIT
#pragma once

#include "model/port_entry.h"
#include "sink/json_line.h"

namespace bindtrace {

// Members of an object: file, line, port, last_port, proto, addr and owners.
void write_port_entry(JsonLine& line, const PortEntry& entry);

// The object `registry` of a warning: these, and the name of its network namespace.
void write_registry_entry(JsonLine& line, const PortEntry& entry);

}  // namespace bindtrace
