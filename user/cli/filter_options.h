// SPDX-License-Identifier: MIT
// The filters as words of the command line. They are resolved (a netns name to its inode, a unit to its cgroup) by
// resolve(), since that asks the system and may fail for other reasons than a typing error.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/result.h"
#include "filter/filter.h"
#include "filter/recorded_filter.h"
#include "kernel/cgroup_tree.h"

namespace CLI {
class App;
}

namespace bindtrace {

// As typed; empty or unset = not given.
struct FilterWords {
    std::string ports;
    std::string protocols;
    std::string address;
    std::string comm;
    std::string uid;
    std::string unit;
    std::string container;
    std::string cgroup;
    std::string netns;
    std::string events;
    std::optional<unsigned> pid;
    bool failed = false;
    bool no_ephemeral = false;
};

void add_filter_options(CLI::App& app, FilterWords& words);

// What was given, in the words it was given in.
std::vector<std::string> filter_text(const FilterWords& words);

// Asks the system what the words mean. An error is the user's (exit code 2). A unit or a network namespace that is not
// there may come: that is warned of, and it is known by its name then.
Result<Filter> resolve(const FilterWords& words, const std::optional<CgroupTree>& cgroups);

// The same for a capture, without asking the system.
Result<RecordedFilter> resolve_recorded(const FilterWords& words);

}  // namespace bindtrace
