// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <optional>
#include <span>

#include "model/record.h"

namespace bindtrace {

// The event in these bytes with its evidence, if it has any, or nothing where they are not what this version knows:
// wrong size, unknown kind, a comm without an end. Nothing later in the pipeline checks again.
std::optional<Sample> decode(std::span<const std::byte> bytes);

}  // namespace bindtrace
