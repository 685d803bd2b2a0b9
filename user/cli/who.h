// SPDX-License-Identifier: MIT
#pragma once

#include "cli/options.h"

namespace bindtrace {

// Prints who holds the ports asked for, in every network namespace. Returns the exit code: 3 if one is held by nobody.
int run_who(const Options& options);

}  // namespace bindtrace
