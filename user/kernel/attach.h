// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>

#include "kernel/tracer.h"

namespace bindtrace {

// Attaches with the strategy that was asked for, or else with the first that works; says in one warning what it fell
// back to, why, and what is lost.
Result<std::unique_ptr<Tracer>> attach(std::optional<Strategy> wanted, const KernelFacts& facts,
                                       const TracerOptions& options);

// To be taken where none of these could be attached: to grant what is lacking, or else another.
std::string next_step(const KernelFacts& facts, std::span<const Strategy> tried, const char* otherwise);

// Why this process may not trace at all, with the way to grant it; nothing where it may try.
std::optional<Error> lacking_privilege(const KernelFacts& facts);

// The capabilities that it can do without, and what for; nothing where it has them all, or may not trace.
std::optional<std::string> lacking_names(const KernelFacts& facts);

// Says what cannot be told here for want of those, or of cgroups: a warning each, and none where all can be told.
void warn_of_nulls(const KernelFacts& facts);

// Also where the kernel has no BTF.
std::optional<Error> cannot_trace(const KernelFacts& facts);

}  // namespace bindtrace
