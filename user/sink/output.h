// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "core/result.h"

namespace bindtrace {

// Collects what sinks append and writes it out whole: at the end of a batch, or when it has grown large.
class Output {
  public:
    // `signals` becomes readable when the program is to end: then a reader that does not read is not waited for long.
    Output(int fd, int signals);

    std::string& buffer() { return buffer_; }

    Status flush();
    Status flush_if_large() { return buffer_.size() < kLarge ? Status() : flush(); }

  private:
    static constexpr std::size_t kLarge = std::size_t{256} << 10;
    static constexpr int kPatienceMs = 1000;

    Status wait_until_writable() const;

    int fd_;
    int signals_;
    bool may_block_;
    std::string buffer_;
};

}  // namespace bindtrace
