// SPDX-License-Identifier: MIT
#include "sink/held_ports.h"

#include <fmt/format.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <tuple>
#include <vector>

#include "model/endpoint.h"
#include "model/names.h"
#include "sink/escape.h"
#include "sink/json_conflict.h"
#include "sink/json_fields.h"
#include "sink/table.h"

namespace bindtrace {
namespace {

constexpr std::size_t kPortColumns = 5;
using Row = std::array<std::string, kPortColumns>;

std::string_view protocol_of(const bt_sock& sock) {
    return protocol_name(sock.protocol, sock.type);
}

bool has_remote_end(const bt_sock& sock) {
    return sock.remote_port != 0;
}

std::string state_now(const Holder& holder) {
    const std::string_view protocol = protocol_of(holder.raw.sock);
    if (protocol != "tcp" && protocol != "mptcp") return has_remote_end(holder.raw.sock) ? "connected" : "bound";
    if (holder.raw.substate == TCP_CLOSE) return "bound, not listening";
    return std::string(tcp_state_name(holder.raw.substate));
}

std::string state_of(const Holder& holder, HeldWhen when) {
    const bool is_past = when == HeldWhen::since_start && end_is_not_told(holder);
    return state_now(holder) + (is_past ? " at the start" : "");
}

std::string process_of(const HeldPort& port) {
    const Holder& holder = port.holder;
    if (!holder.process) {
        if (holder.raw.of_kernel != 0) return "(the kernel)";
        return holder.raw.sock.inode == 0 ? "(no process)" : "(not known)";
    }
    const bt_task& task = holder.process->task;
    std::string text;
    append_text(text, {task.comm, strnlen(task.comm, sizeof(task.comm))});
    text += fmt::format("[{}]", task.key.pid);
    if (port.processes > 1) text += fmt::format(" and {} more", port.processes - 1);
    return text;
}

// The container, else the units, or the cgroup where that is in none, and the network namespace if it is not the
// host's.
std::string where_is(const Holder& holder) {
    std::string text;
    if (const auto unit = socket_unit(holder)) append_text(text, *unit + ", ");
    const std::string container = container_words(holder.container);
    if (!container.empty()) {
        append_text(text, container);
        if (holder.published && holder.published->container_port)
            text += fmt::format(" port {}", *holder.published->container_port);
    } else if (holder.published && holder.published->container_gone) {
        text += "a container that is gone";
    } else if (const auto unit = unit_of(holder)) {
        append_text(text, *unit);
    } else if (holder.process && holder.process->cgroup_path && *holder.process->cgroup_path != "/") {
        append_text(text, *holder.process->cgroup_path);
    }
    if (text.ends_with(", ")) text.resize(text.size() - 2);
    if (holder.netns_name == "host" || holder.raw.sock.netns == 0) return text;
    if (!text.empty()) text += ", ";
    text += "netns ";
    append_text(text, holder.netns_name ? *holder.netns_name : std::to_string(holder.raw.sock.netns));
    return text;
}

Row row_of(const HeldPort& port, HeldWhen when, std::size_t alike) {
    const bt_sock& sock = port.holder.raw.sock;
    std::string ends;
    append_endpoint(ends, sock.family, sock.local_addr, sock.local_port);
    if (has_remote_end(sock)) {
        ends += " -> ";
        append_endpoint(ends, sock.family, sock.remote_addr, sock.remote_port);
        if (alike > 1) ends += fmt::format(" and {} more", alike - 1);
    }
    return {std::string(protocol_of(sock)), ends, state_of(port.holder, when), process_of(port), where_is(port.holder)};
}

// What connections that take one line have in common.
using Kind = std::tuple<std::string_view, std::uint16_t, std::uint32_t, std::string, std::uint32_t, bool>;

Kind kind_of(const HeldPort& port, HeldWhen when) {
    const Holder& holder = port.holder;
    const std::uint32_t pid = holder.process ? holder.process->task.key.pid : 0;
    return {
        protocol_of(holder.raw.sock), holder.raw.sock.local_port, holder.raw.sock.netns, state_of(holder, when), pid,
        holder.raw.of_kernel != 0};
}

// The order they are told in.
auto rank(const HeldPort& port) {
    const bt_sock& sock = port.holder.raw.sock;
    return std::tuple(sock.local_port, sock.protocol, sock.state != TCP_LISTEN, sock.remote_port != 0, sock.netns,
                      port.holder.raw.substate, sock.remote_port, sock.inode);
}

}  // namespace

void sort_held_ports(std::vector<HeldPort>& ports) {
    std::ranges::sort(ports, {}, rank);
}

void append_held_ports_json(std::string& out, std::span<const HeldPort> ports, std::uint64_t now_ns,
                            const std::optional<std::string>& host) {
    HolderTimes times;
    for (const HeldPort& port : ports) {
        const bt_sock& sock = port.holder.raw.sock;
        JsonLine line(out);
        line.raw("{\"v\":");
        line.number(kJsonVersion);
        line.raw(",\"type\":\"holder\"");
        if (host) {
            line.raw(",\"host\":");
            host->empty() ? line.null() : line.string(*host);
        }
        line.raw(",\"proto\":");
        line.word_or_null(protocol_of(sock));
        line.raw(",\"family\":");
        line.word_or_null(family_word(sock.family));
        line.raw(",");
        write_holder_fields(line, port.holder, now_ns, times);
        line.raw(",\"processes\":");
        line.number(port.processes);
        line.raw("}\n");
    }
}

void append_held_ports_text(std::string& out, std::span<const HeldPort> ports, bool colour, HeldWhen when) {
    std::map<Kind, std::size_t> alike;
    for (const HeldPort& port : ports) {
        if (has_remote_end(port.holder.raw.sock)) ++alike[kind_of(port, when)];
    }
    std::vector<Row> rows{{"PROTO", "PORT", "STATE", "PROCESS", "UNIT"}};
    for (const HeldPort& port : ports) {
        std::size_t count = 1;
        if (has_remote_end(port.holder.raw.sock)) {
            const auto entry = alike.find(kind_of(port, when));
            if (entry == alike.end()) continue;  // told with the first of them
            count = entry->second;
            alike.erase(entry);
        }
        rows.push_back(row_of(port, when, count));
    }
    append_table(out, rows, [&](std::size_t r) { return r == 0 && colour ? "\x1b[2m" : ""; });
}

}  // namespace bindtrace
