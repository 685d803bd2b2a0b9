// SPDX-License-Identifier: MIT
// What `trace` and `record` have in common: from the command line to an attached tracer.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>

#include "cli/options.h"
#include "core/result.h"
#include "core/unique_fd.h"
#include "filter/filter.h"
#include "kernel/kernel_facts.h"
#include "kernel/tracer.h"
#include "pipeline/live_source.h"
#include "registry/port_watch.h"

namespace bindtrace {

struct Live {
    KernelFacts facts;
    Filter filter;
    std::unique_ptr<Tracer> tracer;
    std::unique_ptr<PortWatch> registry;  // null without --registry
};

// An error has been told already; the exit code says which.
std::optional<Live> go_live(const Options& options, int& exit_code);

// The end of a run: says on stderr what there was, and gives the exit code. `unwritten` events came and were not passed
// on.
int end_live(const LiveSource& source, std::uint64_t unwritten, const Options& options);

// Readable when one of the signals that end a run has come; they are blocked from now on.
Result<UniqueFd> watch_signals(std::initializer_list<int> signals);

}  // namespace bindtrace
