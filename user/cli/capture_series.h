// SPDX-License-Identifier: MIT
// The files that a command is given, read as one: those of a series in their order, those of several recordings one
// recording after the other.
#pragma once

#include <string>
#include <vector>

#include "capture/capture_reader.h"
#include "core/result.h"

namespace bindtrace {

class SeriesReceiver : public Receiver {
  public:
    // Asked of each intact block before what is in it is handed over. `stop` ends the whole series.
    virtual CaptureReader::Choice begin_block(const BlockHeader& header) = 0;
};

struct FileRead {
    std::string path;
    ReadReport read;

    bool is_complete() const { return read.complete() && read.skipped.malformed == 0; }
};

// On stderr, of what could not be read.
enum class Tell { damage, nothing };  // nothing: it is read for the first time of two

struct SeriesRead {
    std::vector<FileRead> files;  // in the order they were read in
    bool complete = true;         // false: something is damaged or missing, which has been told on stderr
};

// "-" is stdin. An error where a file cannot be read at all.
Result<SeriesRead> read_series(const std::vector<std::string>& paths, SeriesReceiver& receiver,
                               Tell tell = Tell::damage);

// Can it be read a second time?
bool is_plain_file(const std::string& path);

}  // namespace bindtrace
