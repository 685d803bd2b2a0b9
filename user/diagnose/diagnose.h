// SPDX-License-Identifier: MIT
// From a failure and its evidence to a verdict. Knows nothing of where they came from, so that it says the same live
// and of a capture.
#pragma once

#include <cstdint>

#include "diagnose/attempts.h"
#include "model/conflict.h"

namespace bindtrace {

// What a verdict on this failure needs beyond its holders. Looks are dear: so only where the cause calls for one.
enum class Look : std::uint8_t { none, range, addresses };
Look wanted_look(const Event& event, const Refusal* refusal);

class Diagnosis {
  public:
    // Failures are to come in their order: it remembers who has failed before.
    Conflict diagnose(const Event& event, const Context& context, Findings findings);

  private:
    void compare_with_earlier(const Event& event, const Context& context, Conflict& verdict);

    Attempts attempts_;
};

}  // namespace bindtrace
