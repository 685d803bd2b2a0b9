// SPDX-License-Identifier: MIT
// From a failure and its evidence to a verdict. Knows nothing of where they came from, so that it says the same live
// and of a capture.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "model/conflict.h"

namespace bindtrace {

class Diagnosis {
  public:
    // `refusal` may be null: then the errno alone speaks. `holders` are those of the refusal, in its order.
    Conflict diagnose(const Event& event, const Context& context, const Refusal* refusal, std::vector<Holder> holders);

  private:
    static constexpr std::uint64_t kLoopWindowNs = 60'000'000'000;
    static constexpr std::size_t kLoopFailures = 3;
    static constexpr std::size_t kCapacity = 1024;

    struct Failure {
        std::uint64_t ktime_ns;
        bt_process_key process;
    };

    // Has this unit (or program) failed on this port again and again, each time as a new process?
    bool is_restart_loop(const Event& event, const Context& context);

    std::map<std::string, std::deque<Failure>> failures_;
};

}  // namespace bindtrace
