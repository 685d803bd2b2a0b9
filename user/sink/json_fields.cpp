// SPDX-License-Identifier: MIT
#include "sink/json_fields.h"

#include <sys/socket.h>

#include <cstring>

#include "model/names.h"

namespace bindtrace {
namespace {

void write_cmdline(JsonLine& line, const Process* process) {
    if (process == nullptr || !process->cmdline) return line.null();
    line.raw("[");
    for (std::size_t i = 0; i < process->cmdline->size(); ++i) {
        if (i != 0) line.raw(",");
        line.string((*process->cmdline)[i]);
    }
    line.raw("]");
}

void write_ancestry(JsonLine& line, const Process* process) {
    if (process == nullptr) return line.null();
    line.raw("[");
    for (std::size_t i = 0; i < process->ancestry.size(); ++i) {
        if (i != 0) line.raw(",");
        line.raw("{\"pid\":");
        line.number(process->ancestry[i].pid);
        line.raw(",\"comm\":");
        line.string(process->ancestry[i].comm);
        line.raw("}");
    }
    line.raw("]");
}

}  // namespace

std::string_view family_word(std::uint16_t family) {
    if (family == AF_INET) return "ipv4";
    if (family == AF_INET6) return "ipv6";
    return "";
}

void write_sockopt(JsonLine& line, bool known, const bt_sock& sock) {
    if (!known) {
        line.raw(",\"sockopt\":null");
        return;
    }
    const auto option = [&sock](bt_sockopt bit) { return (sock.opts & bit) != 0; };
    line.raw(",\"sockopt\":{\"reuseaddr\":");
    line.boolean(option(BT_OPT_REUSEADDR));
    line.raw(",\"reuseport\":");
    line.boolean(option(BT_OPT_REUSEPORT));
    line.raw(",\"v6only\":");
    line.boolean(option(BT_OPT_V6ONLY) && sock.family == AF_INET6);
    line.raw(",\"freebind\":");
    line.boolean(option(BT_OPT_FREEBIND));
    line.raw(",\"transparent\":");
    line.boolean(option(BT_OPT_TRANSPARENT));
    line.raw(",\"bound_dev\":");
    line.number_or_null(sock.bound_dev != 0, sock.bound_dev);
    line.raw(",\"no_port\":");
    line.boolean(option(BT_OPT_NO_PORT));
    line.raw("}");
}

void write_socket(JsonLine& line, const bt_sock& sock, std::uint8_t state, std::optional<std::string_view> cgroup_path,
                  bool is_tcp) {
    line.raw(",\"socket\":{\"cookie\":");
    line.number_or_null(sock.cookie != 0, sock.cookie);
    line.raw(",\"inode\":");
    line.number_or_null(sock.inode != 0, sock.inode);
    line.raw(",\"state\":");
    line.word_or_null(is_tcp ? tcp_state_name(state) : "");
    line.raw(",\"cgroup_id\":");
    line.number_or_null(sock.cgroup_id != 0, sock.cgroup_id);
    line.raw(",\"cgroup_path\":");
    line.string_or_null(cgroup_path);
    line.raw("}");
}

void write_netns(JsonLine& line, std::uint32_t inum, std::optional<std::string_view> name) {
    if (inum == 0) {
        line.raw(",\"netns\":null");
        return;
    }
    line.raw(",\"netns\":{\"inum\":");
    line.number(inum);
    line.raw(",\"name\":");
    line.string_or_null(name);
    line.raw("}");
}

void write_place(JsonLine& line, const UnitPlace& place, std::optional<std::string_view> socket_unit) {
    line.raw(",\"unit\":");
    line.string_or_null(place.unit);
    line.raw(",\"unit_type\":");
    line.string_or_null(place.type());
    line.raw(",\"slice\":");
    line.string_or_null(place.slice);
    line.raw(",\"session\":");
    line.string_or_null(place.session);
    line.raw(",\"socket_unit\":");
    line.string_or_null(socket_unit);
}

void write_container(JsonLine& line, const ContainerFacts& facts) {
    line.raw(",\"container\":");
    if (facts.container) {
        line.raw("{\"runtime\":");
        if (facts.container->runtime.empty())
            line.null();
        else
            line.string(facts.container->runtime);
        line.raw(",\"id\":");
        line.string(facts.container->id);
        line.raw(",\"name\":");
        line.string_or_null(facts.container->name);
        line.raw(",\"image\":");
        line.string_or_null(facts.container->image);
        line.raw("}");
    } else {
        line.null();
    }
    line.raw(",\"pod\":");
    if (!facts.pod) return line.null();
    line.raw("{\"namespace\":");
    line.string_or_null(facts.pod->name_space);
    line.raw(",\"name\":");
    line.string_or_null(facts.pod->name);
    line.raw(",\"uid\":");
    line.string_or_null(facts.pod->uid);
    line.raw(",\"container\":");
    line.string_or_null(facts.pod->container);
    line.raw("}");
}

void write_process(JsonLine& line, const ProcessFields& fields, UtcTimeFormat& start_time) {
    const bt_task& task = fields.task;
    const Process* process = fields.process;
    line.raw("{\"pid\":");
    line.number(task.key.pid);
    line.raw(",\"tid\":");
    line.number(task.tid);
    line.raw(",\"ppid\":");
    line.number(task.ppid);
    line.raw(",\"comm\":");
    line.string({task.comm, strnlen(task.comm, sizeof(task.comm))});
    line.raw(",\"exe\":");
    if (process != nullptr) {
        line.string_or_null(process->exe);
    } else {
        line.null();
    }
    line.raw(",\"cmdline\":");
    write_cmdline(line, process);
    line.raw(",\"uid\":");
    line.number(task.uid);
    line.raw(",\"user\":");
    line.string_or_null(fields.user);
    line.raw(",\"start_time\":");
    if (fields.start_time_ns) {
        line.time(start_time, *fields.start_time_ns);
    } else {
        line.null();
    }
    line.raw(",\"ancestry\":");
    write_ancestry(line, process);
    line.raw("}");
}

}  // namespace bindtrace
