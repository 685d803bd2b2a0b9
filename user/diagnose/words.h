// SPDX-License-Identifier: MIT
// The sentences of a verdict. Names in them are raw bytes, as processes chose them: escaping is the sink's work.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "model/conflict.h"

namespace bindtrace {

// All that a sentence may speak of.
struct Case {
    const Event& event;
    const Context& context;
    const Refusal* refusal;  // may be null
    const Conflict& verdict;
    std::optional<std::string> unit;  // of the task that failed, if it asked for itself

    bool has(Factor factor) const;
    bool for_container() const;  // that the task publishes ports of
    std::string port() const;    // that was asked for
    // The kernel chose the holder's port, and may choose it again.
    bool may_be_given_out_again() const;
    // Ports that the kernel gives to nobody; 0 also where that is not known.
    std::size_t reserved_of_range() const;
    const Holder* holder() const { return verdict.holders.empty() ? nullptr : verdict.holders.data(); }
};

std::string summary_of(const Case& about);
std::optional<std::string> rule_of(const Case& about);
std::vector<std::string> advice_for(const Case& about);

}  // namespace bindtrace
