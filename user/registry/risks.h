// SPDX-License-Identifier: MIT
#pragma once

#include <span>

#include "registry/check.h"

namespace bindtrace {

// What will go wrong one day although it may be well now, each with what prevents it.
void add_risks(std::span<CheckedEntry> entries, const HostState& host);

}  // namespace bindtrace
