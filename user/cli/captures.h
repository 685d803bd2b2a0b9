// SPDX-License-Identifier: MIT
// How the commands that read captures read them.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "core/result.h"
#include "model/receiver.h"

namespace bindtrace {

enum class Checkpoints { none, first };  // of each recording: what was held when it began

// Hands over what is in there, the oldest first, whatever order they are given in; the files of one series as one
// stream. Tells on stderr what could not be read. `goes_on` is asked before each block. Gives kExitFine, or
// kExitIncomplete where something could not be read. "-" is stdin.
Result<int> read_captures(const std::vector<std::string>& paths, Checkpoints checkpoints, Receiver& receiver,
                          const std::function<bool()>& goes_on);

}  // namespace bindtrace
