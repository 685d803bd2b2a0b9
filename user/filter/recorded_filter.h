// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <string>

#include "filter/filter.h"

namespace bindtrace {

// The same filters for what was recorded: nothing is asked of this machine, since it may be another one. So a user, a
// unit and a network namespace are known by the names in the capture.
struct RecordedFilter {
    Filter filter;
    std::optional<std::string> user, unit, netns_name;

    // Where a name was not known to the recorder it does not match.
    bool matches(const Event& event, const Context& context) const;
};

}  // namespace bindtrace
