// SPDX-License-Identifier: MIT
// What only `record` has on its command line.
#pragma once

#include <string>
#include <vector>

#include "cli/options.h"
#include "core/result.h"

namespace CLI {
class App;
}

namespace bindtrace {

// As typed; empty = not given.
struct RecordWords {
    std::string duration, max_size, keep;
};

void add_record_options(CLI::App& app, RecordOptions& record, RecordWords& words);

// What the words mean. An error says which of them is wrong.
Status resolve_record(const RecordWords& words, Options& options);

// The command is not for us to understand: it begins after the first "--". Gives how many words are ours.
Result<int> take_command(int argc, char** argv, std::vector<std::string>& command);

}  // namespace bindtrace
