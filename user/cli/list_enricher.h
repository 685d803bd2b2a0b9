// SPDX-License-Identifier: MIT
#pragma once

#include "enrich/enricher.h"
#include "kernel/port_list.h"

namespace bindtrace {

// For what such a list holds. Says on stderr what cannot be told here.
Enricher enricher_of_list(const KernelFacts& facts, const PortList& list);

}  // namespace bindtrace
