// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>

#include "core/result.h"

namespace bindtrace {

// A time as somebody asks for it.
struct Moment {
    bool has_date = false;
    std::int64_t ns = 0;  // since the epoch; without a date since midnight, UTC
};

// RFC 3339 ("2026-11-21T20:53:08.5Z", "2026-11-21 21:53:08+01:00"), or "20:53", "20:53:08", "20:53:08.123" in UTC.
Result<Moment> parse_moment(const std::string& text);

// UTC in ns since the epoch. Without a date: the first such time of day that is not before `begin_ns` where that is
// still by `end_ns`, or else the one of the day of `begin_ns`.
std::int64_t utc_of(const Moment& moment, std::int64_t begin_ns, std::int64_t end_ns);

}  // namespace bindtrace
