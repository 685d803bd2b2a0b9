// SPDX-License-Identifier: MIT
// The value that reaches a sink: what the kernel told (Event) and what was looked up for it (Context).
//
//     bytes -> Event -> Record {event, context} -> text, JSON
//
// Views and pointers in a Context belong to the enricher's caches and live until its next call; a sink that keeps a
// record copies what it needs. Empty optionals and null pointers mean "not known" and are printed as null.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bindtrace/event.h"
#include "model/container.h"
#include "model/unit.h"

namespace bindtrace {

struct Conflict;

using Event = bt_event;

// What the kernel side found about a refused claim: see bt_refusal.
struct Refusal {
    bt_sock claimant{};
    std::uint32_t claimant_uid = 0;
    std::uint32_t in_the_way = 0;
    std::uint32_t seen = 0;
    bool complete = false;
    std::uint16_t ephemeral_first = 0, ephemeral_last = 0;
    std::uint16_t own_first = 0, own_last = 0;  // of the socket's IP_LOCAL_PORT_RANGE; 0 = not set
    std::uint32_t unprivileged_start = 0;
    bool port_reserved = false;
    bool may_take_low_ports = false;
    std::uint32_t common_opts = 0;  // of all in the way, where more of them are than holders
    std::vector<bt_holder> holders;

    bool has_own_range() const { return own_first != 0 || own_last != 0; }
    // Where the kernel looks for a port: a bound of the socket's own counts if it lies in the namespace's range.
    std::uint16_t searched_first() const { return is_ephemeral(own_first) ? own_first : ephemeral_first; }
    std::uint16_t searched_last() const { return is_ephemeral(own_last) ? own_last : ephemeral_last; }
    bool is_ephemeral(std::uint16_t port) const {
        return port != 0 && port >= ephemeral_first && port <= ephemeral_last;
    }
};

// One record of the ring buffer.
struct Sample {
    Event event{};
    std::optional<Refusal> refusal;  // of a failure
};

// Whatever it has executed meanwhile.
inline bool is_same_process(const bt_process_key& one, const bt_process_key& other) {
    return one.pid == other.pid && one.start_ns == other.start_ns;
}

struct Ancestor {
    std::uint32_t pid = 0;
    std::string comm;  // raw bytes, as the process set them
};

// One program image in one process. Strings are raw bytes: escaping is the sink's work.
struct Process {
    std::optional<std::string> exe;                   // absolute path in the process's own mount namespace
    std::optional<std::vector<std::string>> cmdline;  // argv; the last one may be cut
    std::vector<Ancestor> ancestry;                   // parent first
};

struct Context {
    std::int64_t time_ns = 0;                   // UTC, since the epoch
    const Process* process = nullptr;           // of event.task
    std::optional<std::int64_t> start_time_ns;  // UTC, since the epoch
    std::optional<std::string_view> user;       // name of event.task.uid
    std::optional<std::string_view>
        cgroup_path;  // of event.task.cgroup_id, relative to the cgroup root: "/system.slice/x.service"
    std::optional<std::string_view> socket_cgroup_path;
    std::optional<std::string_view> netns_name;
    UnitPlace place;                              // by cgroup_path
    std::optional<std::string_view> socket_unit;  // by socket_cgroup_path; where that is not known, by cgroup_path
    const ContainerFacts* container = nullptr;    // of cgroup_path; null: it is in none

    // What the two paths say.
    void read_paths() {
        place = cgroup_path ? place_of_cgroup(*cgroup_path) : UnitPlace{};
        socket_unit = socket_cgroup_path ? place_of_cgroup(*socket_cgroup_path).socket_unit() : place.socket_unit();
    }
};

struct Record {
    const Event& event;
    const Context& context;
    const Conflict* conflict = nullptr;  // of a failure; null where it has not been diagnosed
};

// Events that could not be delivered since the last such record.
enum class LossReason : std::uint8_t { ring_full, map_full, recursion, kretprobe_missed, decode };

struct Loss {
    std::int64_t time_ns = 0;
    std::uint64_t ktime_ns = 0;
    LossReason reason{};
    std::uint64_t count = 0;
};

// The first record of every stream.
struct Meta {
    std::int64_t time_ns = 0;
    std::uint64_t ktime_ns = 0;
    std::string version;
    std::string host;
    std::string kernel;
    std::string strategy;
    std::vector<std::string> filters;  // as given on the command line, one word pair each: "--port 8080"
};

}  // namespace bindtrace
