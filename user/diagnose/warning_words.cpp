// SPDX-License-Identifier: MIT
#include "diagnose/warning_words.h"

#include <fmt/format.h>

#include <cstring>
#include <string_view>

#include "diagnose/holder_words.h"
#include "model/endpoint.h"
#include "model/names.h"

namespace bindtrace {
namespace {

std::string how(const Warning& warning) {
    const bt_sock& sock = warning.claim.raw.sock;
    switch (warning.reason) {
        case WarningReason::ephemeral: {
            if (sock.remote_port == 0) return ": the kernel chose it for a socket that asked for any port";
            std::string remote;
            append_endpoint(remote, sock.family, sock.remote_addr, sock.remote_port);
            return ": the kernel chose it as the source port of its connection to " + remote;
        }
        case WarningReason::reuseport_join:
            return ": it has joined by SO_REUSEPORT, and gets a part of the traffic";
        case WarningReason::unknown_owner:
            return "; whether that is its owner could not be determined: " + warning.unknown;
        case WarningReason::other_owner:
        case WarningReason::container_published:
        case WarningReason::service_without_port:
            return "";
    }
    return "";
}

WarningWords words_of_service(const Warning& warning) {
    const bt_sock& sock = warning.claim.raw.sock;
    const Owner* const owner = owner_of(warning.claim);
    const UnitPlace place = place_of(warning.claim);
    if (owner == nullptr || !place.unit) return {};  // of a capture that somebody made up
    const std::string_view comm(owner->task.comm, strnlen(owner->task.comm, sizeof(owner->task.comm)));
    WarningWords words;
    words.summary = fmt::format(
        "{} runs on without {} port {}, which {}[{}] was refused {} s ago ({}): systemctl calls it active all the same",
        *place.unit, protocol_name(sock.protocol, sock.type), sock.local_port, comm, owner->task.key.pid,
        (warning.ktime_ns - warning.refused_ns) / 1'000'000'000, errno_name(warning.refused_error));
    words.advice.push_back(fmt::format("once the port is free, {} restart {}",
                                       systemctl_of(place, owner->user, owner->task.uid), *place.unit));
    return words;
}

}  // namespace

WarningWords words_of(const Warning& warning) {
    if (!is_of_registry(warning)) return words_of_service(warning);
    const PortEntry& entry = warning.entry;
    const std::string owner = entry.owners.empty() ? "to be free" : "registered for " + owners_text(entry.owners);
    WarningWords words;
    words.summary = fmt::format("{} is {} ({}:{}), and taken by {}{}", place_text(entry), owner, entry.file, entry.line,
                                name_of(warning.claim), how(warning));
    if (!warning.reserved.empty()) words.advice.push_back(reserve_command(entry.netns, warning.reserved));
    std::string away = warning.reason == WarningReason::ephemeral ? let_go(warning.claim) : stop_holder(warning.claim);
    if (!away.empty()) words.advice.push_back(std::move(away));
    if (warning.reason != WarningReason::ephemeral)
        words.advice.push_back(
            fmt::format("where it may have the port, name it as an owner in {}:{}", entry.file, entry.line));
    return words;
}

}  // namespace bindtrace
