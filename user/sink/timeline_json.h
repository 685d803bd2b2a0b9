// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "report/lane.h"

namespace bindtrace {

// One object: what page.html draws. Its lists of lists have their keys beside them; times are microseconds, from
// begin_us on.
void append_timeline_json(std::string& out, const Drawing& drawing, const Summary& summary);

}  // namespace bindtrace
