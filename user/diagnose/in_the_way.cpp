// SPDX-License-Identifier: MIT
#include "diagnose/in_the_way.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "bindtrace/rules.h"
#include "diagnose/holder_words.h"
#include "model/publisher.h"

namespace bindtrace {
namespace {

bool descends_from(const Process& process, std::uint32_t pid) {
    return std::ranges::count(process.ancestry, pid, &Ancestor::pid) != 0;
}

// Is it the same program, started twice? One that forked the other, or whose parent forked both, was started once.
bool is_other_run(const Owner& holder, const Event& event, const Context& context) {
    if (context.process == nullptr || !holder.process) return false;
    const Process &mine = *context.process, &theirs = *holder.process;
    if (!mine.exe || !mine.cmdline || mine.exe != theirs.exe || mine.cmdline != theirs.cmdline) return false;
    if (descends_from(mine, holder.task.key.pid) || descends_from(theirs, event.task.key.pid)) return false;
    return !std::ranges::any_of(mine.ancestry, [&](const Ancestor& ancestor) {
        return ancestor.comm == event.task.comm && descends_from(theirs, ancestor.pid);
    });
}

// A scope is only where it was started.
bool is_unit(const std::optional<std::string>& unit) {
    return unit && !unit->ends_with(".scope");
}

// Will it be in TIME_WAIT when whoever has it has let go? A connection that the other end was first to close will not.
bool lingers(const Case& about, const Holder& holder) {
    const bt_sock& sock = holder.raw.sock;
    if (about.verdict.cause == Cause::udp_holder || sock.remote_port == 0) return false;
    if (!holder.process) return sock.state == TCP_TIME_WAIT;
    return sock.state != TCP_CLOSE_WAIT && sock.state != TCP_LAST_ACK;
}

// The socket as each process has it that is known to have it open: it is free when the last of them has let go. Who
// failed starts again anyway, and of a published port the container is what is stopped.
std::vector<Holder> each_user(const Case& about, const Holder& holder) {
    std::vector<Holder> users{holder};
    if (holder.published) return users;
    for (const Owner& other : holder.others) {
        if (is_same_process(other.task.key, about.event.task.key)) continue;
        Holder& user = users.emplace_back(holder);
        if (!holder.process || holder.process->cgroup_path != other.cgroup_path) user.container = {};
        user.process = other;
    }
    return users;
}

// Those of one owner are one, and nothing where nobody can make it let go.
std::vector<std::string> each_step(const Case& about, std::string (*way)(const Holder&)) {
    std::vector<std::string> steps;
    for (const Holder& holder : about.verdict.holders) {
        if (holder.raw.sock.state == TCP_TIME_WAIT) continue;  // time makes it
        for (const Holder& user : each_user(about, holder)) {
            std::string step = way(user);
            if (is_own(user, about.event) && !about.for_container())
                step = "close the socket that the process has there already";
            else if (!user.published && is_unit(about.unit) && unit_of(user) == about.unit)
                step = fmt::format("wait for the earlier instance of {} to end", *about.unit);
            if (!step.empty() && std::ranges::find(steps, step) == steps.end()) steps.push_back(std::move(step));
        }
    }
    return steps;
}

// Is there more in the way than each_step() can speak of?
bool has_more(const Case& about) {
    if (about.verdict.in_the_way > about.verdict.holders.size()) return true;
    return std::ranges::any_of(about.verdict.holders,
                               [](const Holder& holder) { return holder.processes > holder.others.size() + 1; });
}

}  // namespace

const bt_sock* dual_stack(const bt_sock& one, const bt_sock& other) {
    const bt_reach a = bt_reach_of(&one), b = bt_reach_of(&other);
    if (a.has_v4 != 0 && a.has_v6 != 0 && b.has_v6 == 0) return &one;
    return b.has_v4 != 0 && b.has_v6 != 0 && a.has_v6 == 0 ? &other : nullptr;
}

bool is_unmarked(const bt_sock& mine, const bt_sock& theirs) {
    return bt_addresses_overlap(&mine, &theirs) == 0 && bt_meets_unmarked(&mine, &theirs) != 0;
}

bool is_own(const Holder& holder, const Event& event) {
    // One that fails because of itself may be gone by the time that is looked at; its socket was open then.
    const bool was_open = holder.raw.sock.inode != 0 && holder.raw.sock.state != TCP_TIME_WAIT;
    const Owner* const owner = holder.process || was_open ? owner_of(holder) : nullptr;
    return owner != nullptr && is_same_process(owner->task.key, event.task.key);
}

bool is_earlier_instance(const Holder& holder, const Event& event, const Context& context,
                         const std::optional<std::string>& unit) {
    if (is_unit(unit)) return unit_of(holder) == unit;
    if (publishes_ports(event.task, context.process)) return false;
    return holder.process && is_other_run(*holder.process, event, context);
}

bool would_share(const Case& about, std::uint32_t mine, std::uint32_t theirs) {
    if (about.refusal == nullptr || !about.refusal->complete) return false;
    bt_sock claimant = about.refusal->claimant;
    claimant.opts |= mine;
    const bool named_do = std::ranges::none_of(about.verdict.holders, [&](const Holder& holder) {
        bt_sock other = holder.raw.sock;
        other.opts |= theirs;
        return bt_refuses(&claimant, about.refusal->claimant_uid, &other, holder.raw.uid) != 0;
    });
    if (about.verdict.in_the_way <= about.verdict.holders.size()) return named_do;
    // Of the others it is known that none listens, since a listener is always named.
    return named_do && (claimant.opts & (about.refusal->common_opts | theirs) & BT_OPT_REUSEADDR) != 0;
}

std::string steps_of(const Case& about, std::string (*way)(const Holder&)) {
    std::vector<std::string> steps = each_step(about, way);
    if (steps.size() > 1 && has_more(about))
        steps.push_back(fmt::format("the same for whoever else `bindtrace who {}` shows", about.port()));
    if (std::ranges::any_of(about.verdict.holders, [&](const Holder& holder) { return lingers(about, holder); }))
        steps.emplace_back("wait a minute");
    return fmt::format("{}", fmt::join(steps, ", "));
}

bool is_one_owner(const Case& about) {
    return each_step(about, stop_holder).size() < 2;
}

}  // namespace bindtrace
