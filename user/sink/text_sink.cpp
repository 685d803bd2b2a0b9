// SPDX-License-Identifier: MIT
#include "sink/text_sink.h"

#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <iterator>
#include <string_view>

#include "model/conflict.h"
#include "model/endpoint.h"
#include "model/names.h"
#include "model/warning.h"
#include "sink/escape.h"

namespace bindtrace {
namespace {

constexpr std::size_t kKindColumn = 14;
constexpr std::size_t kProtocolColumn = 23;
constexpr std::size_t kClaimColumn = 28;
constexpr std::size_t kOutcomeColumns[] = {52, 62, 72};  // one end; two IPv4 ends; two IPv6 ends
constexpr std::size_t kOutcomeWidth = 15;                // EADDRNOTAVAIL and two spaces

constexpr std::string_view kPlain;
constexpr std::string_view kDim = "\x1b[2m";
constexpr std::string_view kBold = "\x1b[1m";
constexpr std::string_view kRedBold = "\x1b[1;31m";
constexpr std::string_view kYellowBold = "\x1b[1;33m";
constexpr std::string_view kReset = "\x1b[0m";

bool has(const Event& event, bt_event_flag flag) {
    return (event.flags & flag) != 0;
}

// Appends painted pieces to a line and knows the column it is in.
class Painter {
  public:
    Painter(std::string& out, bool colour) : out_(out), colour_(colour) {}

    // `text` is ASCII without controls, so that its size is its width.
    void field(std::string_view style, std::string_view text) {
        const bool painted = colour_ && !style.empty();
        if (painted) out_.append(style);
        out_.append(text);
        if (painted) out_.append(kReset);
        column_ += text.size();
    }

    // Ends the field: blanks up to `column`, at least `gap` of them.
    void pad_to(std::size_t column, std::size_t gap) {
        const std::size_t blanks = std::max(gap, column > column_ ? column - column_ : 0);
        out_.append(blanks, ' ');
        column_ += blanks;
    }

    void begin(std::string_view style) {
        if (colour_) out_.append(style);
    }
    void end() {
        if (colour_) out_.append(kReset);
    }

    std::size_t column() const { return column_; }

  private:
    std::string& out_;
    const bool colour_;
    std::size_t column_ = 0;
};

// The first stop that the endpoint, which ends before `column`, leaves free; 0 = none.
std::size_t outcome_column(std::size_t column) {
    const auto* const stop = std::find_if(std::begin(kOutcomeColumns), std::end(kOutcomeColumns),
                                          [column](std::size_t free) { return column + 2 <= free; });
    return stop != std::end(kOutcomeColumns) ? *stop : 0;
}

void write_time(Painter& line, ClockTimeFormat& format, std::int64_t time_ns) {
    std::array<char, ClockTimeFormat::kLength> text;
    format.write(text.data(), time_ns);
    line.field(kDim, {text.data(), text.size()});
    line.pad_to(kKindColumn, 2);
}

void append_remote(const bt_sock& sock, std::string& out) {
    if (sock.remote_port == 0) return;
    out.append(" -> ");
    append_endpoint(out, sock.family, sock.remote_addr, sock.remote_port);
}

void append_local(const bt_sock& sock, std::string& out) {
    append_endpoint(out, sock.family, sock.local_addr, sock.local_port);
}

// What a bind asked for, as far as it could be read: bind(2) takes any bytes for an address.
void append_request(const Event& event, std::string& out) {
    if (!has(event, BT_EVENT_HAS_REQUEST)) {
        out.append("address unknown");
    } else if (event.addr_family == AF_INET || event.addr_family == AF_INET6) {
        append_endpoint(out, event.addr_family, event.addr, event.port);
    } else {
        fmt::format_to(std::back_inserter(out), "address family {}", event.addr_family);
    }
}

void append_bind(const Event& event, std::string& out) {
    const bt_sock& sock = event.sock;
    const bool has_sock = has(event, BT_EVENT_HAS_SOCK);
    if (event.error == 0 && has_sock) {
        if (sock.local_port == 0 && sock.type == SOCK_RAW) return append_address(out, sock.family, sock.local_addr);
        return append_local(sock, out);
    }
    append_request(event, out);
    if (has_sock && sock.local_port != 0) {
        out.append(" (bound to ");
        append_local(sock, out);
        out.push_back(')');
    }
}

// The port claim that the event is about: the place asked for when it failed, the place held otherwise.
void append_claim(const Event& event, std::string& out) {
    const bt_sock& sock = event.sock;
    if (event.kind == BT_KIND_BIND) return append_bind(event, out);
    if (!has(event, BT_EVENT_HAS_SOCK)) return append_request(event, out);
    if (event.kind == BT_KIND_AUTOBIND && sock.local_port == 0) {
        out.append("no port");
    } else {
        append_local(sock, out);
    }
    append_remote(sock, out);
}

void append_state(std::uint8_t state, std::string& out) {
    const std::string_view name = tcp_state_name(state);
    out.append(name.empty() ? "?" : name);
}

void append_outcome(const Event& event, std::string& out) {
    if (event.error != 0) {
        out.append(errno_name(event.error));
    } else if (event.kind == BT_KIND_STATE) {
        append_state(event.sock.old_state, out);
        out.append(" -> ");
        append_state(event.sock.state, out);
    } else if (event.kind == BT_KIND_RELEASE) {
        out.append("held ");
        if (has(event, BT_EVENT_HAS_HELD)) {
            append_duration(out, event.held_ns);
        } else {
            out.append("since before start");
        }
    } else {
        out.append("ok");
        if (has(event, BT_EVENT_EPHEMERAL) && event.kind != BT_KIND_AUTOBIND) out.append(" ephemeral");
        if (event.kind == BT_KIND_BIND && event.sock.local_port == 0 && (event.sock.opts & BT_OPT_NO_PORT) != 0) {
            out.append(" no port");
        }
    }
}

// A cgroup path with the 64-digit ids of containers cut to the 12 that docker ps and crictl ps show:
// "/system.slice/docker-0123456789ab~.scope".
void append_cgroup_path(std::string_view path, std::string& out) {
    constexpr std::size_t kLongId = 32;
    constexpr std::size_t kShortId = 12;
    constexpr std::string_view kHexDigits = "0123456789abcdef";
    while (!path.empty()) {
        const std::size_t run = std::min(path.find_first_not_of(kHexDigits), path.size());
        if (run >= kLongId) {
            out.append(path.substr(0, kShortId));
            out.push_back('~');
            path.remove_prefix(run);
        }
        // Up to and including the next byte after which an id may begin.
        const std::size_t next = std::min(path.find_first_of("/-_.:", run >= kLongId ? 0 : run), path.size());
        const std::size_t end = std::min(next + 1, path.size());
        append_text(out, path.substr(0, end));
        path.remove_prefix(end);
    }
}

void append_netns(const Event& event, const Context& context, std::string& out) {
    if (event.sock.netns == 0 || context.netns_name == "host") return;
    out.append(" netns ");
    if (context.netns_name) {
        append_text(out, *context.netns_name);
    } else {
        fmt::format_to(std::back_inserter(out), "{}", event.sock.netns);
    }
}

struct LossWords {
    std::string_view what;
    std::string_view why;
};

// What was lost, why, and what to do, for somebody who has not read the manual.
LossWords loss_words(LossReason reason) {
    switch (reason) {
        case LossReason::ring_full:
            return {"event", "ring buffer full; narrow it with --port, --proto or --netns"};
        case LossReason::map_full:
            return {"event", "map full, holders may be missing; narrow it with --port or --netns"};
        case LossReason::recursion:
            return {"event", "a probe was interrupted by itself; ss -tulnp shows who holds ports now"};
        case LossReason::kretprobe_missed:
            return {"event", "too many calls at once for kretprobe; try --attach fentry"};
        case LossReason::decode:
            return {"record", "not understood; please report it with the output of bindtrace doctor"};
    }
    return {"event", "unknown reason"};
}

}  // namespace

void TextSink::append_host(std::string& out) {
    if (!options_.tells_host) return;
    const std::size_t begin = out.size();
    append_text(out, hosts_.current().empty() ? "?" : hosts_.current());
    out.resize(std::max(begin + host_width_, out.size() + 2), ' ');
}

void TextSink::record(const Record& record, std::string& out) {
    const Event& event = record.event;
    const Context& context = record.context;
    const bool failed = event.error != 0;
    claim_.clear();
    append_claim(event, claim_);
    outcome_.clear();
    append_outcome(event, outcome_);
    const std::string_view kind = kind_name(event.kind);
    const std::string_view protocol =
        has(event, BT_EVENT_HAS_SOCK) ? protocol_name(event.sock.protocol, event.sock.type) : "";

    append_host(out);
    Painter line(out, options_.colour);
    write_time(line, time_, context.time_ns);
    line.field(kPlain, kind.empty() ? "?" : kind);
    line.pad_to(kProtocolColumn, 1);
    line.field(kPlain, protocol.empty() ? "-" : protocol);
    line.pad_to(kClaimColumn, 1);
    line.field(failed ? kBold : kPlain, claim_);
    line.pad_to(outcome_column(line.column()), 2);
    const std::size_t began = line.column();
    line.field(failed ? kRedBold : kPlain, outcome_);
    line.pad_to(began + kOutcomeWidth, 2);

    if (has(event, BT_EVENT_HAS_TASK)) {
        line.begin(failed ? kBold : kPlain);
        append_text(out, {event.task.comm, strnlen(event.task.comm, sizeof(event.task.comm))});
        fmt::format_to(std::back_inserter(out), "[{}]", event.task.key.pid);
        if (failed) line.end();
    } else {
        out.push_back('-');
    }
    append_netns(event, context, out);
    if (has(event, BT_EVENT_HAS_TASK) && context.cgroup_path && *context.cgroup_path != "/") {
        out.push_back(' ');
        line.begin(kDim);
        const std::string container = context.container != nullptr ? container_words(*context.container) : "";
        container.empty() ? append_cgroup_path(*context.cgroup_path, out) : append_text(out, container);
        line.end();
    }
    out.push_back('\n');
    if (record.conflict != nullptr) append_conflict(*record.conflict, out);
}

// A line under what it explains.
void TextSink::explain(std::string_view label, std::string_view text, std::string& out) const {
    Painter line(out, options_.colour);
    out.append(host_width_ + kKindColumn, ' ');
    line.begin(kDim);
    out.append(label);
    line.end();
    append_text(out, text);
    out.push_back('\n');
}

void TextSink::append_advice(const std::vector<std::string>& advice, std::size_t room, std::string& out) const {
    for (std::size_t i = 0; i < std::min(room, advice.size()); ++i) explain(i == 0 ? "fix: " : " or: ", advice[i], out);
}

// At most four lines; one where the rest has been said before.
void TextSink::append_conflict(const Conflict& conflict, std::string& out) const {
    explain("", conflict.summary, out);
    if (conflict.told_before) return;
    if (conflict.rule) explain("why: ", *conflict.rule, out);
    append_advice(conflict.advice, conflict.rule ? 2 : 3, out);
}

void TextSink::warning(const Warning& warning, const WarningWords& words, std::string& out) {
    const bt_sock& sock = warning.claim.raw.sock;
    claim_.clear();
    append_local(sock, claim_);
    append_remote(sock, claim_);
    append_host(out);
    Painter line(out, options_.colour);
    write_time(line, time_, warning.time_ns);
    line.field(kYellowBold, "warning");
    line.pad_to(kProtocolColumn, 1);
    const std::string_view protocol = protocol_name(sock.protocol, sock.type);
    line.field(kPlain, protocol.empty() ? "-" : protocol);
    line.pad_to(kClaimColumn, 1);
    line.field(kBold, claim_);
    line.pad_to(outcome_column(line.column()), 2);
    const std::string_view reason = warning_reason_name(warning.reason);
    line.field(kYellowBold, reason.empty() ? "?" : reason);
    out.push_back('\n');
    explain("", words.summary, out);
    append_advice(words.advice, 3, out);
}

void TextSink::meta(const Meta& meta, std::string& out) {
    hosts_.name(meta.host);
    if (options_.tells_host) {
        std::string name;
        append_text(name, meta.host);
        host_width_ = std::max(host_width_, name.size() + 2);
    }
    Painter line(out, options_.colour);
    line.begin(kDim);
    out.append("bindtrace ");
    append_text(out, meta.version);
    out.append(" on ");
    append_text(out, meta.host);
    out.append(", kernel ");
    append_text(out, meta.kernel);
    out.append(", strategy ");
    append_text(out, meta.strategy);
    out.append(meta.filters.empty() ? ", no filters" : ", filters");
    for (const std::string& filter : meta.filters) {
        out.push_back(' ');
        append_text(out, filter);
    }
    line.end();
    out.push_back('\n');
}

void TextSink::loss(const Loss& loss, std::string& out) {
    const LossWords words = loss_words(loss.reason);
    append_host(out);
    Painter line(out, options_.colour);
    write_time(line, time_, loss.time_ns);
    line.begin(kYellowBold);
    fmt::format_to(std::back_inserter(out), "-- {} {}{} lost: {} --", loss.count, words.what,
                   loss.count == 1 ? "" : "s", words.why);
    line.end();
    out.push_back('\n');
}

}  // namespace bindtrace
