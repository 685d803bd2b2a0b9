// SPDX-License-Identifier: MIT
#pragma once

#include "cli/options.h"

namespace bindtrace {

// `bindtrace report`. Gives the exit code.
int run_report(const Options& options);

}  // namespace bindtrace
