// SPDX-License-Identifier: MIT
#pragma once

#include "model/warning.h"

namespace bindtrace {

// What is said of a warning. Names in it are raw bytes, as processes chose them.
WarningWords words_of(const Warning& warning);

}  // namespace bindtrace
