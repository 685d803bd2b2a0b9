// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <string>

#include "filter/filter.h"
#include "model/conflict.h"

namespace bindtrace {

// The same filters for what was recorded: nothing is asked of this machine, since it may be another one. So a user too
// is known by the name in the capture.
struct RecordedFilter {
    Filter filter;
    std::optional<std::string> user;

    // Where a name was not known to the recorder it does not match.
    bool matches(const Event& event, const Context& context) const;

    // The same of a port that is held, by whoever has it; --failed and --events say nothing of those.
    bool matches(const HeldPort& port) const;
};

// Did the recording's own filters leave all claims and releases in that `asked` is about? Else one whose holder is not
// in there may have one.
bool tells_all_claims(const Meta& meta, const RecordedFilter& asked);

}  // namespace bindtrace
