// SPDX-License-Identifier: MIT
#pragma once

#include "cli/options.h"

namespace bindtrace {

// bindtrace record: writes a capture, until a signal, the end of the time given, or the end of the command given.
int run_record(const Options& options);

}  // namespace bindtrace
