// SPDX-License-Identifier: MIT
// The three ways to learn the same facts from the kernel, and which program tells what in each.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bindtrace {

enum class Strategy { fentry, kprobe, tracepoint };

inline constexpr Strategy kStrategies[] = {Strategy::fentry, Strategy::kprobe, Strategy::tracepoint};

std::string_view strategy_name(Strategy strategy);
std::optional<Strategy> strategy_from_name(std::string_view name);

// One BPF program and the condition under which it is loaded.
struct ProgramSpec {
    enum class When {
        function,        // the kernel has the function
        two_arguments,   // ... and it takes two
        one_argument,    // ... and it takes one
        always,          // no function involved
        cookies_needed,  // tracing programs of this kernel and strategy cannot ask for a socket's cookie
        preemptible,     // the kernel may preempt a program at a tracepoint, and skips it meanwhile for other tasks
    };
    const char* name;    // in the BPF object
    const char* target;  // kernel function, or tracepoint
    When when;
    const char* tells;             // what is lost without it; null where nothing is
    std::uint32_t kinds = 0;       // bits 1 << bt_kind it serves alone; 0 = it serves all
    bool repairs_connect = false;  // backs up what is learned of a port that connect(2) chose
};

std::span<const ProgramSpec> programs(Strategy strategy);

// What a strategy cannot see on any kernel: sentences for doctor.
std::span<const std::string_view> blind_spots(Strategy strategy);

// The number of arguments of a kernel function, or nothing where the kernel lacks it.
using FunctionArity = std::function<std::optional<int>(const char* name)>;

struct Choice {
    std::vector<std::string> load;     // program names
    std::vector<std::string> missing;  // what will not be seen because the kernel lacks every function that tells it
};

// What of a kernel decides which programs it is given.
struct KernelTraits {
    FunctionArity arity;
    bool can_mint_cookie = false;
    bool preempts_tracepoints = false;
};

// What is to be told.
struct Wanted {
    std::uint32_t kinds = 0;  // bits 1 << bt_kind
    bool ephemeral = true;    // also ports that the kernel chose
};

// Pure: which programs to load.
Choice choose(Strategy strategy, const KernelTraits& kernel, Wanted wanted);

// How often the kernel's recursion guard skipped a program.
struct ProgramMisses {
    std::string name;  // in the BPF object
    std::uint64_t count = 0;
};

// How many facts these skipped runs have lost, at most: one is lost only if every program that would have told it was
// skipped, so of several that back each other up the one that was skipped least counts.
std::uint64_t not_made_good(std::span<const ProgramMisses> misses);

}  // namespace bindtrace
