// SPDX-License-Identifier: MIT
// What goes wrong without a failed call that would tell of it: a claim of a port that the registry gives to somebody
// else, whose owner has not failed yet; a service that runs on without a port that it was refused.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/conflict.h"
#include "model/port_entry.h"

namespace bindtrace {

enum class WarningReason : std::uint8_t {
    other_owner,           // bound by number
    ephemeral,             // the kernel chose it
    container_published,   // it leads into a container
    reuseport_join,        // shared with the owner, who notices nothing
    unknown_owner,         // whose it is now could not be determined
    service_without_port,  // no registry says so
};
std::string_view warning_reason_name(WarningReason reason);

// The facts. A capture keeps these; the words are made of them when they are told.
struct Warning {
    std::int64_t time_ns = 0;  // UTC, since the epoch
    std::uint64_t ktime_ns = 0;
    WarningReason reason{};
    Holder claim;         // of service_without_port: what was refused, and the process that was
    PortEntry entry;      // that it goes against
    std::string unknown;  // of unknown_owner: why, a clause
    std::string
        reserved;  // what net.ipv4.ip_local_reserved_ports would have to be; empty = not known, or it is already
    // Of service_without_port: the errno, and when, by the boot-time clock.
    int refused_error = 0;
    std::uint64_t refused_ns = 0;
};

// Is it about an entry of the registry, and a claim that was made?
inline bool is_of_registry(const Warning& warning) {
    return warning.reason != WarningReason::service_without_port;
}

struct WarningWords {
    std::string summary;              // one sentence
    std::vector<std::string> advice;  // the cleanest first
};

}  // namespace bindtrace
