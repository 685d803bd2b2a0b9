// SPDX-License-Identifier: MIT
#pragma once

#include "cli/options.h"

namespace bindtrace {

// What captures tell, in a format of others. Returns an exit code.
int run_export(const Options& options);

}  // namespace bindtrace
