// SPDX-License-Identifier: MIT
#include "report/timeline.h"

#include <netinet/tcp.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "report/port_owners.h"

namespace bindtrace {
namespace {

// Sockets from before the start had no cookie when they were found, and one in TIME_WAIT has no inode.
bool is_same_socket(const bt_sock& one, const bt_sock& other) {
    if (one.cookie != 0 && other.cookie != 0) return one.cookie == other.cookie;
    if (one.inode != 0 && other.inode != 0) return one.inode == other.inode;
    return one.remote_port == other.remote_port &&
           std::memcmp(one.local_addr, other.local_addr, sizeof(one.local_addr)) == 0 &&
           std::memcmp(one.remote_addr, other.remote_addr, sizeof(one.remote_addr)) == 0;
}

std::vector<Holding>::iterator find_open(Lane& lane, const bt_sock& sock) {
    return std::ranges::find_if(lane.open, [&sock](const Holding& one) { return is_same_socket(one.sock, sock); });
}

void open(Lane& lane, Holding holding) {
    ++lane.holdings_count;
    if (lane.open.size() < Lane::kOpen)
        lane.open.push_back(std::move(holding));
    else
        ++lane.not_drawn;
}

// Was the recorder to tell of releases, and of this port? Those held at the start are told whatever its filters were.
bool has_releases(const Meta& meta, const Lane& lane) {
    if (!meta.filters.empty() && lane.count == lane.held_at_start) return false;
    return std::ranges::none_of(meta.filters, [](const std::string& filter) {
        return filter == "--failed" || (filter.starts_with("--events ") && filter.find("release") == std::string::npos);
    });
}

Holding holding_of(const Event& event, const Context& context) {
    Holding holding;
    holding.first_ns = holding.last_ns = context.time_ns;
    holding.who = party_of(event, context);
    holding.is_ephemeral = (event.flags & BT_EVENT_EPHEMERAL) != 0;
    holding.sock = event.sock;
    return holding;
}

Holding holding_of(const Holder& holder, std::int64_t seen_ns) {
    Holding holding;
    holding.first_ns = holding.last_ns = holder.since_ns.value_or(seen_ns);
    holding.begin_unknown = !holder.since_ns;
    holding.who = party_of(holder);
    holding.is_ephemeral = (holder.raw.flags & BT_EVENT_EPHEMERAL) != 0;
    holding.listened = holder.raw.substate == TCP_LISTEN;
    holding.sock = holder.raw.sock;
    return holding;
}

void claimed(const Event& event, const Context& context, Lane& lane) {
    if (find_open(lane, event.sock) != lane.open.end()) return;
    Holding holding = holding_of(event, context);
    if (!holding.is_ephemeral) {
        if (lane.last_owner != Party{} && !is_same(lane.last_owner, event, context)) ++lane.changes;
        lane.last_owner = holding.who;
    }
    open(lane, std::move(holding));
}

// The end is told of those whose claim was. The others are known to have had it when they were in the way.
void in_the_way(const Holder& holder, std::int64_t time_ns, Lane& lane) {
    if (const auto found = find_open(lane, holder.raw.sock); found != lane.open.end()) {
        found->last_ns = time_ns;
        return;
    }
    Holding holding = holding_of(holder, time_ns);
    if (holder.raw.has_claim == 0 || holder.raw.substate == TCP_TIME_WAIT) holding.ending = Ending::unknown;
    holding.last_ns = time_ns;
    open(lane, std::move(holding));
}

}  // namespace

Activity& Timeline::activity_of(std::size_t recording) {
    if (drawing_.activities.size() <= recording) drawing_.activities.resize(recording + 1);
    return drawing_.activities[recording];
}

void Timeline::seen_at(std::size_t recording, std::int64_t time_ns) {
    activity_of(recording).seen_at(time_ns);
}

// Null where that port has no lane.
Lane* Timeline::lane_of(const bt_sock& sock, std::size_t recording, const Context& context, bool may_be_new) {
    if (!ports_.test(sock.local_port) && !may_be_new) return nullptr;
    PortPlace place = place_of(sock, recording, context.netns_name);
    std::string key = key_of(place);
    if (!may_be_new && !lanes_.contains(key)) return nullptr;
    ports_.set(sock.local_port);
    Lane& lane = lanes_.at(std::move(key));
    if (lane.count++ == 0) lane.place = std::move(place);
    return &lane;
}

void Timeline::held(const HeldPort& port, std::size_t recording) {
    const bt_holder& raw = port.holder.raw;
    const bool is_wanted = of_clients_ || (raw.explicit_port != 0 && raw.sock.remote_port == 0);
    if (raw.sock.local_port == 0 || !is_wanted) return;
    Context context;
    if (port.holder.netns_name) context.netns_name = *port.holder.netns_name;
    Lane& lane = *lane_of(raw.sock, recording, context, true);
    Holding holding = holding_of(port.holder, activity_of(recording).begin_ns);
    lane.last_owner = holding.who;
    ++lane.held_at_start;
    open(lane, std::move(holding));
}

void Timeline::succeeded(const Event& event, const Context& context, std::size_t recording) {
    activity_of(recording).add(context.time_ns, false);
    if ((event.flags & BT_EVENT_HAS_SOCK) == 0 || event.sock.local_port == 0) return;
    const bool is_ephemeral = (event.flags & BT_EVENT_EPHEMERAL) != 0;
    const bool is_claim = event.kind == BT_KIND_BIND || event.kind == BT_KIND_AUTOBIND;
    Lane* lane = lane_of(event.sock, recording, context, is_claim && (of_clients_ || !is_ephemeral));
    if (lane == nullptr) {
        if (is_claim) ++drawing_.clients_not_drawn;
        return;
    }
    if (is_claim) {
        claimed(event, context, *lane);
    } else if (event.kind == BT_KIND_RELEASE) {
        released(event, context, *lane);
    } else if (event.kind == BT_KIND_LISTEN) {
        if (const auto holding = find_open(*lane, event.sock); holding != lane->open.end()) holding->listened = true;
    }
}

// Of a socket whose claim was not told, what the release tells of it.
void Timeline::released(const Event& event, const Context& context, Lane& lane) {
    Holding holding;
    if (const auto found = find_open(lane, event.sock); found != lane.open.end()) {
        holding = std::move(*found);
        lane.open.erase(found);
    } else if (lane.not_drawn != 0) {
        return;
    } else {
        holding = holding_of(event, context);
        holding.begin_unknown = (event.flags & BT_EVENT_HAS_HELD) == 0;
        holding.first_ns = holding.begin_unknown ? activity_of(lane.place.recording).begin_ns
                                                 : context.time_ns - static_cast<std::int64_t>(event.held_ns);
        ++lane.holdings_count;
    }
    holding.last_ns = std::max(holding.first_ns, context.time_ns);
    holding.held_ns = static_cast<std::uint64_t>(holding.last_ns - holding.first_ns);
    holding.ending = Ending::released;
    lane.holdings.add(std::move(holding));
}

void Timeline::failed(const Event& event, const Context& context, const Conflict& verdict, const ConflictGroup& group) {
    activity_of(group.place.recording).add(context.time_ns, true);
    bt_sock asked = event.sock;
    asked.local_port = group.place.port;
    Lane& lane = *lane_of(asked, group.place.recording, context, true);
    ++lane.failures;
    for (const Holder& holder : verdict.holders)
        if (holder.raw.sock.local_port == group.place.port && group.place.port != 0)
            in_the_way(holder, context.time_ns, lane);
    lane.refused.add({.first_ns = context.time_ns,
                      .last_ns = context.time_ns,
                      .group = group.id,
                      .who = group.who,
                      .holder = group.holder,
                      .cause = verdict.cause,
                      .error = event.error});
}

bool Timeline::tells_releases(const RecordedFilter& filter) {
    return (filter.filter.kinds & 1u << BT_KIND_RELEASE) != 0 && !filter.filter.failed_only;
}

Drawing Timeline::drawing(const std::vector<RecordingSummary>& recordings) {
    drawing_.lanes = lanes_.list();
    for (Lane& lane : drawing_.lanes.kept) {
        const bool has_ends = tells_ends_ && has_releases(recordings[lane.place.recording].meta, lane);
        for (Holding& holding : lane.open) {
            if (!has_ends) holding.ending = Ending::unknown;
            if (holding.ending == Ending::open) holding.last_ns = activity_of(lane.place.recording).last_ns;
            holding.last_ns = std::max(holding.first_ns, holding.last_ns);
            holding.held_ns = static_cast<std::uint64_t>(holding.last_ns - holding.first_ns);
            lane.holdings.add(std::move(holding));
        }
        lane.open.clear();
    }
    return std::move(drawing_);
}

}  // namespace bindtrace
