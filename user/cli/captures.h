// SPDX-License-Identifier: MIT
// How the commands that read captures read them.
#pragma once

#include <functional>

#include "capture/capture_set.h"
#include "core/result.h"
#include "model/receiver.h"
#include "pipeline/one_stream.h"

namespace bindtrace {

// Reads them, and tells on stderr what could not be read, or was there twice.
Result<SetRead> read_and_tell(CaptureSet& captures, BlockReceiver& receiver);

// Hands over what is in there, by time; the files of one series as one stream. Tells what could not be read.
// `goes_on` is asked before each block. Gives kExitFine, or kExitIncomplete where something could not be read.
Result<int> read_captures(CaptureSet& captures, Checkpoints checkpoints, Receiver& receiver,
                          const std::function<bool()>& goes_on);

}  // namespace bindtrace
