// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <optional>
#include <span>

#include "model/record.h"

namespace bindtrace {

// The event in these bytes, or nothing where they are not one that this version knows: wrong size, unknown kind, a
// comm without an end. Nothing later in the pipeline checks again.
std::optional<Event> decode(std::span<const std::byte> bytes);

}  // namespace bindtrace
