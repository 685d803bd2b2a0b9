// SPDX-License-Identifier: MIT
#include "pipeline/claim_watch.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include "core/clock.h"
#include "filter/filter.h"
#include "kernel/port_list.h"
#include "model/publisher.h"
#include "pipeline/held_now.h"

namespace bindtrace {
namespace {

constexpr std::uint64_t kStartsNs = 30'000'000'000;      // that a container may take to be written down
constexpr std::uint64_t kBecomesUserNs = 4'000'000'000;  // that a daemon may take
constexpr std::int64_t kLookRestNs = 250'000'000;        // between two looks at all sockets of a port

std::uint64_t identity_of(const bt_sock& sock) {
    return sock.cookie != 0 ? sock.cookie : sock.inode;
}

bool makes_claim(const Event& event) {
    const bool can = event.kind == BT_KIND_BIND || event.kind == BT_KIND_AUTOBIND || event.kind == BT_KIND_LISTEN;
    return can && event.error == 0 && (event.flags & BT_EVENT_HAS_SOCK) != 0 && event.sock.local_port != 0;
}

// For how long from its claim on it may turn out to be the owner's, or somebody else's than it seems; 0 = it is clear.
std::uint64_t open_for(const Warning& warning) {
    const Holder& claim = warning.claim;
    if (!claim.process || warning.reason == WarningReason::ephemeral) return 0;
    if (publishes_ports(*claim.process)) return claim.published ? 0 : kStartsNs;
    const bool is_user = std::ranges::count(warning.entry.owners, OwnerRule::Kind::user, &OwnerRule::kind) > 0;
    return is_user && claim.process->task.uid == 0 ? kBecomesUserNs : 0;
}

}  // namespace

HeldSocket ClaimWatch::claim_of(const Event& event) {
    bt_holder raw{};
    raw.since_ns = event.ktime_ns;
    raw.flags = event.flags & (BT_EVENT_EPHEMERAL | BT_EVENT_HAS_TASK | BT_EVENT_HAS_SOCKOPT);
    raw.op = event.op;
    raw.uid = event.task.uid;
    raw.substate = event.sock.state;
    raw.has_claim = 1;
    raw.explicit_port = (event.flags & BT_EVENT_EPHEMERAL) == 0;
    raw.of_kernel = event.op == BT_OP_KERNEL;
    raw.task = event.task;
    raw.sock = event.sock;
    HeldSocket claim{.holder = enricher_.holder(raw, event.task), .users = {}};
    if (claim.holder.process) claim.users.push_back(*claim.holder.process);
    return claim;
}

void ClaimWatch::event(const Event& event) {
    if (!makes_claim(event)) return;
    const PortEntry* const entry = ports_.entry_of(event.sock);
    if (entry == nullptr) return;
    const std::uint64_t socket = identity_of(event.sock);
    const std::uint16_t* const judged = judged_.find(socket);
    if (event.kind == BT_KIND_LISTEN && judged != nullptr && *judged == event.sock.local_port) return;
    judged_.insert(socket, event.sock.local_port);
    const HeldSocket claim = claim_of(event);
    auto warning = ports_.judge(*entry, claim);
    if (!warning) return;
    if (open_for(*warning) != 0 && open_.size() < kOpen)
        open_.push_back(event);
    else
        tell(std::move(*warning), claim, event.ktime_ns);
}

// What is known of a published port may be a second old: so the last answer waits for a fresh one.
void ClaimWatch::finish() {
    if (!open_.empty()) std::this_thread::sleep_for(std::chrono::milliseconds(1100));
    settle(true);
}

void ClaimWatch::settle(bool now) {
    std::vector<Event> open;
    open.swap(open_);
    for (Event& event : open) {
        bt_socket_user user{};
        user.inode = event.sock.inode;
        user.claimant = event.task.key;
        if (user.inode != 0) socket_users_({&user, 1});
        if (user.task.key.pid != 0) event.task = user.task;
        const PortEntry* const entry = ports_.entry_of(event.sock);
        if (entry == nullptr) continue;  // its network namespace has gone
        const HeldSocket claim = claim_of(event);
        auto warning = ports_.judge(*entry, claim);
        if (!warning) continue;
        const std::uint64_t ktime_ns = boot_ns();
        if (!now && ktime_ns < event.ktime_ns + open_for(*warning))
            open_.push_back(event);
        else
            tell(std::move(*warning), claim, ktime_ns);
    }
}

// Looks who else has the port, which takes milliseconds: so not for each claim of a storm of them.
bool ClaimWatch::shares(const Warning& warning, const HeldSocket& claim) {
    const bt_sock& sock = claim.holder.raw.sock;
    const std::int64_t now = clock_ns(CLOCK_BOOTTIME);
    if (warning.reason != WarningReason::other_owner || (sock.opts & BT_OPT_REUSEPORT) == 0 || now < next_look_ns_)
        return false;
    next_look_ns_ = now + kLookRestNs;
    bt_config config{};
    config.has_ports = 1;
    set_ports(config.port_bits, sock.local_port, sock.local_port);
    const auto ports = list_ports(KernelFacts::probe(), config);
    if (!ports) return false;
    const HeldSockets held = held_now(*ports, enricher_);
    return std::ranges::any_of(held.sockets,
                               [&](const HeldSocket& other) { return ports_.is_joined(warning.entry, claim, other); });
}

void ClaimWatch::tell(Warning warning, const HeldSocket& claim, std::uint64_t ktime_ns) {
    warning.ktime_ns = ktime_ns;
    warning.time_ns = enricher_.utc_ns(ktime_ns);
    if (shares(warning, claim)) warning.reason = WarningReason::reuseport_join;
    ++warnings_;
    receiver_.warning(warning);
}

}  // namespace bindtrace
