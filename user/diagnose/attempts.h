// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>

#include "model/record.h"

namespace bindtrace {

// Who fails to get the same port again and again: a service that is restarted, or a server that tries a few times.
class Attempts {
  public:
    struct Row {
        std::uint32_t failures = 0;  // in a row, with this one
        std::uint64_t since_ns = 0;  // boot-time clock
        bool restart_loop = false;   // of several processes, each a new start
        std::string told;            // what was said last; for the caller
    };

    // Lives until the next call.
    Row& failed(const Event& event, const Context& context);

  private:
    static constexpr std::uint64_t kGapNs = 60'000'000'000;  // ends a row
    static constexpr std::uint32_t kLoopProcesses = 3;       // in that time
    static constexpr std::size_t kCapacity = 1024;

    struct Start {
        std::uint64_t ktime_ns;
        bt_process_key process;
    };
    struct Series : Row {
        std::uint64_t last_ns = 0;
        std::deque<Start> starts;  // the last few processes
    };

    std::unordered_map<std::string, Series> series_;
};

}  // namespace bindtrace
