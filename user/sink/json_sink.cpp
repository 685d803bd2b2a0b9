// SPDX-License-Identifier: MIT
#include "sink/json_sink.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cstring>

#include "model/conflict.h"
#include "model/endpoint.h"
#include "model/names.h"
#include "model/unit.h"
#include "sink/escape.h"

namespace bindtrace {
namespace {

constexpr int kVersion = 1;

// Gathers the small pieces of a line on the stack, since forty appends to a string cost more than what they append.
class Line {
  public:
    explicit Line(std::string& out) : out_(out) {}
    ~Line() { flush(); }
    Line(const Line&) = delete;
    Line& operator=(const Line&) = delete;

    // A string literal: punctuation and keys.
    template <std::size_t N>
    void raw(const char (&literal)[N]) {
        char* at = room(N - 1);
        std::memcpy(at, literal, N - 1);
        used_ += N - 1;
    }

    template <typename Integer>
    void number(Integer value) {
        const fmt::format_int digits(value);
        copy({digits.data(), digits.size()});
    }

    template <typename Integer>
    void number_or_null(bool known, Integer value) {
        known ? number(value) : null();
    }

    void null() { raw("null"); }

    void boolean(bool value) {
        if (value) {
            raw("true");
        } else {
            raw("false");
        }
    }

    // One of our own words, which need no escape; empty means unknown.
    void word_or_null(std::string_view word) {
        if (word.empty()) return null();
        raw("\"");
        copy(word);
        raw("\"");
    }

    // Somebody else's bytes.
    void string(std::string_view bytes) {
        flush();
        append_json_string(out_, bytes);
    }

    template <typename OptionalString>
    void string_or_null(const OptionalString& bytes) {
        bytes ? string(*bytes) : null();
    }

    void address_or_null(bool known, std::uint16_t family, const std::uint8_t* address) {
        if (!known || (family != AF_INET && family != AF_INET6)) return null();
        raw("\"");
        char* at = room(kAddressLength);
        used_ += static_cast<std::size_t>(write_address(at, family, address) - at);
        raw("\"");
    }

    void time(UtcTimeFormat& format, std::int64_t time_ns) {
        raw("\"");
        format.write(room(UtcTimeFormat::kLength), time_ns);
        used_ += UtcTimeFormat::kLength;
        raw("\"");
    }

  private:
    char* room(std::size_t size) {
        if (buffer_.size() - used_ < size) flush();
        return buffer_.data() + used_;
    }

    void copy(std::string_view word) {
        char* at = room(word.size());
        std::memcpy(at, word.data(), word.size());
        used_ += word.size();
    }

    void flush() {
        out_.append(buffer_.data(), used_);
        used_ = 0;
    }

    std::string& out_;
    std::size_t used_ = 0;
    std::array<char, 1024> buffer_;  // above the longest single piece
};

std::string_view family_name(std::uint16_t family) {
    if (family == AF_INET) return "ipv4";
    if (family == AF_INET6) return "ipv6";
    return "";
}

bool has(const Event& event, bt_event_flag flag) {
    return (event.flags & flag) != 0;
}

void write_start(Line& line, std::string_view type, UtcTimeFormat& format, std::int64_t time_ns,
                 std::uint64_t ktime_ns) {
    line.raw("{\"v\":");
    line.number(kVersion);
    line.raw(",\"type\":");
    line.word_or_null(type);
    line.raw(",\"time\":");
    line.time(format, time_ns);
    line.raw(",\"ktime_ns\":");
    line.number(ktime_ns);
}

void write_addresses(Line& line, const Event& event) {
    const bt_sock& sock = event.sock;
    const bool has_sock = has(event, BT_EVENT_HAS_SOCK);
    const bool has_request = has(event, BT_EVENT_HAS_REQUEST);
    line.raw(",\"family\":");
    line.word_or_null(family_name(has_sock ? sock.family : event.addr_family));

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

void write_result(Line& line, const Event& event) {
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

void write_sockopt(Line& line, bool known, const bt_sock& sock) {
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

template <typename OptionalString>
void write_socket(Line& line, const bt_sock& sock, std::uint8_t state, const OptionalString& cgroup_path, bool is_tcp) {
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

template <typename OptionalString>
void write_netns(Line& line, std::uint32_t inum, const OptionalString& name) {
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

void write_cmdline(Line& line, const Process* process) {
    if (process == nullptr || !process->cmdline) return line.null();
    line.raw("[");
    for (std::size_t i = 0; i < process->cmdline->size(); ++i) {
        if (i != 0) line.raw(",");
        line.string((*process->cmdline)[i]);
    }
    line.raw("]");
}

void write_ancestry(Line& line, const Process* process) {
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

struct ProcessFields {
    const bt_task& task;
    const Process* process;  // may be null
    std::optional<std::string_view> user;
    std::optional<std::int64_t> start_time_ns;
};

void write_process(Line& line, const ProcessFields& fields, UtcTimeFormat& start_time) {
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

void write_task(Line& line, const Event& event, const Context& context, UtcTimeFormat& start_time) {
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

void write_owner(Line& line, const std::optional<Owner>& owner, UtcTimeFormat& start_time) {
    if (!owner) return line.null();
    write_process(line,
                  {.task = owner->task,
                   .process = owner->process ? &*owner->process : nullptr,
                   .user = owner->user,
                   .start_time_ns = owner->start_time_ns},
                  start_time);
}

// How it came to the port: by which call, or "inherited" where who has it is not who claimed it.
std::string_view acquired_word(const Holder& holder) {
    if (holder.process && holder.last_process) return "inherited";
    if (holder.raw.has_claim == 0) return "";
    if (holder.raw.since_ns == 0) return "before-start";
    return op_name(holder.raw.op);
}

void write_holder(Line& line, const Holder& holder, std::uint64_t failed_ns, UtcTimeFormat& since,
                  UtcTimeFormat& start_time) {
    const bt_sock& sock = holder.raw.sock;
    const std::string_view protocol = protocol_name(sock.protocol, sock.type);
    const bool is_tcp = protocol == "tcp" || protocol == "mptcp";
    line.raw("{\"state\":");
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
        line.time(since, *holder.since_ns);
    } else {
        line.null();
    }
    line.raw(",\"held_ns\":");
    line.number_or_null(holder.raw.since_ns != 0 && holder.raw.since_ns <= failed_ns, failed_ns - holder.raw.since_ns);
    write_sockopt(line, (holder.raw.flags & BT_EVENT_HAS_SOCKOPT) != 0, sock);
    write_socket(line, sock, holder.raw.substate, holder.socket_cgroup_path, is_tcp);
    write_netns(line, sock.netns, holder.netns_name);
    line.raw(",\"process\":");
    write_owner(line, holder.process, start_time);
    line.raw(",\"last_process\":");
    write_owner(line, holder.last_process, start_time);
    line.raw(",\"unit\":");
    const std::optional<Owner>& owner = holder.process ? holder.process : holder.last_process;
    line.string_or_null(owner && owner->cgroup_path ? unit_of_cgroup(*owner->cgroup_path) : std::nullopt);
    line.raw(",\"socket_unit\":");
    line.string_or_null(socket_unit(holder));
    line.raw(",\"container\":null,\"pod\":null}");  // not looked for yet
}

void write_conflict(Line& line, const Conflict* conflict, std::uint64_t failed_ns, UtcTimeFormat& since,
                    UtcTimeFormat& start_time) {
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
        write_holder(line, conflict->holders[i], failed_ns, since, start_time);
    }
    line.raw("],\"in_the_way\":");
    line.number(conflict->in_the_way);
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

}  // namespace

void JsonSink::record(const Record& record, std::string& out) {
    const Event& event = record.event;
    const Context& context = record.context;
    const std::string_view protocol =
        has(event, BT_EVENT_HAS_SOCK) ? protocol_name(event.sock.protocol, event.sock.type) : "";

    Line line(out);
    write_start(line, kind_name(event.kind), time_, context.time_ns, event.ktime_ns);
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
    line.raw(",\"held_ns\":");
    line.number_or_null(has(event, BT_EVENT_HAS_HELD), event.held_ns);
    line.raw(",\"old_state\":");
    line.word_or_null(event.kind == BT_KIND_STATE ? tcp_state_name(event.sock.old_state) : "");
    write_conflict(line, record.conflict, event.ktime_ns, since_, start_time_);
    line.raw("}\n");
}

void JsonSink::meta(const Meta& meta, std::string& out) {
    Line line(out);
    write_start(line, "meta", time_, meta.time_ns, meta.ktime_ns);
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
    Line line(out);
    write_start(line, "loss", time_, loss.time_ns, loss.ktime_ns);
    line.raw(",\"reason\":");
    line.word_or_null(loss_reason_name(loss.reason));
    line.raw(",\"count\":");
    line.number(loss.count);
    line.raw("}\n");
}

}  // namespace bindtrace
