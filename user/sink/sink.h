// SPDX-License-Identifier: MIT
// Where records end up. A sink appends to a buffer that the pipeline writes out; it never does I/O itself, so the same
// code serves a terminal, a file, a test and a benchmark.
#pragma once

#include <cstdint>
#include <string>

#include "model/record.h"

namespace bindtrace {

struct Checkpoint;
struct Warning;
struct WarningWords;

class Sink {
  public:
    virtual ~Sink() = default;

    // What follows, until the next such call, is of this recording; only of captures.
    virtual void begin_of(std::uint64_t /*recording*/) {}

    virtual void meta(const Meta& meta, std::string& out) = 0;
    virtual void record(const Record& record, std::string& out) = 0;
    virtual void loss(const Loss& loss, std::string& out) = 0;
    virtual void warning(const Warning& warning, const WarningWords& words, std::string& out) = 0;

    // The ports that were held when the recording began; only of a capture, and for those who want to know.
    virtual void held_at_start(const Checkpoint& /*checkpoint*/, std::string& /*out*/) {}
};

}  // namespace bindtrace
