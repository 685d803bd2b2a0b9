// SPDX-License-Identifier: MIT
#include "diagnose/range_use.h"

#include <algorithm>
#include <bitset>
#include <cstring>
#include <map>
#include <utility>

namespace bindtrace {
namespace {

bool is_in_the_way(const Event& event, const Refusal& refusal, const bt_sock& sock) {
    const bt_sock& mine = event.sock;
    if (sock.netns != mine.netns || sock.protocol != mine.protocol) return false;
    if (sock.local_port < refusal.ephemeral_first || sock.local_port > refusal.ephemeral_last) return false;
    if (event.kind != BT_KIND_AUTOBIND || mine.remote_port == 0 || sock.remote_port == 0) return true;
    return sock.remote_port == mine.remote_port &&
           std::memcmp(sock.remote_addr, mine.remote_addr, sizeof(sock.remote_addr)) == 0;
}

}  // namespace

RangeClaims range_use(const Event& event, const Refusal& refusal, std::span<const PortHolder> holders) {
    using Ports = std::bitset<65536>;
    RangeClaims use;
    Ports all;
    std::map<std::pair<std::uint32_t, std::uint8_t>, std::pair<RangeClaim, Ports>> by_owner;  // pid and state
    for (const PortHolder& holder : holders) {
        const bt_sock& sock = holder.socket.sock;
        if (!is_in_the_way(event, refusal, sock)) continue;
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
