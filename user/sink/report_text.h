// SPDX-License-Identifier: MIT
// A report for a person: what happened, on one screen. Times are UTC, since a capture is read on any machine.
#pragma once

#include <cstdint>
#include <string>

#include "report/summary.h"

namespace bindtrace {

void append_report_text(std::string& out, const Summary& summary, bool colour);

// Of one recording: who held what at the time of the checkpoint.
void append_held_then_text(std::string& out, const Meta& meta, const Checkpoint& held, bool colour);

// "2026-11-21 20:53:08.123 UTC"
std::string utc_text(std::int64_t time_ns);

}  // namespace bindtrace
