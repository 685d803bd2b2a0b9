// SPDX-License-Identifier: MIT
#include "diagnose/range_use.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <bitset>
#include <map>
#include <utility>

#include "bindtrace/rules.h"

namespace bindtrace {
namespace {

// MPTCP takes ports of TCP.
std::uint16_t port_space(const bt_sock& sock) {
    constexpr std::uint16_t kMptcp = 262;
    return sock.protocol == kMptcp ? std::uint16_t{IPPROTO_TCP} : sock.protocol;
}

bool is_in_the_way(const Event& event, const Refusal& refusal, const bt_holder& holder) {
    const bt_sock &mine = event.sock, &theirs = holder.sock;
    if (theirs.netns != mine.netns || port_space(theirs) != port_space(mine)) return false;
    if (theirs.local_port < refusal.searched_first() || theirs.local_port > refusal.searched_last()) return false;
    if (event.kind != BT_KIND_AUTOBIND || mine.remote_port == 0 || mine.type != SOCK_STREAM) return true;
    // A port that somebody asked for by number is not given to a connection, wherever it leads.
    return holder.explicit_port != 0 || theirs.remote_port == 0 || bt_same_remote(&mine, &theirs) != 0;
}

}  // namespace

RangeClaims range_use(const Event& event, const Refusal& refusal, std::span<const PortHolder> holders) {
    using Ports = std::bitset<65536>;
    RangeClaims use;
    Ports all;
    std::map<std::pair<std::uint32_t, std::uint8_t>, std::pair<RangeClaim, Ports>> by_owner;  // pid and state
    for (const PortHolder& holder : holders) {
        const bt_sock& sock = holder.socket.sock;
        if (!is_in_the_way(event, refusal, holder.socket)) continue;
        all.set(sock.local_port);
        auto& [claim, ports] = by_owner[{holder.socket.task.key.pid, holder.socket.substate}];
        claim = {.task = holder.socket.task, .state = holder.socket.substate, .protocol = sock.protocol};
        ports.set(sock.local_port);
    }
    use.taken = all.count();
    for (auto& [key, entry] : by_owner) {
        entry.first.ports = entry.second.count();
        use.claims.push_back(entry.first);
    }
    std::ranges::stable_sort(use.claims, std::ranges::greater{}, &RangeClaim::ports);
    return use;
}

}  // namespace bindtrace
