// SPDX-License-Identifier: MIT
#include "cli/check.h"

#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <climits>
#include <csignal>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cli/list_enricher.h"
#include "cli/live.h"
#include "cli/registries.h"
#include "cli/report.h"
#include "core/clock.h"
#include "core/exit_codes.h"
#include "enrich/enricher.h"
#include "filter/filter.h"
#include "kernel/attach.h"
#include "kernel/port_list.h"
#include "pipeline/held_now.h"
#include "registry/check.h"
#include "registry/learn.h"
#include "registry/proc_sockets.h"
#include "sink/check_report.h"
#include "sink/output.h"

namespace bindtrace {
namespace {

std::uint32_t own_netns() {
    return registry_netns("").value_or(0);
}

bt_config config_for(const std::vector<PortEntry>& entries) {
    Filter filter;
    for (const PortEntry& entry : entries) filter.ports.emplace_back(entry.first_port, entry.last_port);
    return filter.kernel_config();
}

Result<HeldSockets> held_sockets(const KernelFacts& facts, const std::vector<PortEntry>& entries) {
    if (const auto error = cannot_trace(facts)) {
        spdlog::warn(
            "{}; so it can only look into /proc: not seen are other network namespaces, TCP sockets that are bound "
            "and do not listen, and who has a socket open of those processes that are not this user's",
            error->what);
        return proc_sockets(own_netns());
    }
    const auto found = list_ports(facts, config_for(entries));
    if (!found) return found.error();
    Enricher enricher = enricher_of_list(facts, *found);
    return held_now(*found, enricher);
}

std::map<std::string, NetnsState> netns_states(const std::vector<PortEntry>& entries) {
    std::map<std::string, NetnsState> states;
    const auto add = [&states](const std::string& name) {
        if (!states.contains(name)) states[name] = {registry_netns(name), registry_sysctls(name)};
    };
    add("");
    add("host");
    for (const PortEntry& entry : entries) add(entry.netns.value_or(""));
    return states;
}

int print(const std::string& text) {
    Output output(STDOUT_FILENO, -1);
    output.buffer() += text;
    const Status written = output.finish();
    return written ? kExitFine : report(written.error(), kExitRuntime);
}

int learn() {
    const auto held = held_sockets(KernelFacts::probe(), {});
    if (!held) return report(held.error(), kExitRuntime);
    if (!held->complete) spdlog::warn("there are more than these: too many to list them all");
    utsname system{};
    uname(&system);
    return print(learned_registry(*held, own_netns(), registry_netns, system.nodename));
}

// What was found, and the host that it refers to.
struct Look {
    HostState host;
    std::vector<CheckedEntry> checked;

    bool all_ok() const {
        return std::ranges::all_of(checked, [](const CheckedEntry& entry) { return entry.status == PortStatus::ok; });
    }
};

Result<std::unique_ptr<Look>> look(const KernelFacts& facts, const std::vector<PortEntry>& entries) {
    auto held = held_sockets(facts, entries);
    if (!held) return held.error();
    auto found = std::make_unique<Look>();
    found->host = {.held = std::move(*held), .netns = netns_states(entries), .units = UnitFiles()};
    found->checked = check_ports(entries, found->host);
    return found;
}

// Looks again whenever something happens to one of the ports, and for a while after that, ever more rarely: an owner
// may become one without a port event, as a daemon that drops root once it listens, or a container whose port is
// published before its name is written down. What is not seen either way is found by the last look, when the time is
// over or a signal ends it.
Result<std::unique_ptr<Look>> wait_until_ok(const KernelFacts& facts, const std::vector<PortEntry>& entries,
                                            std::chrono::nanoseconds at_most) {
    using Clock = std::chrono::steady_clock;
    using std::chrono::milliseconds;
    constexpr milliseconds kRest{250}, kLongestRest{INT_MAX / 2};
    const auto signals = watch_signals({SIGINT, SIGTERM});
    if (!signals) return signals.error();
    const auto tracer =
        attach(std::nullopt, facts, {.config = config_for(entries), .ring_bytes = 1u << 20, .cgroup = {}});
    if (!tracer) return tracer.error();
    (*tracer)->arm();
    const auto start = Clock::now();
    const Tracer::Handler pass_over = [](auto) {};
    milliseconds rest = kRest;
    for (bool ended = false;;) {
        (*tracer)->going_to_sleep();
        constexpr std::size_t kAll = 1u << 20;
        if ((*tracer)->consume(pass_over, kAll) > 0) rest = kRest;
        auto found = look(facts, entries);
        const auto waited = Clock::now() - start;
        if (!found || (*found)->all_ok() || waited >= at_most || ended) return found;
        const auto left = std::chrono::ceil<milliseconds>(at_most - waited);
        pollfd waiting[] = {{.fd = (*tracer)->poll_fd(), .events = POLLIN, .revents = 0},
                            {.fd = signals->get(), .events = POLLIN, .revents = 0}};
        if (poll(waiting, std::size(waiting), static_cast<int>(std::min(rest, left).count())) == 0)
            rest = std::min(rest * 2, kLongestRest);
        ended = waiting[1].revents != 0;
    }
}

}  // namespace

int run_check(const Options& options) {
    if (options.learn) return learn();
    const auto entries = load_registries(options.registries);
    if (!entries) return kExitUsage;
    const KernelFacts facts = KernelFacts::probe();
    const auto found = options.wait_ns ? wait_until_ok(facts, *entries, std::chrono::nanoseconds(*options.wait_ns))
                                       : look(facts, *entries);
    if (!found) return report(found.error(), kExitRuntime);

    std::string text;
    if (options.json)
        append_check_json(text, (*found)->checked, static_cast<std::uint64_t>(clock_ns(CLOCK_BOOTTIME)));
    else
        append_check_text(text, (*found)->checked, wants_colour());
    if (const int code = print(text); code != kExitFine) return code;
    return (*found)->all_ok() ? kExitFine : kExitBad;
}

}  // namespace bindtrace
