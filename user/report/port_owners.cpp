// SPDX-License-Identifier: MIT
#include "report/port_owners.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <utility>

namespace bindtrace {

PortPlace place_of(const bt_sock& sock, std::size_t recording, std::optional<std::string_view> netns_name) {
    PortPlace place{.recording = recording,
                    .protocol = sock.protocol,
                    .type = sock.type,
                    .family = sock.family,
                    .address = {},
                    .port = sock.local_port,
                    .netns = sock.netns,
                    .netns_name = {}};
    std::ranges::copy(sock.local_addr, place.address.begin());
    if (netns_name) place.netns_name = *netns_name;
    return place;
}

std::string key_of(const PortPlace& place) {
    return fmt::format("{} {} {} {} ", place.recording, place.netns, place.protocol, place.port);
}

// What failed before what only may.
bool is_before(const Race& one, const Race& other) {
    return std::tuple(!one.has_failed, other.count, one.first_ns, one.place.port) <
           std::tuple(!other.has_failed, one.count, other.first_ns, other.place.port);
}

bool is_before(const HandOver& one, const HandOver& other) {
    return std::tuple(other.count, one.first_ns, one.place.port) <
           std::tuple(one.count, other.first_ns, other.place.port);
}

PortOwners::Key PortOwners::key_of(const bt_sock& sock, std::size_t recording) {
    return {recording, sock.netns, sock.protocol, sock.local_port};
}

PortOwners::Use* PortOwners::use_of(const bt_sock& sock, std::size_t recording) {
    if (!bound_ports_.test(sock.local_port)) return nullptr;
    const auto found = uses_.find(key_of(sock, recording));
    return found == uses_.end() ? nullptr : &found->second;
}

void PortOwners::held(const HeldPort& port, std::size_t recording) {
    const bt_holder& raw = port.holder.raw;
    if (raw.explicit_port == 0 || raw.sock.remote_port != 0 || raw.sock.local_port == 0) return;
    if (uses_.size() >= kCapacity) {
        ++not_followed_;
        return;
    }
    bound_ports_.set(raw.sock.local_port);
    Use& use = uses_[key_of(raw.sock, recording)];
    if (use.claims++ == 0) use.owner = party_of(port.holder);
}

void PortOwners::apply(const Event& event, const Context& context, std::size_t recording) {
    if (event.error != 0 || (event.flags & BT_EVENT_HAS_SOCK) == 0 || event.sock.local_port == 0) return;
    const bool is_ephemeral = (event.flags & BT_EVENT_EPHEMERAL) != 0;
    if (event.kind == BT_KIND_RELEASE) {
        if (!is_ephemeral) released(event, context, recording);
    } else if (event.kind == BT_KIND_AUTOBIND || (event.kind == BT_KIND_BIND && is_ephemeral)) {
        chosen(event, context, recording);
    } else if (event.kind == BT_KIND_BIND) {
        bound(event, context, recording);
    }
}

void PortOwners::bound(const Event& event, const Context& context, std::size_t recording) {
    Use* use = use_of(event.sock, recording);
    if (use == nullptr) {
        if (uses_.size() >= kCapacity) {
            ++not_followed_;
            return;
        }
        bound_ports_.set(event.sock.local_port);
        uses_[key_of(event.sock, recording)] = {.owner = party_of(event, context), .claims = 1};
        return;
    }
    // Who binds it beside another, at another address or with SO_REUSEPORT, takes it from nobody.
    if (use->claims++ != 0) return;
    if (!is_same(use->owner, event, context)) {
        Party to = party_of(event, context);
        PortPlace place = place_of(event.sock, recording, context.netns_name);
        HandOver& hand_over = hand_overs_.at(bindtrace::key_of(place));
        if (hand_over.count++ == 0) hand_over.first_ns = context.time_ns;
        hand_over.last_ns = context.time_ns;
        hand_over.place = std::move(place);
        hand_over.gap_ns.reset();
        if (use->released_ns && *use->released_ns <= context.time_ns)
            hand_over.gap_ns = static_cast<std::uint64_t>(context.time_ns - *use->released_ns);
        hand_over.from = std::exchange(use->owner, to);
        hand_over.to = std::move(to);
    }
    use->owner.pid = event.task.key.pid;
}

void PortOwners::chosen(const Event& event, const Context& context, std::size_t recording) {
    const Use* use = use_of(event.sock, recording);
    if (use == nullptr || use->claims != 0 || is_same(use->owner, event, context)) return;
    Party client = party_of(event, context);
    PortPlace place = place_of(event.sock, recording, context.netns_name);
    Race& race =
        races_.at(bindtrace::key_of(place) + "while away " + identity_of(client) + '\0' + identity_of(use->owner));
    race.has_failed = false;
    if (race.count++ == 0) race.first_ns = context.time_ns;
    race.last_ns = context.time_ns;
    race.claimed_ns = context.time_ns;
    race.place = std::move(place);
    std::ranges::copy(event.sock.remote_addr, race.remote_address.begin());
    race.remote_port = event.sock.remote_port;
    race.client = std::move(client);
    race.server = use->owner;
}

void PortOwners::released(const Event& event, const Context& context, std::size_t recording) {
    Use* use = use_of(event.sock, recording);
    if (use == nullptr || use->claims == 0) return;
    if (--use->claims == 0) use->released_ns = context.time_ns;
}

}  // namespace bindtrace
