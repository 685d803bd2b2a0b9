// SPDX-License-Identifier: MIT
// The words for the numbers in an event, and back: what text, JSON and the command line all call them.
//
// Lookups answer an empty view (or optional) for what has no word, so that a sink prints null and never a guess.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "bindtrace/event.h"
#include "model/record.h"

namespace bindtrace {

// "EADDRINUSE"; a number without a name gives "errno-524". Never allocates for an errno that has a name.
std::string errno_name(int error);

// "bind" ... of an enum bt_kind.
std::string_view kind_name(std::uint32_t kind);
std::optional<bt_kind> kind_from_name(std::string_view name);

// "connect" ... of an enum bt_op; empty for BT_OP_UNKNOWN.
std::string_view op_name(std::uint32_t op);

// "tcp" ... of an IPPROTO_* and a SOCK_*. A raw socket is "raw" whatever its protocol; a ping socket (ICMP or ICMPv6
// with SOCK_DGRAM) is "icmp".
std::string_view protocol_name(std::uint16_t protocol, std::uint16_t type);
std::optional<bt_protocol_bit> protocol_bit(std::string_view name);

// "LISTEN" ... of a TCP_* state, spelled as in the kernel's include/net/tcp_states.h without the prefix.
std::string_view tcp_state_name(std::uint8_t state);

// "ring-buffer-full" ...
std::string_view loss_reason_name(LossReason reason);

}  // namespace bindtrace
