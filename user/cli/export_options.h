// SPDX-License-Identifier: MIT
// What only `export` has on its command line.
#pragma once

#include "cli/options.h"
#include "core/result.h"

namespace CLI {
class App;
}

namespace bindtrace {

void add_export_options(CLI::App& app, Options& options);

// An error says which of the words do not go together.
Status check_export(const Options& options);

}  // namespace bindtrace
