// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string_view>

#include "model/conflict.h"
#include "sink/json_line.h"
#include "sink/time_format.h"

namespace bindtrace {

// One for each kind of time, so that they do not take turns in one cache.
struct HolderTimes {
    UtcTimeFormat since, start;
};

// How it came to the port: by which call, or "inherited" where who has it is not who claimed it. Empty: not known.
std::string_view acquired_word(const Holder& holder);

// The members of an object. now_ns: boot-time clock, of the moment that the holder was found.
void write_holder_fields(JsonLine& line, const Holder& holder, std::uint64_t now_ns, HolderTimes& times);

// The key and its value. `conflict` may be null.
void write_conflict(JsonLine& line, const Conflict* conflict, std::uint64_t failed_ns, HolderTimes& times);

}  // namespace bindtrace
