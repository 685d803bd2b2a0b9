// SPDX-License-Identifier: MIT
#pragma once

#include <memory>

#include "core/result.h"
#include "pipeline/recorded.h"
#include "sink/sink.h"
#include "sink/time_format.h"

namespace bindtrace {

// Says on stderr what went wrong and what to do. Returns exit_code.
int report(const Error& error, int exit_code);

// For stdout: only a terminal, and only where NO_COLOR does not forbid it.
bool wants_colour();

// For stdout: JSON lines, whose times are UTC always, or text.
std::unique_ptr<Sink> make_sink(bool json, Zone zone = Zone::local, bool tells_host = false);

// On stderr, of what has been read from captures.
void tell_totals(const Totals& totals);

}  // namespace bindtrace
