// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <string>

#include "core/result.h"

namespace bindtrace {

// The whole of a file that people write or the kernel offers; an error above 16 MiB, whatever it is.
Result<std::string> read_small_file(const std::string& path);

}  // namespace bindtrace
