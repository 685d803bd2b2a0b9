// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "core/result.h"

namespace bindtrace {

// Collects what sinks append and writes it out whole: at the end of a batch, or when it has grown large.
class Output {
  public:
    explicit Output(int fd) : fd_(fd) {}

    std::string& buffer() { return buffer_; }

    Status flush();
    Status flush_if_large() { return buffer_.size() < kLarge ? Status() : flush(); }

  private:
    static constexpr std::size_t kLarge = 256 * 1024;

    int fd_;
    std::string buffer_;
};

}  // namespace bindtrace
