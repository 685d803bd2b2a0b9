// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernel/port_list.h"
#include "model/record.h"

namespace bindtrace {

// Ports of one process, or of sockets without one, all in the same state.
struct RangeClaim {
    bt_task task{};  // pid 0 = nobody
    std::uint8_t state = 0;
    std::uint16_t protocol = 0;
    std::size_t ports = 0;
};

struct RangeClaims {
    std::size_t taken = 0;
    std::vector<RangeClaim> claims;  // the largest first
};

// Who has the ports that were refused, of all sockets that hold one of the range: those of the same protocol and
// network namespace and, where a connection was refused, those with the same remote end or none.
RangeClaims range_use(const Event& event, const Refusal& refusal, std::span<const PortHolder> holders);

}  // namespace bindtrace
