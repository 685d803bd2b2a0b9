// SPDX-License-Identifier: MIT
#include "capture/holder_table.h"

#include <netinet/tcp.h>

#include <algorithm>
#include <tuple>
#include <utility>

namespace bindtrace {

HolderTable::Text HolderTable::shared(const std::optional<std::string_view>& text) {
    if (!text) return nullptr;
    if (const auto found = texts_.find(*text); found != texts_.end()) return found->second;
    if (texts_.size() >= kTexts) texts_.clear();
    auto made = std::make_shared<const std::string>(*text);
    texts_.emplace(*made, made);
    return made;
}

std::shared_ptr<const Owner> HolderTable::shared(const std::optional<Owner>& owner) {
    return owner ? tasks_.find(task_view(*owner)).owner : nullptr;
}

std::shared_ptr<const ContainerFacts> HolderTable::shared(const ContainerFacts& facts) {
    if (!facts.container && !facts.pod) return nullptr;
    if (containers_.size() >= kTexts) containers_.clear();
    auto& known = containers_[facts.container ? facts.container->id : facts.pod->uid.value_or("")];
    if (known == nullptr || *known != facts) known = std::make_shared<const ContainerFacts>(facts);
    return known;
}

std::uint64_t HolderTable::place_of(const bt_sock& sock) {
    return std::uint64_t{sock.netns} << 32 | std::uint64_t{sock.local_port} << 16 | sock.protocol;
}

void HolderTable::restart(const std::vector<HeldPort>& ports, bool complete, std::uint64_t ktime_ns) {
    by_cookie_.clear();
    nameless_.clear();
    complete_ = complete;
    begun_ns_ = ktime_ns;
    for (const HeldPort& port : ports) {
        const Holder& holder = port.holder;
        Claim claim{.raw = holder.raw,
                    .since_ns = holder.since_ns,
                    .cgroup_path = shared(holder.socket_cgroup_path),
                    .netns_name = shared(holder.netns_name),
                    .process = shared(holder.process),
                    .last_process = shared(holder.last_process),
                    .last_process_exited = holder.last_process_exited,
                    .container = shared(holder.container),
                    .published = holder.published,
                    .processes = port.processes};
        const std::uint64_t cookie = holder.raw.sock.cookie;
        if (cookie != 0)
            by_cookie_[cookie] = std::move(claim);
        else
            nameless_.emplace(place_of(holder.raw.sock), std::move(claim));
    }
}

void HolderTable::forget_nameless(const bt_sock& sock) {
    if (nameless_.empty()) return;
    const auto [first, last] = nameless_.equal_range(place_of(sock));
    const auto found = std::find_if(first, last, [&sock](const auto& entry) {
        const std::uint64_t inode = entry.second.raw.sock.inode;
        return inode == sock.inode || sock.inode == 0;
    });
    if (found != last) nameless_.erase(found);
}

void HolderTable::apply(const Event& event, const Context& context) {
    const bt_sock& sock = event.sock;
    if ((event.flags & BT_EVENT_HAS_SOCK) == 0 || event.error != 0 || sock.local_port == 0) return;
    switch (event.kind) {
        case BT_KIND_RELEASE:
            if (by_cookie_.erase(sock.cookie) == 0) forget_nameless(sock);
            return;
        case BT_KIND_BIND:
        case BT_KIND_AUTOBIND:
            return claim(event, context);
        case BT_KIND_LISTEN:
        case BT_KIND_STATE:
            if (const auto found = by_cookie_.find(sock.cookie); found != by_cookie_.end()) {
                found->second.raw.sock.state = sock.state;
                found->second.raw.substate = sock.state;
            }
            return;
        default:
            return;
    }
}

void HolderTable::claim(const Event& event, const Context& context) {
    const bt_sock& sock = event.sock;
    if (sock.cookie == 0 || (by_cookie_.size() >= kCapacity && !by_cookie_.contains(sock.cookie))) {
        complete_ = false;
        return;
    }
    forget_nameless(sock);
    Claim& claim = by_cookie_[sock.cookie];
    const bool has_task = (event.flags & BT_EVENT_HAS_TASK) != 0;
    claim = {.raw = {.since_ns = event.ktime_ns,
                     .flags = event.flags & (BT_EVENT_EPHEMERAL | BT_EVENT_HAS_TASK | BT_EVENT_HAS_SOCKOPT),
                     .op = event.op,
                     .uid = event.task.uid,
                     .substate = sock.state,
                     .has_claim = 1,
                     .explicit_port = (event.flags & BT_EVENT_EPHEMERAL) == 0,
                     .of_kernel = 0,
                     .task = event.task,
                     .sock = sock},
             .since_ns = context.time_ns,
             .cgroup_path = shared(context.socket_cgroup_path),
             .netns_name = shared(context.netns_name),
             .process = has_task ? tasks_.find(task_view(event, context)).owner : nullptr,
             .last_process = nullptr,
             .container = context.container != nullptr ? shared(*context.container) : nullptr,
             .processes = has_task ? 1u : 0u};
}

HeldPort HolderTable::port_of(const Claim& claim) {
    HeldPort port;
    port.holder.raw = claim.raw;
    port.holder.since_ns = claim.since_ns;
    if (claim.cgroup_path) port.holder.socket_cgroup_path = *claim.cgroup_path;
    if (claim.netns_name) port.holder.netns_name = *claim.netns_name;
    if (claim.process) port.holder.process = *claim.process;
    if (claim.last_process) port.holder.last_process = *claim.last_process;
    port.holder.last_process_exited = claim.last_process_exited;
    if (claim.container) port.holder.container = *claim.container;
    port.holder.published = claim.published;
    port.processes = claim.processes;
    return port;
}

// Without what was in TIME_WAIT at the beginning, and cannot be any more: of those nobody tells the end.
std::vector<const HolderTable::Claim*> HolderTable::in_order(std::uint64_t ktime_ns) const {
    std::vector<const Claim*> claims;
    claims.reserve(by_cookie_.size() + nameless_.size());
    for (const auto& [cookie, claim] : by_cookie_) claims.push_back(&claim);
    for (const auto& [place, claim] : nameless_) claims.push_back(&claim);
    if (ktime_ns >= begun_ns_ + kTimeWaitNs)
        std::erase_if(claims, [](const Claim* claim) {
            return claim->raw.has_claim == 0 && claim->raw.sock.state == TCP_TIME_WAIT;
        });
    std::ranges::sort(claims, {}, [](const Claim* claim) {
        return std::tuple(claim->raw.since_ns, claim->raw.sock.cookie, claim->raw.sock.inode);
    });
    return claims;
}

Checkpoint HolderTable::checkpoint(std::int64_t time_ns, std::uint64_t ktime_ns) const {
    Checkpoint checkpoint{.time_ns = time_ns, .ktime_ns = ktime_ns, .complete = complete_, .ports = {}};
    for (const Claim* claim : in_order(ktime_ns)) checkpoint.ports.push_back(port_of(*claim));
    return checkpoint;
}

}  // namespace bindtrace
