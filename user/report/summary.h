// SPDX-License-Identifier: MIT
// What a report says of a recording: a plain value, made by Gather and told by the sinks. Its size does not depend on
// that of the capture: of each kind of thing the most important are kept, and the rest is counted. All times are UTC in
// nanoseconds since the epoch.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "model/conflict.h"
#include "model/receiver.h"
#include "model/warning.h"
#include "report/party.h"

namespace bindtrace {

struct LossTotal {
    std::uint64_t count = 0;  // 0 = there was none
    std::int64_t first_ns = 0, last_ns = 0;
};
inline constexpr std::size_t kLossReasons = 5;

// One run of a recorder, in one or several files.
struct RecordingSummary {
    Meta meta;
    Host host;
    bool has_beginning = true;               // false: the files before these are gone, or the first blocks
    std::int64_t first_ns = 0, last_ns = 0;  // of what was seen
    std::uint64_t events = 0;                // of those that passed the filters
    std::uint64_t failures = 0;
    bool ended = false;                            // in order
    std::array<LossTotal, kLossReasons> losses{};  // by LossReason
};

// A file that was read.
struct FileSummary {
    std::string path;
    bool complete = true;
    std::uint64_t lost_bytes = 0;
    std::uint64_t damages = 0;  // places
};

// What was asked for, or held.
struct PortPlace {
    std::size_t recording = 0;  // index
    std::uint16_t protocol = 0, type = 0;
    std::uint16_t family = 0;  // 0: the address is not known
    std::array<std::uint8_t, 16> address{};
    std::uint16_t port = 0;
    std::uint32_t netns = 0;
    std::optional<std::string> netns_name;
};

// Failures of one party, for one reason.
struct ConflictGroup {
    std::uint64_t id = 0;  // of this reading; 0 = none yet
    PortPlace place;
    std::uint32_t kind = 0;  // enum bt_kind
    int error = 0;
    Party who;                    // that failed, the last time
    std::optional<Party> holder;  // the one named first; none: nobody is in the way, or nobody is known
    std::uint64_t count = 0;
    std::uint64_t starts = 0;  // processes that failed one after the other
    bool restart_loop = false;
    std::int64_t first_ns = 0, last_ns = 0;
    std::uint64_t last_ktime_ns = 0;
    std::optional<std::int64_t> resolved_ns;  // when it got the port after all
    Conflict last;                            // the verdict on the last of them
};

// A port that a server wants by number, and that the kernel gave to a client as its source port.
struct Race {
    bool has_failed = true;  // false: the client got it while the server was away, and nobody has failed yet
    PortPlace place;         // as the client holds it
    std::array<std::uint8_t, 16> remote_address{};
    std::uint16_t remote_port = 0;  // 0 = not connected
    Party client, server;
    std::uint64_t count = 0;                 // of failures, or of times that a client got it
    std::optional<std::int64_t> claimed_ns;  // by the client, the last time
    std::int64_t first_ns = 0, last_ns = 0;  // of what is counted
};

// A port that was bound by number by one party after another.
struct HandOver {
    PortPlace place;  // as bound last
    Party from, to;   // the last time
    std::uint64_t count = 0;
    std::int64_t first_ns = 0, last_ns = 0;
    std::optional<std::uint64_t> gap_ns;  // for which nobody had it, the last time
};

// A port of a registry that one other than its owner took.
struct WarningGroup {
    PortPlace place;  // as it was taken last
    Party who;
    std::uint64_t count = 0;
    std::int64_t first_ns = 0, last_ns = 0;
    Warning last;
    WarningWords words;  // on the last of them
};

// What is not kept.
struct Rest {
    std::uint64_t entries = 0;  // one that came again afterwards counts twice
    std::uint64_t count = 0;    // what those counted
};

template <typename Value>
struct TopList {
    std::vector<Value> kept;  // most important first
    Rest rest;
};

struct Summary {
    std::vector<RecordingSummary> recordings;
    std::vector<FileSummary> files;
    std::array<std::uint64_t, BT_KIND_RELEASE + 1> events{};  // by enum bt_kind
    TopList<ConflictGroup> conflicts;
    TopList<Race> races;
    TopList<HandOver> hand_overs;
    TopList<WarningGroup> warnings;
    std::uint64_t ports_not_followed = 0;  // claims of ports beyond those that can be remembered
};

}  // namespace bindtrace
