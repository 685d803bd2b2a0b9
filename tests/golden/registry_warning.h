// SPDX-License-Identifier: MIT
// What a warning is of: a claim of a port that the registry knows as somebody else's, or a service without its port.
#pragma once

#include "../unit/host_state.h"
#include "golden.h"
#include "model/warning.h"

namespace bindtrace {

inline const Person kMetrics = {"metrics", 901, "/system.slice/metrics.service", "/usr/bin/metrics", "metrics", 997};

inline Warning warning(WarningReason reason, const HeldSocket& claim) {
    Warning told{.time_ns = kTime,
                 .ktime_ns = kKtime,
                 .reason = reason,
                 .claim = claim.holder,
                 .entry = {},
                 .unknown = {},
                 .reserved = {}};
    told.claim.raw.has_claim = 1;
    told.claim.raw.since_ns = kKtime;
    told.claim.since_ns = kTime;
    told.claim.raw.op = BT_OP_BIND;
    told.claim.netns_name = "host";
    told.entry.first_port = told.entry.last_port = claim.holder.raw.sock.local_port;
    told.entry.protocol = claim.holder.raw.sock.protocol;
    told.entry.owners = {{OwnerRule::Kind::unit, "node_exporter.service"}};
    told.entry.file = "ports.toml";
    told.entry.line = 3;
    return told;
}

// A service that runs on without a port, ten seconds after it was refused.
inline Warning service_without_port() {
    Warning told;
    told.time_ns = kTime;
    told.ktime_ns = kKtime;
    told.reason = WarningReason::service_without_port;
    told.claim = by(held({"0.0.0.0", 9100}), kMetrics).holder;
    told.claim.raw.substate = 0;
    told.claim.raw.sock.state = 0;
    told.claim.netns_name = "host";
    told.refused_error = EADDRINUSE;
    told.refused_ns = kKtime - 10'000'000'000;
    return told;
}

}  // namespace bindtrace
