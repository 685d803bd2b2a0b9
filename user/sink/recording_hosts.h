// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace bindtrace {

// The host that each record is of, as the meta of its recording told it.
class RecordingHosts {
  public:
    void begin_of(std::uint64_t recording) { recording_ = recording; }
    void name(const std::string& host) { names_[recording_] = host; }

    // Raw bytes; empty = not known.
    const std::string& current() { return names_[recording_]; }

  private:
    std::uint64_t recording_ = 0;
    std::map<std::uint64_t, std::string> names_;
};

}  // namespace bindtrace
