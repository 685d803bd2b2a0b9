// SPDX-License-Identifier: MIT
#pragma once

namespace bindtrace {

inline constexpr int kExitFine = 0;
inline constexpr int kExitRuntime = 1;     // something failed while running
inline constexpr int kExitUsage = 2;       // the command line is wrong
inline constexpr int kExitBad = 3;         // what was asked about is not as it should be
inline constexpr int kExitIncomplete = 4;  // events were lost, with --fail-on-loss

}  // namespace bindtrace
