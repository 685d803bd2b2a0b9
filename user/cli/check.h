// SPDX-License-Identifier: MIT
#pragma once

#include "cli/options.h"

namespace bindtrace {

// Compares the host with a registry of ports, or writes one (--learn). Returns the exit code: 3 unless every entry is
// ok.
int run_check(const Options& options);

}  // namespace bindtrace
