// SPDX-License-Identifier: MIT
#include "cli/doctor.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spdlog/spdlog.h>
#include <sys/utsname.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/exit_codes.h"
#include "kernel/attach.h"
#include "model/names.h"

namespace bindtrace {
namespace {

struct StrategyReport {
    Strategy strategy{};
    Finding finding;
    std::vector<std::string> unseen;  // on any kernel, and on this one
};

struct Problem {
    std::string what;
    std::string next;  // the step to take
};

struct Report {
    utsname system{};
    KernelFacts facts;
    std::vector<StrategyReport> strategies;
    std::optional<Strategy> chosen;
    std::uint32_t ring_bytes = 0;
    std::vector<Problem> problems;
};

// Attaches for real, all programs, and lets go at once: the only conclusive answer.
StrategyReport examine(Strategy strategy, const KernelFacts& facts, const TracerOptions& options) {
    StrategyReport report{.strategy = strategy, .finding = {}, .unseen = {}};
    if (lacking_privilege(facts)) {
        report.finding = {Answer::unknown, "cannot be tried without the missing capabilities"};
        return report;
    }
    report.finding = facts.try_strategy(strategy);
    if (report.finding.answer != Answer::yes) return report;
    const auto tracer = Tracer::open(strategy, facts, options);
    if (!tracer) {
        report.finding = {Answer::no, tracer.error().what};
        return report;
    }
    for (const std::string_view spot : blind_spots(strategy)) report.unseen.emplace_back(spot);
    for (const std::string& spot : (*tracer)->missing())
        report.unseen.push_back(spot + " (not to be had on this kernel)");
    return report;
}

std::vector<Problem> find_problems(const Report& report) {
    std::vector<Problem> problems;
    if (!report.facts.has_btf)
        problems.push_back(
            {"the kernel has no BTF",
             "boot a kernel with CONFIG_DEBUG_INFO_BTF=y (every Debian kernel since 5.10), with /sys mounted"});
    if (const auto privilege = lacking_privilege(report.facts))
        problems.push_back({privilege->what, privilege->hint});
    else if (const auto names = lacking_names(report.facts))
        problems.push_back({*names, "run it with sudo"});
    if (const auto lack = lacking_cgroups(report.facts.cgroups)) problems.push_back({lack->what, lack->hint});
    if (!report.facts.cgroups.cgroup2_mount)
        problems.push_back(
            {"cgroup v2 is not mounted: no socket cookies, and with the tracepoint strategy no release of UDP ports",
             "mount -t cgroup2 none /sys/fs/cgroup/unified"});
    if (report.chosen && *report.chosen != Strategy::fentry)
        problems.push_back(
            {fmt::format("the best strategy, fentry, is not to be had: {}", report.strategies[0].finding.why),
             "allow function tracing in the kernel's policy, or live with what is not seen (above)"});
    if (!report.chosen && report.facts.has_btf && !lacking_privilege(report.facts))
        problems.push_back({"no strategy works",
                            next_step(report.facts, kStrategies,
                                      "see the reasons above; lockdown=integrity and kernel 5.10 or newer suffice")});
    return problems;
}

std::string_view answer_word(Answer answer) {
    switch (answer) {
        case Answer::yes:
            return "yes";
        case Answer::no:
            return "no";
        case Answer::unknown:
            return "could not tell";
    }
    return "";
}

std::string units_in(const KernelFacts& facts) {
    if (!facts.cgroups.tree) return "no hierarchy of cgroups that is mounted";
    return fmt::format("{} (cgroup v{})", facts.cgroups.tree->mount, facts.cgroups.tree->hierarchy == 0 ? 2 : 1);
}

std::string as_text(const Report& report) {
    const KernelFacts& facts = report.facts;
    std::string out;
    const auto line = [&](std::string_view name, std::string_view value) {
        out += fmt::format("{:<14}{}\n", name, value);
    };
    line("bindtrace", BINDTRACE_VERSION);
    line("kernel", fmt::format("{} {}", facts.release, report.system.machine));
    line("BTF", facts.has_btf ? "yes" : "no");
    line("lockdown",
         facts.lockdown == "unknown" ? "could not tell (no /sys/kernel/security/lockdown)" : facts.lockdown);
    line("capabilities", facts.missing_capabilities.empty()
                             ? "all that are needed"
                             : fmt::format("missing {}", fmt::join(facts.missing_capabilities, ", ")));
    line("cgroup v2", facts.cgroups.cgroup2_mount.value_or("not mounted"));
    line("units in", units_in(facts));
    line("ring buffer", fmt::format("{} MiB (--ring-size)", report.ring_bytes >> 20));
    out += "\nstrategies\n";
    for (const StrategyReport& strategy : report.strategies) {
        const bool chosen = report.chosen == strategy.strategy;
        out += fmt::format("  {:<12}{}{}{}\n", strategy_name(strategy.strategy), answer_word(strategy.finding.answer),
                           strategy.finding.why.empty() ? "" : ": " + strategy.finding.why,
                           chosen ? "  <- the one that auto takes" : "");
    }
    for (const StrategyReport& strategy : report.strategies) {
        if (report.chosen != strategy.strategy) continue;
        out += fmt::format("\nnot seen with {}\n", strategy_name(strategy.strategy));
        for (const std::string& spot : strategy.unseen) out += fmt::format("  - {}\n", spot);
    }
    if (report.problems.empty()) return out + "\nno problems\n";
    out += "\nproblems\n";
    for (const Problem& problem : report.problems)
        out += fmt::format("  - {}\n    next: {}\n", problem.what, problem.next);
    return out;
}

std::string as_json(const Report& report) {
    using nlohmann::ordered_json;
    const KernelFacts& facts = report.facts;
    const auto or_null = [](const auto& value) { return value ? ordered_json(*value) : ordered_json(nullptr); };
    ordered_json strategies = ordered_json::array();
    for (const StrategyReport& strategy : report.strategies) {
        const Finding& finding = strategy.finding;
        strategies.push_back({{"name", strategy_name(strategy.strategy)},
                              {"answer", finding.answer == Answer::unknown ? "unknown" : answer_word(finding.answer)},
                              {"why", finding.why.empty() ? ordered_json(nullptr) : ordered_json(finding.why)},
                              {"not_seen", strategy.unseen}});
    }
    ordered_json problems = ordered_json::array();
    for (const Problem& problem : report.problems) problems.push_back({{"what", problem.what}, {"next", problem.next}});
    const ordered_json root = {
        {"v", 1},
        {"type", "doctor"},
        {"version", BINDTRACE_VERSION},
        {"host", report.system.nodename},
        {"kernel", facts.release},
        {"machine", report.system.machine},
        {"btf", facts.has_btf},
        {"lockdown", facts.lockdown == "unknown" ? ordered_json(nullptr) : ordered_json(facts.lockdown)},
        {"missing_capabilities", facts.missing_capabilities},
        {"cgroup2_mount", or_null(facts.cgroups.cgroup2_mount)},
        {"cgroup_units_mount", or_null(facts.cgroup_mount())},
        {"ring_buffer_bytes", report.ring_bytes},
        {"strategies", strategies},
        {"chosen", report.chosen ? ordered_json(strategy_name(*report.chosen)) : ordered_json(nullptr)},
        {"problems", problems},
    };
    return root.dump(-1, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace

int run_doctor(const Options& options) {
    Report report;
    uname(&report.system);
    report.facts = KernelFacts::probe();
    TracerOptions tracer_options;
    tracer_options.config = Filter{}.kernel_config();
    report.ring_bytes = tracer_options.ring_bytes;
    for (const Strategy strategy : kStrategies) {
        report.strategies.push_back(examine(strategy, report.facts, tracer_options));
        if (!report.chosen && report.strategies.back().finding.answer == Answer::yes) report.chosen = strategy;
    }
    report.problems = find_problems(report);
    const std::string out = options.json ? as_json(report) : as_text(report);
    if (std::fwrite(out.data(), 1, out.size(), stdout) != out.size() || std::fflush(stdout) != 0) {
        spdlog::error("cannot write to stdout: {}", std::strerror(errno));
        return kExitRuntime;
    }
    return report.chosen ? kExitFine : kExitRuntime;
}

}  // namespace bindtrace
