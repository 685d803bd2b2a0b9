// SPDX-License-Identifier: MIT
#pragma once

#include "cli/options.h"

namespace bindtrace {

// bindtrace replay: the stream of one or more captures.
int run_replay(const Options& options);

}  // namespace bindtrace
