// SPDX-License-Identifier: MIT
#include "sink/cells.h"

#include <cstring>
#include <optional>

#include "model/endpoint.h"
#include "model/names.h"
#include "sink/escape.h"
#include "sink/json_conflict.h"

namespace bindtrace {
namespace {

const ContainerFacts kNoContainer;

Cell number(bool known, std::uint64_t value) {
    return known ? Cell(static_cast<std::int64_t>(value)) : Cell();
}

Cell word(std::string_view text) {
    return text.empty() ? Cell() : Cell(std::string(text));
}

template <typename Text>
Cell text(const std::optional<Text>& bytes) {
    return bytes ? Cell(escaped(*bytes)) : Cell();
}

Cell address(bool known, std::uint16_t family, const std::uint8_t* bytes) {
    std::string out;
    if (known) append_address(out, family, bytes);
    return word(out);
}

Cell name_of(const std::optional<Container>& container) {
    return container ? text(container->name) : Cell();
}

Cell name_of(const std::optional<Pod>& pod) {
    return pod ? text(pod->name) : Cell();
}

// A JSON array, since an argument may have any character in it.
Cell cmdline(const Process* process) {
    if (process == nullptr || !process->cmdline) return {};
    std::string out = "[";
    for (const std::string& argument : *process->cmdline) {
        if (out.size() > 1) out += ',';
        append_json_string(out, argument);
    }
    return out + "]";
}

std::string factors(const Conflict& conflict) {
    std::string out;
    for (const Factor factor : conflict.factors) {
        if (!out.empty()) out += ' ';
        out += factor_name(factor);
    }
    return out;
}

}  // namespace

std::string escaped(std::string_view bytes) {
    std::string out;
    append_text(out, bytes);
    return out;
}

Cell socket_cell(const bt_sock& sock) {
    return number(sock.cookie != 0 || sock.inode != 0, sock.cookie != 0 ? sock.cookie : sock.inode);
}

ProcessFields fields_of(const Owner& owner) {
    return {.task = owner.task,
            .process = owner.process ? &*owner.process : nullptr,
            .user = owner.user,
            .start_time_ns = owner.start_time_ns};
}

Cell CellWriter::time(std::int64_t time_ns) {
    std::string out(UtcTimeFormat::kLength, '\0');
    time_.write(out.data(), time_ns);
    return out;
}

void CellWriter::event(const Record& record, Cells& cells) {
    const Event& event = record.event;
    const Context& context = record.context;
    const bt_sock& sock = event.sock;
    const bool has_sock = (event.flags & BT_EVENT_HAS_SOCK) != 0;
    const bool has_request = (event.flags & BT_EVENT_HAS_REQUEST) != 0;
    const bool has_port = has_sock && sock.local_port != 0;
    const bool has_address = has_port || (has_sock && event.kind == BT_KIND_BIND && event.error == 0);
    const bool has_remote = has_sock && sock.remote_port != 0;
    const bool has_result = event.kind != BT_KIND_STATE && event.kind != BT_KIND_RELEASE;
    const ContainerFacts& container = context.container != nullptr ? *context.container : kNoContainer;
    const Conflict* const conflict = record.conflict;
    cells.insert(cells.end(), {time(context.time_ns),
                               number(true, event.ktime_ns),
                               word(kind_name(event.kind)),
                               word(op_name(event.op)),
                               word(has_sock ? protocol_name(sock.protocol, sock.type) : ""),
                               word(family_word(has_sock ? sock.family : event.addr_family)),
                               address(has_request, event.addr_family, event.addr),
                               number(has_request, event.port),
                               address(has_address, sock.family, sock.local_addr),
                               number(has_port, sock.local_port),
                               address(has_remote, sock.family, sock.remote_addr),
                               number(has_remote, sock.remote_port),
                               !has_result ? Cell() : word(event.error == 0 ? "ok" : errno_name(event.error)),
                               number(has_result, static_cast<std::uint64_t>(event.error)),
                               number(true, (event.flags & BT_EVENT_EPHEMERAL) != 0 ? 1 : 0),
                               number(sock.netns != 0, sock.netns),
                               text(context.netns_name),
                               has_sock ? socket_cell(sock) : Cell(),
                               text(context.cgroup_path),
                               text(context.place.unit),
                               text(context.place.slice),
                               text(context.place.session),
                               text(context.socket_unit),
                               name_of(container.container),
                               container.container ? Cell(escaped(container.container->id)) : Cell(),
                               container.container ? text(container.container->image) : Cell(),
                               container.pod ? text(container.pod->name_space) : Cell(),
                               name_of(container.pod),
                               number((event.flags & BT_EVENT_HAS_HELD) != 0, event.held_ns),
                               conflict != nullptr ? word(cause_name(conflict->cause)) : Cell(),
                               conflict != nullptr ? word(factors(*conflict)) : Cell(),
                               number(conflict != nullptr, conflict != nullptr ? conflict->in_the_way : 0),
                               number(conflict != nullptr, conflict != nullptr ? conflict->failures : 0),
                               conflict != nullptr ? text(conflict->rule) : Cell(),
                               conflict != nullptr ? Cell(escaped(conflict->summary)) : Cell()});
}

void CellWriter::process(const ProcessFields& fields, Cells& cells) {
    const bt_task& task = fields.task;
    cells.insert(cells.end(), {number(true, task.key.pid), number(true, task.ppid),
                               escaped({task.comm, strnlen(task.comm, sizeof(task.comm))}),
                               fields.process != nullptr ? text(fields.process->exe) : Cell(), cmdline(fields.process),
                               number(true, task.uid), text(fields.user),
                               fields.start_time_ns ? time(*fields.start_time_ns) : Cell()});
}

void CellWriter::holder(const Holder& holder, std::uint64_t now_ns, Cells& cells) {
    const bt_holder& raw = holder.raw;
    const std::string_view protocol = protocol_name(raw.sock.protocol, raw.sock.type);
    const bool is_tcp = protocol == "tcp" || protocol == "mptcp";
    const bool has_remote = raw.sock.remote_port != 0;
    cells.insert(cells.end(),
                 {word(is_tcp ? tcp_state_name(raw.substate) : ""), address(true, raw.sock.family, raw.sock.local_addr),
                  number(true, raw.sock.local_port), address(has_remote, raw.sock.family, raw.sock.remote_addr),
                  number(has_remote, raw.sock.remote_port), word(acquired_word(holder)),
                  holder.since_ns ? time(*holder.since_ns) : Cell(),
                  number(raw.since_ns != 0 && raw.since_ns <= now_ns, now_ns - raw.since_ns),
                  number(raw.sock.netns != 0, raw.sock.netns), socket_cell(raw.sock), number(true, raw.of_kernel),
                  text(unit_of(holder)), text(socket_unit(holder)), name_of(holder.container.container),
                  name_of(holder.container.pod),
                  number(holder.published.has_value(), holder.published ? holder.published->host_port : 0)});
}

}  // namespace bindtrace
