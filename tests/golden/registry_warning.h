// SPDX-License-Identifier: MIT
// A claim of a port that the registry knows as somebody else's.
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

}  // namespace bindtrace
