// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "report/summary.h"

namespace bindtrace {

// One object in one line.
void append_report_json(std::string& out, const Summary& summary);

}  // namespace bindtrace
