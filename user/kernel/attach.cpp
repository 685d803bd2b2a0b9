// SPDX-License-Identifier: MIT
#include "kernel/attach.h"

#include <fmt/ranges.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cerrno>
#include <iterator>

#include "kernel/capabilities.h"

namespace bindtrace {
namespace {

std::string how_to_grant(const KernelFacts& facts) {
    return fmt::format(
        "run it with sudo, or grant once: sudo setcap "
        "cap_bpf,cap_perfmon,cap_net_admin,cap_sys_ptrace,cap_dac_read_search{}=ep $(command -v bindtrace)",
        facts.lacks("CAP_SYS_RESOURCE") ? ",cap_sys_resource" : "");
}

Result<std::unique_ptr<Tracer>> attach_one(Strategy strategy, const KernelFacts& facts, const TracerOptions& options) {
    const Finding finding = facts.try_strategy(strategy);
    if (finding.answer == Answer::no) return Error{finding.why};
    return Tracer::open(strategy, facts, options);
}

void warn_of_missing(const KernelFacts& facts, const Tracer& tracer) {
    warn_of_nulls(facts);
    if (!tracer.missing().empty()) spdlog::warn("not to be seen here: {}", fmt::join(tracer.missing(), ", "));
}

}  // namespace

std::string next_step(const KernelFacts& facts, std::span<const Strategy> tried, const char* otherwise) {
    const auto lacking = [&](Strategy strategy) { return !facts.lacking_for(strategy).empty(); };
    return std::ranges::any_of(tried, lacking) ? how_to_grant(facts) : otherwise;
}

std::optional<Error> lacking_privilege(const KernelFacts& facts) {
    if (!facts.lacks("CAP_BPF") && !facts.lacks("CAP_PERFMON")) return std::nullopt;
    return Error{fmt::format("this user may not trace: missing {}", fmt::join(facts.missing_capabilities, ", ")), EPERM,
                 how_to_grant(facts)};
}

std::optional<std::string> lacking_names(const KernelFacts& facts) {
    if (lacking_privilege(facts)) return std::nullopt;
    std::vector<std::string_view> missing;
    std::ranges::copy_if(facts.missing_capabilities, std::back_inserter(missing), is_for_names);
    if (missing.empty()) return std::nullopt;
    return fmt::format("missing {}: some names will be null", fmt::join(missing, ", "));
}

void warn_of_nulls(const KernelFacts& facts) {
    if (const auto lack = lacking_names(facts)) spdlog::warn("{} (run it with sudo)", *lack);
    if (const auto lack = lacking_cgroups(facts.cgroups)) spdlog::warn("{} ({})", lack->what, lack->hint);
}

std::optional<Error> cannot_trace(const KernelFacts& facts) {
    if (std::optional<Error> error = lacking_privilege(facts)) return error;
    if (facts.has_btf) return std::nullopt;
    return Error{"the kernel has no BTF (/sys/kernel/btf/vmlinux)", ENOENT,
                 "it needs CONFIG_DEBUG_INFO_BTF=y, as every Debian kernel since 5.10 has, and /sys mounted"};
}

Result<std::unique_ptr<Tracer>> attach(std::optional<Strategy> wanted, const KernelFacts& facts,
                                       const TracerOptions& options) {
    if (std::optional<Error> error = cannot_trace(facts)) return *error;
    if (wanted) {
        auto tracer = attach_one(*wanted, facts, options);
        if (!tracer)
            return Error{fmt::format("cannot attach with {}: {}", strategy_name(*wanted), tracer.error().what),
                         tracer.error().code,
                         next_step(facts, {&*wanted, 1}, "--attach auto takes what works; bindtrace doctor tells why")};
        warn_of_missing(facts, **tracer);
        return tracer;
    }
    std::vector<std::string> refused;
    for (const Strategy strategy : kStrategies) {
        auto tracer = attach_one(strategy, facts, options);
        if (tracer) {
            if (!refused.empty())
                spdlog::warn("attached with {}, since {}. Not seen: {}", strategy_name(strategy),
                             fmt::join(refused, "; "), fmt::join(blind_spots(strategy), "; "));
            warn_of_missing(facts, **tracer);
            return tracer;
        }
        if (tracer.error().code == ENOMEM) return tracer.error();  // no strategy can help
        refused.push_back(fmt::format("{} is not to be had ({})", strategy_name(strategy), tracer.error().what));
    }
    return Error{fmt::format("no way to attach: {}", fmt::join(refused, "; ")), 0,
                 next_step(facts, kStrategies, "bindtrace doctor tells what to change")};
}

}  // namespace bindtrace
