// SPDX-License-Identifier: MIT
#pragma once

namespace bindtrace {

// Binds and closes on every CPU for BT_FLOOD_SECONDS, and prints how many were not told, and why.
void flood_is_told_or_counted_as_lost();

}  // namespace bindtrace
