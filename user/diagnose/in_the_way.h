// SPDX-License-Identifier: MIT
// How those in the way stand to the one that failed, and what it takes that all of them let it pass: as long as one
// does not, the port is refused again.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "diagnose/words.h"

namespace bindtrace {

// The IPv6 socket of the two that takes IPv4 addresses too and meets the other by that alone; or null.
const bt_sock* dual_stack(const bt_sock& one, const bt_sock& other);

// Do they meet by that alone that the IPv6 one came to its IPv6 address without bind, and so without IPV6_V6ONLY?
bool is_unmarked(const bt_sock& mine, const bt_sock& theirs);

bool is_own(const Holder& holder, const Event& event);

// An earlier instance of the same unit or, outside of units, an earlier run of the same program.
bool is_earlier_instance(const Holder& holder, const Event& event, const Context& context,
                         const std::optional<std::string>& unit);

// Would the kernel have let it have the port, had its socket these options too, or those in the way? False where not
// all that are in the way are known well enough.
bool would_share(const Case& about, std::uint32_t mine, std::uint32_t theirs = 0);

// What all of them must do: "systemctl stop a.service, stop b[12], wait a minute". `way` is stop_holder(), let_go() or
// stop_service().
std::string steps_of(const Case& about, std::string (*way)(const Holder&));

// Is one who lets go enough?
bool is_one_owner(const Case& about);

}  // namespace bindtrace
