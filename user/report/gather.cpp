// SPDX-License-Identifier: MIT
#include "report/gather.h"

#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <tuple>
#include <utility>

namespace bindtrace {
namespace {

// Where a program asks for what makes no sense, no other port and no other holder would help it.
bool is_own_fault(const ConflictGroup& group) {
    return group.last.cause == Cause::bad_request || group.last.cause == Cause::already_bound;
}

// What was asked for; of a listen(2) or a connect(2), what there is of it.
PortPlace asked_of(const Event& event, const Context& context, std::size_t recording) {
    PortPlace place = place_of(event.sock, recording, context.netns_name);
    if ((event.flags & BT_EVENT_HAS_REQUEST) == 0 || event.kind != BT_KIND_BIND) return place;
    place.port = event.port;
    place.family = event.addr_family == AF_INET || event.addr_family == AF_INET6 ? event.addr_family : std::uint16_t{0};
    std::ranges::copy(event.addr, place.address.begin());
    return place;
}

std::string bytes_of(const std::array<std::uint8_t, 16>& address) {
    return {address.begin(), address.end()};
}

}  // namespace

// Who never got the port first.
bool is_before(const ConflictGroup& one, const ConflictGroup& other) {
    const auto rank = [](const ConflictGroup& group) {
        return std::tuple(is_own_fault(group), group.resolved_ns.has_value(), ~group.count, group.first_ns,
                          group.place.port);
    };
    return rank(one) < rank(other);
}

bool is_before(const WarningGroup& one, const WarningGroup& other) {
    return std::tuple(~one.count, one.first_ns, one.place.port) <
           std::tuple(~other.count, other.first_ns, other.place.port);
}

CaptureReader::Choice Gather::begin_block(const BlockHeader& header) {
    first_sequences_.try_emplace(header.recording, header.sequence);
    if (header.kind != BlockKind::checkpoint || !knows_holders_.contains(header.recording))
        return CaptureReader::Choice::read;
    begin_of(header.recording);
    seen_at(static_cast<std::int64_t>(header.last_ns) + utc_offsets_[index_], header.last_ns);
    return CaptureReader::Choice::skip;
}

void Gather::begin_of(std::uint64_t recording) {
    if (recording == recording_ && !indexes_.empty()) return;
    recording_ = recording;
    const auto [found, is_new] = indexes_.try_emplace(recording, summary_.recordings.size());
    index_ = found->second;
    if (!is_new) return;
    const auto first = first_sequences_.find(recording);
    summary_.recordings.emplace_back().has_beginning = first == first_sequences_.end() || first->second == 0;
    utc_offsets_.emplace_back();
    diagnoses_.emplace_back();
}

void Gather::seen_at(std::int64_t time_ns, std::uint64_t ktime_ns) {
    RecordingSummary& recording = current();
    recording.first_ns = recording.first_ns == 0 ? time_ns : std::min(recording.first_ns, time_ns);
    recording.last_ns = std::max(recording.last_ns, time_ns);
    utc_offsets_[index_] = time_ns - static_cast<std::int64_t>(ktime_ns);
    if (timeline_ != nullptr) timeline_->seen_at(index_, time_ns);
}

void Gather::meta(const Meta& meta) {
    if (current().meta.time_ns == 0) current().meta = meta;
    if (current().has_beginning) seen_at(meta.time_ns, meta.ktime_ns);
}

void Gather::host(const Host& host) {
    current().host = host;
}

void Gather::checkpoint(const Checkpoint& checkpoint) {
    seen_at(checkpoint.time_ns, checkpoint.ktime_ns);
    if (!knows_holders_.insert(recording_).second) return;
    for (const HeldPort& port : checkpoint.ports) {
        owners_.held(port, index_);
        if (timeline_ != nullptr && filter_.matches(port)) timeline_->held(port, index_);
    }
}

void Gather::end(const RecordingEnd& end) {
    if (end.time_ns != 0) seen_at(end.time_ns, end.ktime_ns);
    current().ended = !end.continues;
}

void Gather::loss(const Loss& loss) {
    seen_at(loss.time_ns, loss.ktime_ns);
    const auto reason = static_cast<std::size_t>(loss.reason);
    if (reason >= kLossReasons || loss.count == 0) return;
    LossTotal& total = current().losses[reason];
    if (total.count == 0) total.first_ns = loss.time_ns;
    total.count += loss.count;
    total.last_ns = std::max(total.last_ns, loss.time_ns);
}

void Gather::warning(const Warning& warning) {
    seen_at(warning.time_ns, warning.ktime_ns);
    if (!filter_.matches(HeldPort{.holder = warning.claim, .processes = 1})) return;
    PortPlace place = place_of(warning.claim.raw.sock, index_, warning.claim.netns_name);
    Party who = party_of(warning.claim);
    WarningGroup& group =
        warnings_.at(key_of(place) + identity_of(who) + '\0' +
                     fmt::format("{} {}", static_cast<int>(warning.reason), place_text(warning.entry)));
    if (group.count++ == 0) group.first_ns = warning.time_ns;
    group.last_ns = warning.time_ns;
    group.place = std::move(place);
    group.who = std::move(who);
    group.last = warning;
    group.words = words_of(warning);
}

void Gather::event(const Event& event, const Context& context, const Findings* findings) {
    seen_at(context.time_ns, event.ktime_ns);
    if (!filter_.matches(event, context)) return;
    ++current().events;
    if (event.kind < summary_.events.size()) ++summary_.events[event.kind];
    if (event.error != 0) {
        ++current().failures;
        const Conflict verdict =
            diagnoses_[index_].diagnose(event, context, findings != nullptr ? *findings : Findings{});
        failed(event, context, verdict);
        raced(event, context, verdict);
        return;
    }
    owners_.apply(event, context, index_);
    if (timeline_ != nullptr) timeline_->succeeded(event, context, index_);
    if (event.kind == BT_KIND_BIND || event.kind == BT_KIND_LISTEN) succeeded(event, context);
}

void Gather::failed(const Event& event, const Context& context, const Conflict& verdict) {
    PortPlace place = asked_of(event, context, index_);
    Party who = party_of(event, context);
    std::optional<Party> holder;
    if (!verdict.holders.empty()) holder = party_of(verdict.holders.front());
    std::string key = key_of(place) + bytes_of(place.address) +
                      fmt::format("{} {} {} ", event.kind, event.error, cause_name(verdict.cause)) + identity_of(who) +
                      '\0' + (holder ? identity_of(*holder) : "");
    failing_ports_.set(place.port);
    ConflictGroup& group = conflicts_.at(std::move(key));
    if (group.count++ == 0) group.first_ns = context.time_ns;
    if (group.id == 0) group.id = ++last_group_;
    if (group.starts == 0 || group.who.pid != who.pid) ++group.starts;
    group.last_ns = context.time_ns;
    group.last_ktime_ns = event.ktime_ns;
    group.place = std::move(place);
    group.kind = event.kind;
    group.error = event.error;
    group.who = std::move(who);
    group.holder = std::move(holder);
    group.resolved_ns.reset();
    group.restart_loop |= std::ranges::count(verdict.factors, Factor::restart_loop) != 0;
    group.last = verdict;
    if (timeline_ != nullptr) timeline_->failed(event, context, verdict, group);
}

void Gather::raced(const Event& event, const Context& context, const Conflict& verdict) {
    const auto is_client = [](const Holder& holder) { return (holder.raw.flags & BT_EVENT_EPHEMERAL) != 0; };
    const auto found = std::ranges::find_if(verdict.holders, is_client);
    if (found == verdict.holders.end() || event.port == 0 || event.kind != BT_KIND_BIND) return;
    const bt_sock& sock = found->raw.sock;
    PortPlace place = place_of(sock, index_, found->netns_name);
    Party client = party_of(*found), server = party_of(event, context);
    Race& race = owners_.races().at(key_of(place) + identity_of(client) + '\0' + identity_of(server));
    if (race.count++ == 0) race.first_ns = context.time_ns;
    race.last_ns = context.time_ns;
    race.claimed_ns = found->since_ns;
    race.place = std::move(place);
    std::ranges::copy(sock.remote_addr, race.remote_address.begin());
    race.remote_port = sock.remote_port;
    race.client = std::move(client);
    race.server = std::move(server);
}

// Whoever failed before, and has the port now.
void Gather::succeeded(const Event& event, const Context& context) {
    const std::uint16_t port = event.sock.local_port;
    if (port == 0 || !failing_ports_.test(port)) return;
    bool is_failing = false;
    for (auto& [key, group] : conflicts_) {
        if (group.place.port != port || group.resolved_ns) continue;
        const bool is_it = group.place.recording == index_ && group.kind == event.kind &&
                           group.place.netns == event.sock.netns && group.place.protocol == event.sock.protocol &&
                           is_same(group.who, event, context);
        if (is_it) group.resolved_ns = context.time_ns;
        is_failing |= !is_it;
    }
    if (!is_failing) failing_ports_.reset(port);
}

Summary Gather::summary() {
    summary_.conflicts = conflicts_.list();
    summary_.warnings = warnings_.list();
    summary_.races = owners_.races().list();
    summary_.hand_overs = owners_.hand_overs().list();
    summary_.ports_not_followed = owners_.not_followed();
    return std::move(summary_);
}

}  // namespace bindtrace
