// SPDX-License-Identifier: MIT
#include "sink/json_conflict.h"

#include <string_view>

#include "model/names.h"
#include "model/unit.h"
#include "sink/json_fields.h"

namespace bindtrace {
namespace {

void write_owner(JsonLine& line, const std::optional<Owner>& owner, UtcTimeFormat& start_time) {
    if (!owner) return line.null();
    write_process(line,
                  {.task = owner->task,
                   .process = owner->process ? &*owner->process : nullptr,
                   .user = owner->user,
                   .start_time_ns = owner->start_time_ns},
                  start_time);
}

void write_published(JsonLine& line, const std::optional<Published>& published) {
    line.raw(",\"published\":");
    if (!published) return line.null();
    line.raw("{\"host_port\":");
    line.number(published->host_port);
    line.raw(",\"container_port\":");
    line.number_or_null(published->container_port.has_value(), published->container_port.value_or(0));
    line.raw(",\"container_addr\":");
    line.string_or_null(published->container_address);
    line.raw(",\"container_gone\":");
    line.boolean(published->container_gone);
    line.raw("}");
}

}  // namespace

std::string_view acquired_word(const Holder& holder) {
    if (holder.process && holder.last_process) return "inherited";
    if (holder.raw.has_claim == 0) return (holder.raw.flags & BT_EVENT_EPHEMERAL) != 0 ? op_name(BT_OP_CONNECT) : "";
    if (holder.raw.since_ns == 0) return "before-start";
    return op_name(holder.raw.op);
}

void write_holder_fields(JsonLine& line, const Holder& holder, std::uint64_t now_ns, HolderTimes& times) {
    const bt_sock& sock = holder.raw.sock;
    const std::string_view protocol = protocol_name(sock.protocol, sock.type);
    const bool is_tcp = protocol == "tcp" || protocol == "mptcp";
    line.raw("\"state\":");
    line.word_or_null(is_tcp ? tcp_state_name(holder.raw.substate) : "");
    line.raw(",\"local_addr\":");
    line.address_or_null(true, sock.family, sock.local_addr);
    line.raw(",\"local_port\":");
    line.number(sock.local_port);
    line.raw(",\"remote_addr\":");
    line.address_or_null(sock.remote_port != 0, sock.family, sock.remote_addr);
    line.raw(",\"remote_port\":");
    line.number_or_null(sock.remote_port != 0, sock.remote_port);
    line.raw(",\"acquired\":");
    line.word_or_null(acquired_word(holder));
    line.raw(",\"since\":");
    if (holder.since_ns) {
        line.time(times.since, *holder.since_ns);
    } else {
        line.null();
    }
    line.raw(",\"held_ns\":");
    line.number_or_null(holder.raw.since_ns != 0 && holder.raw.since_ns <= now_ns, now_ns - holder.raw.since_ns);
    write_sockopt(line, (holder.raw.flags & BT_EVENT_HAS_SOCKOPT) != 0, sock);
    write_socket(line, sock, holder.raw.substate, holder.socket_cgroup_path, is_tcp);
    write_netns(line, sock.netns, holder.netns_name);
    line.raw(",\"process\":");
    write_owner(line, holder.process, times.start);
    line.raw(",\"last_process\":");
    write_owner(line, holder.last_process, times.start);
    line.raw(",\"kernel\":");
    line.boolean(holder.raw.of_kernel != 0);
    write_place(line, place_of(holder), socket_unit(holder));
    write_container(line, holder.container);
    write_published(line, holder.published);
}

namespace {

void write_evidence(JsonLine& line, const std::optional<Evidence>& evidence) {
    line.raw(",\"evidence\":");
    if (!evidence) return line.null();
    line.raw("{\"source\":");
    line.word_or_null(evidence->source);
    line.raw(",\"sockets\":");
    line.number(evidence->sockets);
    line.raw(",\"complete\":");
    line.boolean(evidence->complete);
    line.raw("}");
}

void write_range(JsonLine& line, const std::optional<RangeUse>& range, HolderTimes& times) {
    line.raw(",\"range\":");
    if (!range) return line.null();
    line.raw("{\"taken\":");
    line.number(range->taken);
    line.raw(",\"reserved\":");
    if (range->reserved)
        line.number(*range->reserved);
    else
        line.null();
    line.raw(",\"shares\":[");
    for (std::size_t i = 0; i < range->shares.size(); ++i) {
        const RangeShare& share = range->shares[i];
        if (i != 0) line.raw(",");
        line.raw("{\"ports\":");
        line.number(share.ports);
        line.raw(",\"state\":");
        line.word_or_null(share.state);
        line.raw(",\"process\":");
        write_owner(line, share.owner, times.start);
        line.raw(",\"unit\":");
        line.string_or_null(share.owner && share.owner->cgroup_path ? unit_of_cgroup(*share.owner->cgroup_path)
                                                                    : std::nullopt);
        line.raw("}");
    }
    line.raw("]}");
}

void write_local_addresses(JsonLine& line, const std::optional<std::vector<LocalAddress>>& addresses) {
    line.raw(",\"local_addresses\":");
    if (!addresses) return line.null();
    line.raw("[");
    for (std::size_t i = 0; i < addresses->size(); ++i) {
        const LocalAddress& local = (*addresses)[i];
        if (i != 0) line.raw(",");
        line.raw("{\"interface\":");
        line.string(local.interface);
        line.raw(",\"addr\":");
        line.address_or_null(true, local.family, local.address.data());
        line.raw("}");
    }
    line.raw("]");
}

}  // namespace

void write_conflict(JsonLine& line, const Conflict* conflict, std::uint64_t failed_ns, HolderTimes& times) {
    line.raw(",\"conflict\":");
    if (conflict == nullptr) return line.null();
    line.raw("{\"cause\":");
    line.word_or_null(cause_name(conflict->cause));
    line.raw(",\"factors\":[");
    for (std::size_t i = 0; i < conflict->factors.size(); ++i) {
        if (i != 0) line.raw(",");
        line.word_or_null(factor_name(conflict->factors[i]));
    }
    line.raw("],\"holders\":[");
    for (std::size_t i = 0; i < conflict->holders.size(); ++i) {
        if (i != 0) line.raw(",");
        line.raw("{");
        const Holder& holder = conflict->holders[i];
        write_holder_fields(line, holder, failed_ns, times);
        line.raw(",\"processes\":");
        line.number_or_null(holder.processes != 0, holder.processes);
        line.raw("}");
    }
    line.raw("],\"in_the_way\":");
    line.number(conflict->in_the_way);
    write_evidence(line, conflict->evidence);
    write_range(line, conflict->range, times);
    write_local_addresses(line, conflict->local_addresses);
    line.raw(",\"failures\":");
    line.number(conflict->failures);
    line.raw(",\"failing_ns\":");
    line.number(conflict->failing_ns);
    line.raw(",\"rule\":");
    line.string_or_null(conflict->rule);
    line.raw(",\"summary\":");
    line.string(conflict->summary);
    line.raw(",\"advice\":[");
    for (std::size_t i = 0; i < conflict->advice.size(); ++i) {
        if (i != 0) line.raw(",");
        line.string(conflict->advice[i]);
    }
    line.raw("]}");
}

}  // namespace bindtrace
