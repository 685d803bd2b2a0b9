// SPDX-License-Identifier: MIT
#pragma once

#include "cli/options.h"

namespace bindtrace {

// Prints what this kernel and this user allow. Returns the exit code: 1 where no strategy works.
int run_doctor(const Options& options);

}  // namespace bindtrace
