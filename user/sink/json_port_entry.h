// SPDX-License-Identifier: MIT
#pragma once

#include "model/port_entry.h"
#include "sink/json_line.h"

namespace bindtrace {

// Members of an object, for `check` and for warnings: file, line, port, last_port, proto, addr and owners.
void write_port_entry(JsonLine& line, const PortEntry& entry);

}  // namespace bindtrace
