// SPDX-License-Identifier: MIT
#include "pipeline/live_source.h"

#include <netinet/in.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "bindtrace/rules.h"
#include "core/clock.h"
#include "decode/decode.h"
#include "diagnose/diagnose.h"
#include "diagnose/range_use.h"
#include "enrich/in_netns.h"
#include "enrich/local_addresses.h"
#include "enrich/proc_stat.h"
#include "kernel/port_list.h"
#include "model/names.h"
#include "registry/port_sysctls.h"

namespace bindtrace {
namespace {

constexpr std::uint64_t kElsewhereNs = 10'000'000'000;  // a container may be given another name
constexpr std::int64_t kPortsRestNs = 250'000'000;      // between two looks at all ports
constexpr std::size_t kNetnsLookedAt = 256;

bool is_ping(const bt_sock& sock) {
    return sock.protocol == IPPROTO_ICMP || sock.protocol == IPPROTO_ICMPV6;
}

// Of ping and SCTP, where the kernel has their ports cannot be found from a BPF program.
bool wants_descriptors(const Event& event, const Refusal& refusal) {
    const bt_sock& claimant = refusal.claimant;
    return event.error == EADDRINUSE && claimant.local_port != 0 &&
           (is_ping(claimant) || claimant.protocol == IPPROTO_SCTP);
}

// Is it one whose port the claimant asked for? bt_refuses() does not look at the number, since a table is by number.
bool wants_same(const Refusal& refusal, const bt_sock& sock) {
    const bt_sock& claimant = refusal.claimant;
    return sock.local_port == claimant.local_port && sock.netns == claimant.netns && sock.type == claimant.type &&
           sock.inode != claimant.inode && (is_ping(claimant) ? is_ping(sock) : sock.protocol == claimant.protocol);
}

// ping_get_port() does not look at addresses.
bool in_the_way(const Refusal& refusal, const bt_holder& holder) {
    if (is_ping(refusal.claimant)) return (refusal.claimant.opts & holder.sock.opts & BT_OPT_REUSEADDR) == 0;
    return bt_refuses(&refusal.claimant, refusal.claimant_uid, &holder.sock, holder.uid) != 0;
}

// The sockets that are still open, a moment later.
void look_at_descriptors(Refusal& refusal) {
    bt_config config{};
    config.has_ports = 1;
    set_ports(config.port_bits, refusal.claimant.local_port, refusal.claimant.local_port);
    const auto ports = list_ports(KernelFacts::probe(), config);
    if (!ports) return;
    refusal.complete = ports->complete;
    for (const PortHolder& port : ports->holders) {
        if (!wants_same(refusal, port.socket.sock)) continue;
        ++refusal.seen;
        if (!in_the_way(refusal, port.socket) || ++refusal.in_the_way > BT_HOLDERS) continue;
        bt_holder& holder = refusal.holders.emplace_back(port.socket);
        holder.flags &= ~std::uint32_t{BT_EVENT_HAS_TASK};  // has it open, which says nothing of who claimed it
        holder.task = {};
    }
}

// Nothing where the process that was refused has gone: its namespace is not looked for elsewhere.
std::optional<PortSet> reserved_in(const Event& event) {
    std::optional<PortSet> reserved;
    in_netns(event.sock.netns, event.task.tid, [&] { reserved = read_port_sysctls().reserved; });
    return reserved;
}

// Of the range.
std::optional<std::size_t> reserved_ports(const Event& event, const Refusal& refusal) {
    const std::optional<PortSet> reserved = reserved_in(event);
    if (!reserved) return std::nullopt;
    std::size_t count = 0;
    for (std::size_t port = refusal.searched_first(); port <= refusal.searched_last(); ++port)
        count += reserved->test(port) ? 1 : 0;
    return count;
}

// With the port that the kernel gave to a client, and may give again. What is reserved already must be said too: sysctl
// -w replaces it.
std::string to_reserve(const Event& event, const Refusal& refusal) {
    const std::uint16_t port = refusal.claimant.local_port;
    const bool is_chosen = std::ranges::any_of(
        refusal.holders, [](const bt_holder& holder) { return (holder.flags & BT_EVENT_EPHEMERAL) != 0; });
    if (!is_chosen || refusal.port_reserved || !refusal.is_ephemeral(port)) return "";
    std::optional<PortSet> reserved = reserved_in(event);
    return reserved ? port_set_text(reserved->set(port)) : "";
}

std::string host_name() {
    std::array<char, 256> name{};
    gethostname(name.data(), name.size() - 1);
    return name.data();
}

}  // namespace

LiveSource::LiveSource(Tracer& tracer, const KernelFacts& facts, const Filter& filter, PortWatch* registry,
                       Receiver& receiver)
    : tracer_(tracer),
      filter_(filter),
      receiver_(receiver),
      enricher_(
          facts.cgroup_mount(), tracer.host_netns(),
          {.process = [&tracer](const bt_process_key& key) { return tracer.process(key); },
           .cgroup_path = [&tracer](std::uint64_t id) { return tracer.cgroup_path(id); },
           .socket_users = [&tracer](std::span<bt_socket_user> users) { tracer.find_socket_users(users); },
           .netns_processes = [&tracer](std::uint32_t inum) { return netns_processes(tracer.netns_processes(inum)); },
           .warn = [](const std::string& sentence) { spdlog::warn("{}", sentence); }}) {
    if (registry == nullptr) return;
    watch_.emplace(
        *registry, enricher_, [&tracer](std::span<bt_socket_user> users) { tracer.find_socket_users(users); },
        receiver);
}

Meta LiveSource::start(const KernelFacts& facts, const std::vector<std::string>& filter_text) {
    enricher_.read_ahead();
    tracer_.arm();
    const std::uint64_t now = boot_ns();
    return {.time_ns = enricher_.utc_ns(now),
            .ktime_ns = now,
            .version = BINDTRACE_VERSION,
            .host = host_name(),
            .kernel = facts.release,
            .strategy = std::string(strategy_name(tracer_.strategy())),
            .filters = filter_text};
}

void LiveSource::tick() {
    enricher_.refresh();
    if (watch_) watch_->tick();
    tell_losses();
    if (auto warning = portless_.look(boot_ns())) {
        warning->time_ns = enricher_.utc_ns(warning->ktime_ns);
        ++portless_told_;
        receiver_.warning(*warning);
    }
}

void LiveSource::take(std::span<const std::byte> bytes) {
    const std::optional<Sample> sample = decode(bytes);
    if (!sample) {
        ++undecoded_;
        return;
    }
    if ((sample->event.flags & BT_EVENT_UNFILTERED) == 0) tell(*sample);
    if (watch_) watch_->event(sample->event);
}

void LiveSource::tell(const Sample& sample) {
    const Event& event = sample.event;
    const Context& context = enricher_.enrich(event);
    if (event.error == 0) portless_.succeeded(event, context);
    if (!filter_.matches(event, context)) {
        if (filter_.is_elsewhere(context)) tracer_.leave_out(event.task.cgroup_id, event.ktime_ns + kElsewhereNs);
        return;
    }
    ++events_;
    if (event.error == 0) return receiver_.event(event, enricher_.context(), nullptr);
    ++failures_;
    const Findings found = findings(sample);
    enricher_.enrich(event);  // once more: what was found took its place
    if (sees_all_binds()) portless_.refused(event, enricher_.context(), found.holders);
    receiver_.event(event, enricher_.context(), &found);
}

Findings LiveSource::findings(const Sample& sample) {
    Findings found{.refusal = sample.refusal, .holders = {}, .range = {}, .local_addresses = {}};
    if (found.refusal && wants_descriptors(sample.event, *found.refusal) && may_look(ranges_looked_at_, sample.event))
        look_at_descriptors(*found.refusal);
    const Refusal* const refusal = found.refusal ? &*found.refusal : nullptr;
    if (refusal != nullptr) {
        found.holders = enricher_.holders(*refusal);
        found.to_reserve = to_reserve(sample.event, *refusal);
    }
    switch (wanted_look(sample.event, refusal)) {
        case Look::none:
            break;
        case Look::range:
            found.range = range(sample.event, *refusal);
            break;
        case Look::addresses:
            found.local_addresses = addresses(sample.event);
            break;
    }
    return found;
}

// A look takes as long as thousands of events: so not for each refusal of a storm of them.
bool LiveSource::may_look(Looks& looks, const Event& event) {
    if (looks.size() > kNetnsLookedAt) looks.clear();
    std::int64_t& next = looks[event.sock.netns];
    const std::int64_t now = clock_ns(CLOCK_BOOTTIME);
    if (now < next) return false;
    next = now + kPortsRestNs;
    return true;
}

std::optional<std::vector<LocalAddress>> LiveSource::addresses(const Event& event) {
    if (!may_look(addresses_looked_at_, event)) return std::nullopt;
    return local_addresses(event.sock.netns, event.task.tid);
}

std::optional<RangeUse> LiveSource::range(const Event& event, const Refusal& refusal) {
    if (!may_look(ranges_looked_at_, event)) return std::nullopt;
    bt_config config{};
    config.has_ports = 1;
    set_ports(config.port_bits, refusal.searched_first(), refusal.searched_last());
    const auto ports = list_ports(KernelFacts::probe(), config);
    if (!ports || !ports->complete) return std::nullopt;
    const RangeClaims claims = range_use(event, refusal, ports->holders);
    RangeUse use{.taken = claims.taken, .shares = {}, .reserved = reserved_ports(event, refusal)};
    if (use.taken == 0 && use.reserved.value_or(0) == 0) return std::nullopt;  // they have let go meanwhile
    for (std::size_t i = 0; i < std::min<std::size_t>(claims.claims.size(), BT_HOLDERS); ++i) {
        const RangeClaim& claim = claims.claims[i];
        RangeShare& share = use.shares.emplace_back();
        share.ports = claim.ports;
        if (claim.protocol != IPPROTO_UDP && claim.protocol != IPPROTO_UDPLITE)
            share.state = tcp_state_name(claim.state);
        if (claim.task.key.pid != 0) share.owner = enricher_.owner(claim.task);
    }
    return use;
}

// Of whatever unit. The rest of the filter asks for the same port, or is not the kernel's.
bool LiveSource::sees_all_binds() const {
    return !filter_.failed_only && !filter_.pid && !filter_.uid && (filter_.kinds & (1u << BT_KIND_BIND)) != 0;
}

void LiveSource::finish() {
    if (watch_) watch_->finish();
    tell_losses();
    tell_loss(LossReason::kretprobe_missed, tracer_.counters().kretprobe_missed + last_returns_missed());
}

// Those that call again are counted then. No signal wakes a task in such a call: one that sleeps so has left it.
std::uint64_t LiveSource::last_returns_missed() const {
    return static_cast<std::uint64_t>(std::ranges::count_if(tracer_.tasks_without_return(), [](std::uint32_t tid) {
        const auto stat = read_proc_stat("/proc", tid);
        return !stat || (stat->state != 'R' && stat->state != 'D');
    }));
}

void LiveSource::tell_losses() {
    const Counters now = tracer_.counters();
    tell_loss(LossReason::ring_full, now.ring_full);
    tell_loss(LossReason::map_full, now.map_full);
    tell_loss(LossReason::recursion, now.recursion);
    tell_loss(LossReason::kretprobe_missed, now.kretprobe_missed);
    tell_loss(LossReason::decode, undecoded_);
}

void LiveSource::tell_loss(LossReason reason, std::uint64_t total) {
    std::uint64_t& told = told_[static_cast<std::size_t>(reason)];
    if (total <= told) return;
    const std::uint64_t now = boot_ns();
    receiver_.loss({.time_ns = enricher_.utc_ns(now), .ktime_ns = now, .reason = reason, .count = total - told});
    lost_ += total - told;
    told = total;
}

}  // namespace bindtrace
