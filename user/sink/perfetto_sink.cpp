// SPDX-License-Identifier: MIT
#include "sink/perfetto_sink.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "model/endpoint.h"
#include "model/names.h"
#include "model/receiver.h"
#include "model/warning.h"
#include "sink/cells.h"

namespace bindtrace {
namespace {

// Numbers of fields, by message.
constexpr std::uint32_t kTracePacket = 1;
constexpr std::uint32_t kPacketClockSnapshot = 6, kPacketTimestamp = 8, kPacketSequence = 10, kPacketTrackEvent = 11,
                        kPacketSequenceFlags = 13, kPacketTimestampClock = 58, kPacketTrackDescriptor = 60;
constexpr std::uint32_t kSnapshotClock = 1, kSnapshotPrimary = 2, kClockId = 1, kClockTimestamp = 2;
constexpr std::uint32_t kTrackUuid = 1, kTrackName = 2, kTrackParent = 5;
constexpr std::uint32_t kEventAnnotation = 4, kEventType = 9, kEventTrack = 11, kEventCategory = 22, kEventName = 23;
constexpr std::uint32_t kAnnotationNumber = 3, kAnnotationString = 6, kAnnotationName = 10;

constexpr std::uint64_t kSliceBegin = 1, kSliceEnd = 2, kInstant = 3;
constexpr std::uint64_t kRealtime = 1, kBoottime = 6;
constexpr std::uint64_t kSequence = 1, kStateCleared = 1;
constexpr std::uint64_t kNever = ~0ull;

// Somebody else's bytes are escaped: the format takes only well-formed UTF-8.
void annotate(ProtoMessage& event, std::string_view name, std::string_view bytes) {
    ProtoMessage annotation;
    annotation.bytes(kAnnotationName, name);
    annotation.bytes(kAnnotationString, escaped(bytes));
    event.message(kEventAnnotation, annotation);
}

void annotate(ProtoMessage& event, std::string_view name, std::uint64_t number) {
    ProtoMessage annotation;
    annotation.bytes(kAnnotationName, name);
    annotation.number(kAnnotationNumber, number);
    event.message(kEventAnnotation, annotation);
}

template <typename Text>
void annotate_if(ProtoMessage& event, std::string_view name, const std::optional<Text>& bytes) {
    if (bytes) annotate(event, name, std::string_view(*bytes));
}

std::string who(const bt_task& task, std::optional<std::string_view> unit) {
    std::string text =
        fmt::format("{}[{}]", std::string_view(task.comm, strnlen(task.comm, sizeof(task.comm))), task.key.pid);
    if (unit) text += fmt::format(" {}", *unit);
    return text;
}

ProtoMessage track_event(std::uint64_t type, std::string_view category, std::string_view name) {
    ProtoMessage event;
    event.number(kEventType, type);
    event.bytes(kEventCategory, category);
    event.bytes(kEventName, escaped(name));
    return event;
}

void annotate_socket(ProtoMessage& event, const bt_sock& sock) {
    std::string end;
    append_endpoint(end, sock.family, sock.local_addr, sock.local_port);
    annotate(event, "local", end);
    if (sock.remote_port == 0) return;
    end.clear();
    append_endpoint(end, sock.family, sock.remote_addr, sock.remote_port);
    annotate(event, "remote", end);
}

void annotate_process(ProtoMessage& event, const ProcessFields& fields) {
    annotate(event, "pid", fields.task.key.pid);
    annotate(event, "uid", fields.task.uid);
    annotate_if(event, "user", fields.user);
    if (fields.process == nullptr) return;
    annotate_if(event, "exe", fields.process->exe);
    if (!fields.process->cmdline) return;
    std::string all;
    for (const std::string& argument : *fields.process->cmdline) all += (all.empty() ? "" : " ") + argument;
    annotate(event, "cmdline", all);
}

void annotate_container(ProtoMessage& event, const ContainerFacts& facts) {
    if (facts.container) annotate(event, "container", facts.container->name.value_or(facts.container->id));
    if (facts.pod) annotate_if(event, "pod", facts.pod->name);
}

void annotate_context(ProtoMessage& event, const Record& record) {
    const Context& context = record.context;
    if ((record.event.flags & BT_EVENT_HAS_TASK) != 0)
        annotate_process(
            event, {.task = record.event.task, .process = context.process, .user = context.user, .start_time_ns = {}});
    annotate_if(event, "cgroup", context.cgroup_path);
    annotate_if(event, "socket_unit", context.socket_unit);
    if (context.container != nullptr) annotate_container(event, *context.container);
}

void annotate_verdict(ProtoMessage& event, const Conflict& conflict) {
    annotate(event, "cause", cause_name(conflict.cause));
    for (const Factor factor : conflict.factors) annotate(event, "factor", factor_name(factor));
    annotate(event, "summary", conflict.summary);
    annotate_if(event, "why", conflict.rule);
    for (const std::string& advice : conflict.advice) annotate(event, "fix", advice);
    for (const Holder& holder : conflict.holders)
        if (const Owner* const owner = owner_of(holder)) {
            const auto unit = unit_of(holder);
            annotate(event, "holder", who(owner->task, unit));
        }
}

std::string name_of(const Record& record) {
    if ((record.event.flags & BT_EVENT_HAS_TASK) == 0) return "(no process)";
    return who(record.event.task, record.context.place.unit);
}

std::tuple<std::uint64_t, std::uint16_t> socket_of(const bt_sock& sock) {
    return {sock.cookie != 0 ? sock.cookie : sock.inode, sock.local_port};
}

void append_packet(const ProtoMessage& packet, std::string& out) {
    ProtoMessage trace;
    trace.message(kTracePacket, packet);
    out += trace.serialized();
}

}  // namespace

void PerfettoSink::start(std::string& out) {
    if (is_started_) return;
    is_started_ = true;
    ProtoMessage packet;
    packet.number(kPacketSequence, kSequence);
    packet.number(kPacketSequenceFlags, kStateCleared);
    append_packet(packet, out);
}

void PerfettoSink::packet(std::uint64_t ktime_ns, ProtoMessage track_event, std::uint64_t track,
                          std::string& out) const {
    track_event.number(kEventTrack, track);
    const std::int64_t time_ns = static_cast<std::int64_t>(ktime_ns) + origin_->shift_ns;
    ProtoMessage packet;
    packet.number(kPacketTimestamp, static_cast<std::uint64_t>(std::max<std::int64_t>(time_ns, 0)));
    packet.number(kPacketTimestampClock, kBoottime);
    packet.number(kPacketSequence, kSequence);
    packet.message(kPacketTrackEvent, track_event);
    append_packet(packet, out);
}

std::uint64_t PerfettoSink::new_track(std::uint64_t parent, std::string_view name, std::string& out) {
    ProtoMessage track;
    track.number(kTrackUuid, ++tracks_);
    track.bytes(kTrackName, escaped(name));
    if (parent != 0) track.number(kTrackParent, parent);
    ProtoMessage packet;
    packet.number(kPacketSequence, kSequence);
    packet.message(kPacketTrackDescriptor, track);
    append_packet(packet, out);
    return tracks_;
}

std::uint64_t PerfettoSink::group_of(std::uint32_t netns, std::optional<std::string_view> name, std::string& out) {
    std::uint64_t& group = groups_[{recording_, netns}];
    if (group != 0) return group;
    std::string text = origin_->host.empty() ? "" : origin_->host + ": ";
    text += netns == 0 ? "network namespace not known" : name ? std::string(*name) : fmt::format("netns {}", netns);
    return group = new_track(0, text, out);
}

PerfettoSink::Lane& PerfettoSink::lane_of(const bt_sock& sock, std::uint16_t port,
                                          std::optional<std::string_view> netns, std::string& out) {
    const std::string protocol(protocol_name(sock.protocol, sock.type));
    Lane& lane = lanes_[{recording_, sock.netns, protocol, port}];
    if (!lane.name.empty()) return lane;
    lane.group = group_of(sock.netns, netns, out);
    lane.name = fmt::format("{} {}", protocol.empty() ? "?" : protocol, port == 0 ? "any port" : std::to_string(port));
    free_track(lane, 0, out);
    return lane;
}

std::size_t PerfettoSink::free_track(Lane& lane, std::uint64_t ktime_ns, std::string& out) {
    const auto is_free = [ktime_ns](std::uint64_t free_from_ns) { return free_from_ns <= ktime_ns; };
    const auto place = std::ranges::find_if(lane.free_from, is_free);
    if (place != lane.free_from.end()) return static_cast<std::size_t>(place - lane.free_from.begin());
    lane.tracks.push_back(new_track(lane.group, lane.name, out));
    lane.free_from.push_back(0);
    return lane.free_from.size() - 1;
}

void PerfettoSink::begin(Lane& lane, const bt_sock& sock, std::uint64_t ktime_ns, ProtoMessage slice,
                         std::string& out) {
    const std::size_t track = free_track(lane, ktime_ns, out);
    lane.free_from[track] = kNever;
    lane.held[socket_of(sock)] = track;
    packet(ktime_ns, std::move(slice), lane.tracks[track], out);
}

// Of a holding whose beginning was not told, that is told now.
void PerfettoSink::end(Lane& lane, const Record& record, std::string& out) {
    const Event& event = record.event;
    const Socket socket = socket_of(event.sock);
    if (!lane.held.contains(socket)) {
        const bool is_known = (event.flags & BT_EVENT_HAS_HELD) != 0 && event.held_ns <= event.ktime_ns;
        ProtoMessage slice = track_event(kSliceBegin, "held", name_of(record));
        annotate_socket(slice, event.sock);
        annotate_context(slice, record);
        begin(lane, event.sock, is_known ? event.ktime_ns - event.held_ns : origin_->begin_ns, std::move(slice), out);
    }
    const std::size_t track = lane.held[socket];
    ProtoMessage slice;
    slice.number(kEventType, kSliceEnd);
    packet(event.ktime_ns, std::move(slice), lane.tracks[track], out);
    lane.free_from[track] = event.ktime_ns;
    lane.held.erase(socket);
}

void PerfettoSink::begin_of(std::uint64_t recording) {
    if (recording == recording_) return;
    recording_ = recording;
    origin_ = &origins_[recording];
}

void PerfettoSink::meta(const Meta& meta, std::string& out) {
    start(out);
    const std::int64_t boot_ns = meta.time_ns - static_cast<std::int64_t>(meta.ktime_ns);
    const bool is_first = !boot_ns_;
    *origin_ = {.host = meta.host, .shift_ns = boot_ns - boot_ns_.value_or(boot_ns), .begin_ns = meta.ktime_ns};
    if (!is_first) return;
    boot_ns_ = boot_ns;
    ProtoMessage snapshot;
    for (const auto& [id, time_ns] :
         {std::pair(kRealtime, static_cast<std::uint64_t>(meta.time_ns)), std::pair(kBoottime, meta.ktime_ns)}) {
        ProtoMessage clock;
        clock.number(kClockId, id);
        clock.number(kClockTimestamp, time_ns);
        snapshot.message(kSnapshotClock, clock);
    }
    snapshot.number(kSnapshotPrimary, kBoottime);
    ProtoMessage packet;
    packet.number(kPacketSequence, kSequence);
    packet.message(kPacketClockSnapshot, snapshot);
    append_packet(packet, out);
}

void PerfettoSink::record(const Record& record, std::string& out) {
    start(out);
    const Event& event = record.event;
    const bt_sock& sock = event.sock;
    const bool has_port = (event.flags & BT_EVENT_HAS_SOCK) != 0 && sock.local_port != 0;
    const bool has_request = (event.flags & BT_EVENT_HAS_REQUEST) != 0;
    if (event.error == 0 && !has_port) return;  // takes nothing
    Lane& lane =
        lane_of(sock, event.error != 0 && has_request ? event.port : sock.local_port, record.context.netns_name, out);
    if (event.kind == BT_KIND_RELEASE) return end(lane, record, out);
    const bool is_claim = event.error == 0 && event.kind != BT_KIND_STATE && !lane.held.contains(socket_of(sock));
    std::string name = name_of(record);
    if (event.error != 0) {
        name = errno_name(event.error) + " " + name;
    } else if (event.kind == BT_KIND_STATE) {
        name = tcp_state_name(sock.state);
    } else if (!is_claim) {
        name = kind_name(event.kind);
    }
    ProtoMessage told = track_event(is_claim ? kSliceBegin : kInstant, event.error != 0 ? "refused" : "held", name);
    annotate(told, "event", kind_name(event.kind));
    if (has_request) {
        std::string asked;
        append_endpoint(asked, event.addr_family, event.addr, event.port);
        annotate(told, "asked_for", asked);
    }
    if (has_port) annotate_socket(told, sock);
    if (record.conflict != nullptr) annotate_verdict(told, *record.conflict);
    annotate_context(told, record);
    if (is_claim) return begin(lane, sock, event.ktime_ns, std::move(told), out);
    const auto held = lane.held.find(socket_of(sock));
    packet(event.ktime_ns, std::move(told), lane.tracks[held != lane.held.end() ? held->second : 0], out);
}

void PerfettoSink::loss(const Loss& loss, std::string& out) {
    start(out);
    ProtoMessage told = track_event(kInstant, "loss", fmt::format("lost: {}", loss_reason_name(loss.reason)));
    annotate(told, "count", loss.count);
    std::uint64_t& group = groups_[{recording_, ~0u}];
    if (group == 0) group = new_track(0, origin_->host.empty() ? "losses" : origin_->host + ": losses", out);
    packet(loss.ktime_ns, std::move(told), group, out);
}

void PerfettoSink::warning(const Warning& warning, const WarningWords& words, std::string& out) {
    start(out);
    const bt_sock& sock = warning.claim.raw.sock;
    Lane& lane = lane_of(sock, sock.local_port, warning.claim.netns_name, out);
    const std::string_view reason = warning_reason_name(warning.reason);
    ProtoMessage told = track_event(kInstant, "warning", fmt::format("warning: {}", reason));
    annotate_socket(told, sock);
    if (is_of_registry(warning)) annotate(told, "owner", owners_text(warning.entry.owners));
    annotate(told, "summary", words.summary);
    if (const Owner* const owner = owner_of(warning.claim)) annotate_process(told, fields_of(*owner));
    packet(warning.ktime_ns, std::move(told), lane.tracks[0], out);
}

void PerfettoSink::held_at_start(const Checkpoint& checkpoint, std::string& out) {
    start(out);
    for (const HeldPort& port : checkpoint.ports) {
        const Holder& holder = port.holder;
        if (end_is_not_told(holder)) continue;  // it would be a slice without an end
        const bt_sock& sock = holder.raw.sock;
        const Owner* const owner = owner_of(holder);
        Lane& lane = lane_of(sock, sock.local_port, holder.netns_name, out);
        if (lane.held.contains(socket_of(sock))) continue;
        const auto unit = unit_of(holder);
        ProtoMessage slice =
            track_event(kSliceBegin, "held", owner != nullptr ? who(owner->task, unit) : "(no process)");
        annotate_socket(slice, sock);
        if (owner != nullptr) {
            annotate_process(slice, fields_of(*owner));
            annotate_if(slice, "cgroup", owner->cgroup_path);
        }
        annotate_if(slice, "socket_unit", socket_unit(holder));
        annotate_container(slice, holder.container);
        const std::uint64_t since_ns = holder.raw.since_ns != 0 ? holder.raw.since_ns : checkpoint.ktime_ns;
        begin(lane, sock, since_ns, std::move(slice), out);
    }
}

}  // namespace bindtrace
