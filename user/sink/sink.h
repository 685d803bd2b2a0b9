// SPDX-License-Identifier: MIT
// Where records end up. A sink appends to a buffer that the pipeline writes out; it never does I/O itself, so the same
// code serves a terminal, a file, a test and a benchmark.
#pragma once

#include <string>

#include "model/record.h"

namespace bindtrace {

class Sink {
  public:
    virtual ~Sink() = default;
    virtual void meta(const Meta& meta, std::string& out) = 0;
    virtual void record(const Record& record, std::string& out) = 0;
    virtual void loss(const Loss& loss, std::string& out) = 0;
};

}  // namespace bindtrace
