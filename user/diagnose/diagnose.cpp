// SPDX-License-Identifier: MIT
#include "diagnose/diagnose.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "bindtrace/rules.h"
#include "diagnose/in_the_way.h"
#include "diagnose/words.h"
#include "model/publisher.h"
#include "model/unit.h"

namespace bindtrace {
namespace {

constexpr std::uint16_t kProtocolMptcp = 262;

bool is_tcp(const bt_sock& sock) {
    return sock.protocol == IPPROTO_TCP || sock.protocol == kProtocolMptcp;
}

bool is_udp(const bt_sock& sock) {
    return sock.protocol == IPPROTO_UDP || sock.protocol == IPPROTO_UDPLITE;
}

// The one to name first: a listener tells more than its connections, and who has a process more than who has none.
int weight(const Holder& holder) {
    if (holder.raw.sock.state == TCP_LISTEN) return 3;
    if (holder.process) return 2;
    return holder.raw.sock.state == TCP_TIME_WAIT ? 0 : 1;
}

Cause cause_of_holder(const Holder& holder) {
    const bt_holder& raw = holder.raw;
    if (is_udp(raw.sock)) return Cause::udp_holder;
    switch (raw.sock.state) {
        case TCP_LISTEN:
            return Cause::listener;
        case TCP_CLOSE:
            return Cause::bound;
        case TCP_TIME_WAIT:  // also what an orphan's FIN_WAIT2 is kept as
            return raw.substate == TCP_TIME_WAIT ? Cause::time_wait : Cause::closing;
        case TCP_FIN_WAIT1:
        case TCP_FIN_WAIT2:
        case TCP_CLOSING:
        case TCP_LAST_ACK:
        case TCP_CLOSE_WAIT:
            return Cause::closing;
        default:
            break;
    }
    if ((raw.flags & BT_EVENT_EPHEMERAL) != 0) return Cause::ephemeral;
    return Cause::bound;  // explicitly, or it was accepted on a port that its listener has given up since
}

bool is_bind_like(const Event& event) {
    return event.kind == BT_KIND_BIND || event.kind == BT_KIND_LISTEN;
}

// Was the kernel to choose the port?
bool leaves_the_port_open(const Event& event) {
    if (event.kind == BT_KIND_BIND) return (event.flags & BT_EVENT_HAS_REQUEST) != 0 && event.port == 0;
    return (event.flags & BT_EVENT_HAS_SOCK) != 0 && event.sock.local_port == 0;
}

// Where nobody was found in the way.
Cause cause_of_errno(const Event& event, const Refusal* refusal) {
    const bool has_request = (event.flags & BT_EVENT_HAS_REQUEST) != 0;
    switch (event.error) {
        case EADDRINUSE:
        case EAGAIN:
            return leaves_the_port_open(event) ? Cause::exhausted : Cause::unknown;
        case EADDRNOTAVAIL:
            if (event.kind != BT_KIND_AUTOBIND) return Cause::address_not_local;
            return leaves_the_port_open(event) ? Cause::exhausted : Cause::unknown;
        case ENODEV:
            return Cause::address_not_local;
        case EACCES:
        case EPERM:
            if (event.error == EACCES && refusal != nullptr && has_request && event.port != 0 &&
                event.port < refusal->unprivileged_start && !refusal->may_take_low_ports)
                return Cause::privileged_port;
            return Cause::denied;
        case EINVAL:
            return event.sock.local_port != 0 && event.kind == BT_KIND_BIND ? Cause::already_bound : Cause::bad_request;
        case ENOMEM:
        case ENOBUFS:
            return Cause::no_memory;
        case EBADF:
        case ENOTSOCK:
        case EFAULT:
        case EAFNOSUPPORT:
        case EOPNOTSUPP:
        case EISCONN:
            return Cause::bad_request;
        default:
            return Cause::unknown;
    }
}

// Nothing where no table was looked at.
std::optional<Evidence> evidence_of(const Refusal& refusal) {
    if (refusal.seen == 0) return std::nullopt;
    return Evidence{.source = is_tcp(refusal.claimant)   ? "bind-bucket"
                              : is_udp(refusal.claimant) ? "udp-table"
                                                         : "descriptors",
                    .sockets = refusal.seen,
                    .complete = refusal.complete};
}

class FactorFinder {
  public:
    FactorFinder(const Event& event, const Context& context, const Refusal& refusal,
                 const std::optional<std::string>& unit)
        : event_(event), context_(context), refusal_(refusal), unit_(unit) {}

    std::vector<Factor> find(const std::vector<Holder>& holders) {
        for (const Holder& holder : holders) {
            owner(holder);
            if (refusal_.claimant.local_port == holder.raw.sock.local_port && is_bind_like(event_)) {
                addresses(holder.raw.sock);
                sharing(holder.raw);
            }
        }
        if (is_bind_like(event_) && refusal_.is_ephemeral(refusal_.claimant.local_port) && !refusal_.port_reserved)
            add(Factor::range_overlap);
        return std::move(found_);
    }

  private:
    void add(Factor factor) {
        if (std::ranges::find(found_, factor) == found_.end()) found_.push_back(factor);
    }

    void owner(const Holder& holder) {
        const std::optional<Owner>& now = holder.process;
        if (is_own(holder, event_)) add(Factor::same_process);
        if (is_earlier_instance(holder, event_, context_, unit_)) add(Factor::same_unit);
        if (now && holder.last_process && !is_same_process(now->task.key, holder.last_process->task.key))
            add(Factor::inherited_fd);
        if (socket_unit(holder)) add(Factor::socket_activated);
        if (holder.published) add(Factor::container_published);
        if (!now && holder.last_process_exited) add(Factor::holder_exited);
        if (holder.raw.of_kernel != 0 || (holder.raw.has_claim != 0 && holder.raw.op == BT_OP_KERNEL))
            add(Factor::kernel_socket);
        const UnitPlace place = place_of(holder);
        if (place.session || place.in_user_manager || (place.type() == "scope" && place.unit->starts_with("session-")))
            add(Factor::user_session);
    }

    void addresses(const bt_sock& holder) {
        const bt_reach mine = bt_reach_of(&refusal_.claimant), theirs = bt_reach_of(&holder);
        if (dual_stack(refusal_.claimant, holder) != nullptr || is_unmarked(refusal_.claimant, holder))
            add(Factor::dual_stack);
        const bool all_mine = mine.has_v6 != 0 ? mine.all_v6 != 0 : mine.v4 == 0;
        const bool all_theirs = theirs.has_v6 != 0 ? theirs.all_v6 != 0 : theirs.v4 == 0;
        if (all_mine != all_theirs) add(Factor::wildcard_vs_specific);
    }

    // Which option, set where, would have let both have the port?
    void sharing(const bt_holder& holder) {
        const std::uint32_t mine = refusal_.claimant.opts, theirs = holder.sock.opts;
        if (holder.sock.state != TCP_LISTEN) {
            if ((mine & BT_OPT_REUSEADDR) == 0) add(Factor::reuseaddr_missing_requester);
            if ((theirs & BT_OPT_REUSEADDR) == 0) add(Factor::reuseaddr_missing_holder);
        }
        if (((mine | theirs) & BT_OPT_REUSEPORT) == 0) return;  // nobody meant to share
        if ((mine & BT_OPT_REUSEPORT) == 0) add(Factor::reuseport_missing_requester);
        if ((theirs & BT_OPT_REUSEPORT) == 0) add(Factor::reuseport_missing_holder);
        if ((theirs & BT_OPT_REUSEPORT) != 0 && holder.sock.state != TCP_TIME_WAIT &&
            holder.uid != refusal_.claimant_uid)
            add(Factor::reuseport_uid_mismatch);
    }

    const Event& event_;
    const Context& context_;
    const Refusal& refusal_;
    const std::optional<std::string>& unit_;
    std::vector<Factor> found_;
};

}  // namespace

Look wanted_look(const Event& event, const Refusal* refusal) {
    if (refusal != nullptr && !refusal->holders.empty()) return Look::none;
    const Cause cause = cause_of_errno(event, refusal);
    if (cause == Cause::exhausted && refusal != nullptr) return Look::range;
    return cause == Cause::address_not_local ? Look::addresses : Look::none;
}

Conflict Diagnosis::diagnose(const Event& event, const Context& context, Findings findings) {
    Conflict verdict;
    const Refusal* const refusal = findings.refusal ? &*findings.refusal : nullptr;
    verdict.holders = std::move(findings.holders);
    std::ranges::stable_sort(verdict.holders, std::ranges::greater{}, weight);
    std::optional<std::string> unit;
    // Who publishes ports is of the daemon's unit, or of whoever called podman.
    if (context.cgroup_path && !publishes_ports(event.task, context.process))
        unit = unit_of_cgroup(*context.cgroup_path);
    const bool named = !verdict.holders.empty();
    verdict.cause = named ? cause_of_holder(verdict.holders.front()) : cause_of_errno(event, refusal);
    if (refusal != nullptr) {
        verdict.in_the_way = refusal->in_the_way;
        verdict.evidence = evidence_of(*refusal);
        verdict.factors = FactorFinder(event, context, *refusal, unit).find(verdict.holders);
    }
    verdict.to_reserve = std::move(findings.to_reserve);
    if (verdict.cause == Cause::exhausted) verdict.range = std::move(findings.range);
    if (verdict.cause == Cause::address_not_local) verdict.local_addresses = std::move(findings.local_addresses);
    compare_with_earlier(event, context, verdict);
    const Case about{.event = event, .context = context, .refusal = refusal, .verdict = verdict, .unit = unit};
    std::string summary = summary_of(about);
    std::optional<std::string> rule = rule_of(about);
    std::vector<std::string> advice = advice_for(about);
    verdict.summary = std::move(summary);
    verdict.rule = std::move(rule);
    verdict.advice = std::move(advice);
    return verdict;
}

void Diagnosis::compare_with_earlier(const Event& event, const Context& context, Conflict& verdict) {
    Attempts::Row& row = attempts_.failed(event, context);
    verdict.failures = row.failures;
    verdict.failing_ns = event.ktime_ns - std::min<std::uint64_t>(row.since_ns, event.ktime_ns);
    if (row.restart_loop) verdict.factors.push_back(Factor::restart_loop);
    std::string now = fmt::format("{} {}", cause_name(verdict.cause), row.restart_loop);
    if (!verdict.holders.empty()) {
        const bt_sock& sock = verdict.holders.front().raw.sock;
        now += fmt::format(" {} {}", sock.cookie, sock.inode);
    }
    verdict.told_before = std::exchange(row.told, now) == now;
}

}  // namespace bindtrace
