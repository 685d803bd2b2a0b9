// SPDX-License-Identifier: MIT
#include "cli/live.h"

#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>
#include <sys/signalfd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

#include "cli/registries.h"
#include "cli/report.h"
#include "core/exit_codes.h"
#include "kernel/attach.h"

namespace bindtrace {

Result<UniqueFd> watch_signals(std::initializer_list<int> signals) {
    sigset_t set;
    sigemptyset(&set);
    for (const int signal : signals) sigaddset(&set, signal);
    sigprocmask(SIG_BLOCK, &set, nullptr);
    UniqueFd fd(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!fd.valid()) return Error{"signalfd", errno};
    return fd;
}

std::optional<Live> go_live(const Options& options, int& exit_code) {
    const auto refuse = [&exit_code](const Error& error, int code) {
        exit_code = report(error, code);
        return std::nullopt;
    };
    std::unique_ptr<PortWatch> registry;
    if (!options.registries.empty()) {
        auto entries = load_registries(options.registries);
        if (!entries) return exit_code = kExitUsage, std::nullopt;
        registry = std::make_unique<PortWatch>(
            std::move(*entries),
            PortWatch::Asked{.inum = registry_netns, .sysctls = registry_sysctls, .units = [] { return UnitFiles(); }});
    }
    KernelFacts facts = KernelFacts::probe();
    const auto filter = resolve(options.filter, facts.cgroups.tree);
    if (!filter) return refuse(filter.error(), kExitUsage);
    TracerOptions tracer_options{.config = filter->kernel_config(), .ring_bytes = options.ring_mib << 20, .cgroup = {}};
    if (registry) {
        tracer_options.config.has_registry = 1;
        for (const PortEntry& entry : registry->entries())
            set_ports(tracer_options.config.registered_bits, entry.first_port, entry.last_port);
    }
    if (filter->parent_cgroup) {
        tracer_options.cgroup = UniqueFd(open(filter->parent_cgroup->c_str(), O_DIRECTORY | O_CLOEXEC));
        if (!tracer_options.cgroup.valid())
            return refuse({"--cgroup: cannot open " + *filter->parent_cgroup, errno}, kExitUsage);
    }
    auto tracer = attach(strategy_from_name(options.attach), facts, tracer_options);
    if (!tracer) return refuse(tracer.error(), kExitRuntime);
    // Ahead of what it watches, so that a burst does not fill the ring buffer while we wait for a turn.
    if (setpriority(PRIO_PROCESS, 0, -20) != 0) spdlog::debug("cannot raise the priority: {}", std::strerror(errno));
    return Live{
        .facts = std::move(facts), .filter = *filter, .tracer = std::move(*tracer), .registry = std::move(registry)};
}

int end_live(const LiveSource& source, std::uint64_t unwritten, const Options& options) {
    const std::uint64_t lost = source.lost() + unwritten;
    tell_totals(
        {.events = source.events(), .failures = source.failures(), .lost = lost, .warnings = source.warnings()});
    if (options.fail_on_conflict && source.failures() + source.warnings() > 0) return kExitBad;
    return options.fail_on_loss && lost > 0 ? kExitIncomplete : kExitFine;
}

}  // namespace bindtrace
