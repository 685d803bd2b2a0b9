// SPDX-License-Identifier: MIT
#include "sink/json_sink.h"

#include <string_view>

#include "model/names.h"
#include "model/warning.h"
#include "sink/json_conflict.h"
#include "sink/json_fields.h"
#include "sink/json_port_entry.h"

namespace bindtrace {
namespace {

const ContainerFacts kUnknownContainer;

bool has(const Event& event, bt_event_flag flag) {
    return (event.flags & flag) != 0;
}

void write_addresses(JsonLine& line, const Event& event) {
    const bt_sock& sock = event.sock;
    const bool has_sock = has(event, BT_EVENT_HAS_SOCK);
    const bool has_request = has(event, BT_EVENT_HAS_REQUEST);
    line.raw(",\"family\":");
    line.word_or_null(family_word(has_sock ? sock.family : event.addr_family));

    line.raw(",\"addr\":");
    line.address_or_null(has_request, event.addr_family, event.addr);
    line.raw(",\"port\":");
    line.number_or_null(has_request, event.port);

    // A bind may succeed without a port: IP_BIND_ADDRESS_NO_PORT, raw sockets.
    const bool has_port = has_sock && sock.local_port != 0;
    const bool has_address = has_port || (has_sock && event.kind == BT_KIND_BIND && event.error == 0);
    line.raw(",\"local_addr\":");
    line.address_or_null(has_address, sock.family, sock.local_addr);
    line.raw(",\"local_port\":");
    line.number_or_null(has_port, sock.local_port);

    const bool has_remote = has_sock && sock.remote_port != 0;
    line.raw(",\"remote_addr\":");
    line.address_or_null(has_remote, sock.family, sock.remote_addr);
    line.raw(",\"remote_port\":");
    line.number_or_null(has_remote, sock.remote_port);
}

void write_result(JsonLine& line, const Event& event) {
    if (event.kind == BT_KIND_STATE || event.kind == BT_KIND_RELEASE) {
        line.raw(",\"result\":null,\"errno\":null");
    } else if (event.error == 0) {
        line.raw(",\"result\":\"ok\",\"errno\":0");
    } else {
        line.raw(",\"result\":");
        line.word_or_null(errno_name(event.error));
        line.raw(",\"errno\":");
        line.number(event.error);
    }
    line.raw(",\"ephemeral\":");
    line.boolean(has(event, BT_EVENT_EPHEMERAL));
}

void write_task(JsonLine& line, const Event& event, const Context& context, UtcTimeFormat& start_time) {
    if (!has(event, BT_EVENT_HAS_TASK)) {
        line.raw(",\"process\":null,\"cgroup\":null");
        return;
    }
    line.raw(",\"process\":");
    write_process(
        line,
        {.task = event.task, .process = context.process, .user = context.user, .start_time_ns = context.start_time_ns},
        start_time);
    if (event.task.cgroup_id == 0) {
        line.raw(",\"cgroup\":null");
        return;
    }
    line.raw(",\"cgroup\":{\"id\":");
    line.number(event.task.cgroup_id);
    line.raw(",\"path\":");
    line.string_or_null(context.cgroup_path);
    line.raw("}");
}

}  // namespace

void JsonSink::write_start(JsonLine& line, std::string_view type, std::int64_t time_ns, std::uint64_t ktime_ns) {
    line.raw("{\"v\":");
    line.number(kJsonVersion);
    line.raw(",\"type\":");
    line.word_or_null(type);
    line.raw(",\"time\":");
    line.time(time_, time_ns);
    line.raw(",\"ktime_ns\":");
    line.number(ktime_ns);
}

void JsonSink::write_host(JsonLine& line) {
    if (!tells_host_) return;
    const std::string& host = hosts_.current();
    line.raw(",\"host\":");
    host.empty() ? line.null() : line.string(host);
}

void JsonSink::record(const Record& record, std::string& out) {
    const Event& event = record.event;
    const Context& context = record.context;
    const std::string_view protocol =
        has(event, BT_EVENT_HAS_SOCK) ? protocol_name(event.sock.protocol, event.sock.type) : "";

    JsonLine line(out);
    write_start(line, kind_name(event.kind), context.time_ns, event.ktime_ns);
    write_host(line);
    line.raw(",\"op\":");
    line.word_or_null(op_name(event.op));
    line.raw(",\"proto\":");
    line.word_or_null(protocol);
    write_addresses(line, event);
    write_result(line, event);
    write_sockopt(line, has(event, BT_EVENT_HAS_SOCKOPT), event.sock);
    if (has(event, BT_EVENT_HAS_SOCK)) {
        const bool is_tcp = protocol == "tcp" || protocol == "mptcp";
        write_socket(line, event.sock, event.sock.state, context.socket_cgroup_path, is_tcp);
    } else {
        line.raw(",\"socket\":null");
    }
    write_netns(line, event.sock.netns, context.netns_name);
    write_task(line, event, context, start_time_);
    write_place(line, context.place, context.socket_unit);
    write_container(line, context.container != nullptr ? *context.container : kUnknownContainer);
    line.raw(",\"held_ns\":");
    line.number_or_null(has(event, BT_EVENT_HAS_HELD), event.held_ns);
    line.raw(",\"old_state\":");
    line.word_or_null(event.kind == BT_KIND_STATE ? tcp_state_name(event.sock.old_state) : "");
    write_conflict(line, record.conflict, event.ktime_ns, holder_times_);
    line.raw("}\n");
}

void JsonSink::meta(const Meta& meta, std::string& out) {
    hosts_.name(meta.host);
    JsonLine line(out);
    write_start(line, "meta", meta.time_ns, meta.ktime_ns);
    line.raw(",\"version\":");
    line.string(meta.version);
    line.raw(",\"host\":");
    line.string(meta.host);
    line.raw(",\"kernel\":");
    line.string(meta.kernel);
    line.raw(",\"strategy\":");
    line.string(meta.strategy);
    line.raw(",\"filters\":[");
    for (std::size_t i = 0; i < meta.filters.size(); ++i) {
        if (i != 0) line.raw(",");
        line.string(meta.filters[i]);
    }
    line.raw("]}\n");
}

void JsonSink::loss(const Loss& loss, std::string& out) {
    JsonLine line(out);
    write_start(line, "loss", loss.time_ns, loss.ktime_ns);
    write_host(line);
    line.raw(",\"reason\":");
    line.word_or_null(loss_reason_name(loss.reason));
    line.raw(",\"count\":");
    line.number(loss.count);
    line.raw("}\n");
}

void JsonSink::warning(const Warning& warning, const WarningWords& words, std::string& out) {
    const bt_sock& sock = warning.claim.raw.sock;
    const bool of_registry = is_of_registry(warning);
    JsonLine line(out);
    write_start(line, "warning", warning.time_ns, warning.ktime_ns);
    write_host(line);
    line.raw(",\"reason\":");
    line.word_or_null(warning_reason_name(warning.reason));
    line.raw(",\"proto\":");
    line.word_or_null(protocol_name(sock.protocol, sock.type));
    line.raw(",\"family\":");
    line.word_or_null(family_word(sock.family));
    line.raw(",\"local_addr\":");
    line.address_or_null(true, sock.family, sock.local_addr);
    line.raw(",\"local_port\":");
    line.number(sock.local_port);
    line.raw(",\"result\":");
    line.word_or_null(of_registry ? "" : errno_name(warning.refused_error));
    line.raw(",\"registry\":");
    of_registry ? write_registry_entry(line, warning.entry) : line.null();
    const auto party = [&](bool is_there) {
        if (!is_there) return line.null();
        line.raw("{");
        write_holder_fields(line, warning.claim, warning.ktime_ns, holder_times_);
        line.raw("}");
    };
    line.raw(",\"holder\":");
    party(of_registry);
    line.raw(",\"requester\":");
    party(!of_registry);
    line.raw(",\"unknown\":");
    warning.unknown.empty() ? line.null() : line.string(warning.unknown);
    line.raw(",\"summary\":");
    line.string(words.summary);
    line.raw(",\"advice\":[");
    for (std::size_t i = 0; i < words.advice.size(); ++i) {
        if (i != 0) line.raw(",");
        line.string(words.advice[i]);
    }
    line.raw("]}\n");
}

}  // namespace bindtrace
