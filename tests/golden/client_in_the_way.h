// SPDX-License-Identifier: MIT
#pragma once

#include "golden.h"
#include "pipeline/recorded.h"

namespace bindtrace {

// A client's connection, in the way of what was refused. first, last: of ip_local_port_range.
inline Findings client_in_the_way(const Story& refused, const Story& client, std::uint16_t first, std::uint16_t last) {
    Holder holder;
    holder.raw = {.since_ns = kKtime + 1'000'000'000,
                  .flags = BT_EVENT_HAS_SOCKOPT | BT_EVENT_HAS_TASK | BT_EVENT_EPHEMERAL,
                  .op = BT_OP_CONNECT,
                  .uid = 997,
                  .substate = TCP_ESTABLISHED,
                  .has_claim = 1,
                  .explicit_port = 0,
                  .of_kernel = 0,
                  .task = client.event.task,
                  .sock = client.event.sock};
    holder.raw.sock.state = TCP_ESTABLISHED;
    holder.since_ns = kTime + 1'000'000'000;
    holder.netns_name = "host";
    holder.process.emplace().task = client.event.task;
    holder.process->cgroup_path = "/system.slice/config-client.service";
    Findings found;
    found.refusal = Refusal{.claimant = refused.event.sock,
                            .claimant_uid = 998,
                            .in_the_way = 1,
                            .seen = 1,
                            .complete = true,
                            .ephemeral_first = first,
                            .ephemeral_last = last,
                            .unprivileged_start = 1024,
                            .port_reserved = false,
                            .holders = {holder.raw}};
    found.refusal->claimant.local_port = refused.event.port;
    found.holders = {holder};
    return found;
}

}  // namespace bindtrace
