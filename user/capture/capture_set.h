// SPDX-License-Identifier: MIT
// The captures that a command is given, read as one stream:
//
//     web1.btcap.1, web1.btcap  -> a chain: one recording, in the order of its blocks  --+
//     db.btcap                  -> a chain of its own                                  --+--> by time
//
// Each recording keeps its own order, and of those that come next the one with the earliest wall-clock time is taken:
// so memory is that of a block for each recording, however long they are. The order in which files are given does not
// matter. What is in two files (one given twice, a copy of a file that grew) is taken once.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "capture/capture_chain.h"
#include "core/result.h"

namespace bindtrace {

struct SetRead {
    std::vector<FileRead> files;  // by recording, and in the order they were read in
    // Paths of two recordings of one boot of a host that ran at the same time: what both saw is told twice.
    std::vector<std::pair<std::string, std::string>> overlaps;

    bool is_complete() const;
};

class CaptureSet {
  public:
    // Looks at how each begins. "-" is stdin. An error where one cannot be opened, or nothing at all can be read.
    static Result<CaptureSet> look(const std::vector<std::string>& paths);

    // Are they, or may they be, of more than one host? Then what is told has to say of which.
    bool has_several_hosts() const { return has_several_hosts_; }

    // Several times only of plain files.
    Result<SetRead> read(BlockReceiver& receiver);

  private:
    std::vector<CaptureChain> chains_;  // by the time they began
    bool has_several_hosts_ = false;
};

// Can it be read a second time?
bool is_plain_file(const std::string& path);

}  // namespace bindtrace
