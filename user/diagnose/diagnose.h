// SPDX-License-Identifier: MIT
// From a failure and its evidence to a verdict. Knows nothing of where they came from, so that it says the same live
// and of a capture.
#pragma once

#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "diagnose/attempts.h"
#include "model/conflict.h"

namespace bindtrace {

class Diagnosis {
  public:
    // What is looked up only where the cause calls for it. Each may say that it does not know.
    struct Lookup {
        // Who has the ports that the claimant could have got.
        std::function<std::optional<RangeUse>(const Event&, const Refusal&)> range = [](const Event&, const Refusal&) {
            return std::nullopt;
        };
        // The addresses of the event's network namespace.
        std::function<std::optional<std::vector<LocalAddress>>(const Event&)> addresses = [](const Event&) {
            return std::nullopt;
        };
    };

    Diagnosis() : Diagnosis(Lookup{}) {}
    explicit Diagnosis(Lookup lookup) : lookup_(std::move(lookup)) {}

    // `refusal` may be null: then the errno alone speaks. `holders` are those of the refusal, in its order.
    Conflict diagnose(const Event& event, const Context& context, const Refusal* refusal, std::vector<Holder> holders);

  private:
    void compare_with_earlier(const Event& event, const Context& context, Conflict& verdict);

    Lookup lookup_;
    Attempts attempts_;
};

}  // namespace bindtrace
