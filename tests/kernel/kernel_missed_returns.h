// SPDX-License-Identifier: MIT
#pragma once

namespace bindtrace {

// More calls at once than the kernel keeps returns for: what strategy `kprobe` cannot tell then, it counts. To be run
// after the tests that allow no loss.
void missed_returns_are_counted();

}  // namespace bindtrace
