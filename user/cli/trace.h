// SPDX-License-Identifier: MIT
#pragma once

#include "cli/options.h"

namespace bindtrace {

// Live tracing until a signal or the end of stdout. Returns the exit code; errors have been printed.
int run_trace(const Options& options);

}  // namespace bindtrace
