// SPDX-License-Identifier: MIT
// What a page draws: a lane for each port, on it who held it from when until when, and what was refused. Plain values,
// whose size does not depend on that of the capture. All times are UTC in nanoseconds since the epoch.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "report/condensed.h"
#include "report/summary.h"

namespace bindtrace {

enum class Ending : std::uint8_t {
    released,
    open,     // held when the recording ended
    unknown,  // last_ns is when it was seen last
};

// A socket that had the port; or several short ones, told as one.
struct Holding {
    std::int64_t first_ns = 0, last_ns = 0;
    bool begin_unknown = false;  // first_ns is when it was seen first, or when the recording began
    Ending ending = Ending::open;
    Party who;                // the last of them
    bool has_others = false;  // not all of them are that party
    bool is_ephemeral = false;
    bool listened = false;
    bt_sock sock{};           // of the last of them
    std::uint64_t count = 1;  // sockets
    std::uint64_t held_ns = 0;

    bool is_like(const Holding& other) const;
    void absorb(Holding&& other);
};

// Claims that were refused, of one group of the summary; or of several groups.
struct Refused {
    std::int64_t first_ns = 0, last_ns = 0;
    std::uint64_t group = 0;  // ConflictGroup::id
    Party who;
    std::optional<Party> holder;
    Cause cause = Cause::unknown;
    int error = 0;
    std::uint64_t count = 1;
    bool has_others = false;

    bool is_like(const Refused& other) const { return group == other.group; }
    void absorb(Refused&& other);
};

struct Lane {
    static constexpr std::size_t kHoldings = 64;
    static constexpr std::size_t kRefused = 48;
    static constexpr std::size_t kOpen = 64;

    PortPlace place;          // without its address; port 0: any
    std::uint64_t count = 0;  // of what was told of it
    std::uint64_t holdings_count = 0, failures = 0, changes = 0;
    std::uint64_t held_at_start = 0;  // of `count`
    std::uint64_t not_drawn = 0;      // of the holdings, since too many were open at once
    std::vector<Holding> open;
    Condensed<Holding, kHoldings> holdings;
    Condensed<Refused, kRefused> refused;
    Party last_owner;  // that bound it by number
};

// Those that failed most first, then those that changed hands.
bool is_before(const Lane& one, const Lane& other);

// How much happened when, in steps that get longer with the recording.
struct Activity {
    static constexpr std::size_t kSteps = 240;
    struct Step {
        std::uint64_t events = 0, failures = 0;
    };

    std::int64_t begin_ns = 0, last_ns = 0;  // 0: nothing was seen yet
    std::int64_t step_ns = 1'000'000;
    std::array<Step, kSteps> steps{};

    void seen_at(std::int64_t time_ns);
    void add(std::int64_t time_ns, bool has_failed);
};

struct Drawing {
    std::vector<Activity> activities;  // by recording
    TopList<Lane> lanes;
    std::uint64_t clients_not_drawn = 0;  // claims of source ports that have no lane
};

}  // namespace bindtrace
