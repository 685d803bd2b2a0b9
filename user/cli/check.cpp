// SPDX-License-Identifier: MIT
#include "cli/check.h"

#include <spdlog/spdlog.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "cli/report.h"
#include "core/clock.h"
#include "core/exit_codes.h"
#include "enrich/enricher.h"
#include "enrich/netns_names.h"
#include "filter/filter.h"
#include "kernel/attach.h"
#include "kernel/port_list.h"
#include "registry/check.h"
#include "registry/learn.h"
#include "registry/proc_sockets.h"
#include "sink/check_report.h"
#include "sink/escape.h"
#include "sink/output.h"

namespace bindtrace {
namespace {

constexpr const char* kOwnNetns = "/proc/self/ns/net";

// Words of a file that somebody else wrote may be in it.
int report_escaped(Error error, int exit_code) {
    std::string text;
    append_text(text, error.what);
    error.what = text;
    return report(error, exit_code);
}

std::uint32_t own_netns() {
    return NetnsNames::inum_of(kOwnNetns).value_or(0);
}

Result<HeldSockets> held_sockets(const std::vector<PortEntry>& entries) {
    const KernelFacts facts = KernelFacts::probe();
    if (const auto error = cannot_trace(facts)) {
        spdlog::warn(
            "{}; so without root it sees only this network namespace, no TCP socket that is bound and does "
            "not listen, and only this user's processes",
            error->what);
        return proc_sockets(own_netns());
    }
    Filter filter;
    for (const PortEntry& entry : entries) filter.ports.emplace_back(entry.first_port, entry.last_port);
    const auto found = list_ports(facts, filter.kernel_config());
    if (!found) return found.error();
    Enricher enricher(facts.cgroup2_mount, found->host_netns, {});
    HeldSockets held;
    held.complete = found->complete;
    for (const PortHolder& port : found->holders) {
        HeldSocket& socket = held.sockets.emplace_back();
        socket.holder = enricher.holder(port.socket, port.socket.task);
        for (const bt_task& user : port.users) socket.users.push_back(enricher.owner(user));
    }
    return held;
}

std::map<std::string, NetnsState> netns_states(const std::vector<PortEntry>& entries) {
    std::map<std::string, NetnsState> states;
    states[""] = {NetnsNames::inum_of(kOwnNetns), read_port_sysctls()};
    for (const PortEntry& entry : entries) {
        if (!entry.netns || states.contains(*entry.netns)) continue;
        const std::string path = *entry.netns == "host" ? "/proc/1/ns/net" : "/run/netns/" + *entry.netns;
        states[*entry.netns] = {NetnsNames::inum_of(path), read_port_sysctls_of(path)};
    }
    return states;
}

int print(const std::string& text) {
    Output output(STDOUT_FILENO, -1);
    output.buffer() += text;
    const Status written = output.finish();
    return written ? kExitFine : report(written.error(), kExitRuntime);
}

int learn() {
    const auto held = held_sockets({});
    if (!held) return report(held.error(), kExitRuntime);
    if (!held->complete) spdlog::warn("there are more than these: too many to list them all");
    utsname system{};
    uname(&system);
    return print(learned_registry(*held, own_netns(), system.nodename));
}

}  // namespace

int run_check(const Options& options) {
    if (options.learn) return learn();
    const auto entries = read_registries(options.registries);
    if (!entries) return report_escaped(entries.error(), kExitUsage);
    auto held = held_sockets(*entries);
    if (!held) return report(held.error(), kExitRuntime);
    const HostState host{.held = std::move(*held), .netns = netns_states(*entries), .units = UnitFiles()};
    const std::vector<CheckedEntry> checked = check_ports(*entries, host);

    std::string text;
    if (options.json)
        append_check_json(text, checked, static_cast<std::uint64_t>(clock_ns(CLOCK_BOOTTIME)));
    else
        append_check_text(text, checked, wants_colour());
    if (const int code = print(text); code != kExitFine) return code;
    const auto is_ok = [](const CheckedEntry& entry) { return entry.status == PortStatus::ok; };
    return std::ranges::all_of(checked, is_ok) ? kExitFine : kExitBad;
}

}  // namespace bindtrace
