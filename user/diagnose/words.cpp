// SPDX-License-Identifier: MIT
#include "diagnose/words.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "bindtrace/rules.h"
#include "diagnose/holder_words.h"
#include "diagnose/in_the_way.h"
#include "diagnose/not_local.h"
#include "model/endpoint.h"
#include "model/names.h"
#include "model/publisher.h"
#include "model/unit.h"
#include "sink/time_format.h"

namespace bindtrace {
namespace {

std::string local_end(const bt_sock& sock) {
    std::string text;
    append_endpoint(text, sock.family, sock.local_addr, sock.local_port);
    return text;
}

std::string remote_end(const bt_sock& sock) {
    std::string text;
    append_endpoint(text, sock.family, sock.remote_addr, sock.remote_port);
    return text;
}

// What the holder does with the port.
std::string doing(const Holder& holder, Cause cause) {
    const bt_sock& sock = holder.raw.sock;
    const char* const chosen = (holder.raw.flags & BT_EVENT_EPHEMERAL) != 0 ? ", a port the kernel chose for it" : "";
    switch (cause) {
        case Cause::listener:
            return "listens on " + local_end(sock) + chosen;
        case Cause::bound:
            return sock.remote_port != 0 ? "a connection with " + remote_end(sock) + " that is still open"
                                         : "bound to " + local_end(sock) + " without listening" + chosen;
        case Cause::ephemeral:
            return "source port of its connection to " + remote_end(sock);
        case Cause::time_wait:
            return "TIME_WAIT after a connection with " + remote_end(sock);
        case Cause::closing:
            return fmt::format("a connection with {} that is being closed ({})", remote_end(sock),
                               tcp_state_name(holder.raw.substate));
        case Cause::udp_holder:
            return "bound to " + local_end(sock) + chosen;
        default:
            return "a connection with " + remote_end(sock);
    }
}

// "held by java[1312] for 212 ms", or "taken 212 ms ago by java[1312], which has exited".
std::string possession(const Case& about, const Holder& holder) {
    std::string age;
    if (holder.raw.since_ns != 0)
        append_duration(age, about.event.ktime_ns - std::min(holder.raw.since_ns, about.event.ktime_ns));
    if (!holder.process && holder.last_process)
        return fmt::format("taken {} by {}, which has {}", age.empty() ? "before bindtrace started" : age + " ago",
                           name_of(*holder.last_process),
                           holder.last_process_exited ? "exited since" : "closed it since");
    const std::string held = "held by " + name_of(holder);
    if (!age.empty()) return held + " for " + age;
    return holder.raw.has_claim != 0 ? held + " since before bindtrace started" : held;
}

// "0.0.0.0:80 and 10.0.0.1:80 overlap; ", or nothing where the two name the same address.
std::string overlap_words(const bt_sock& mine, const bt_sock& theirs) {
    if (mine.family == theirs.family && std::memcmp(mine.local_addr, theirs.local_addr, 16) == 0) return "";
    if (const bt_sock* both = dual_stack(mine, theirs)) {
        std::string address;
        append_address(address, both->family, both->local_addr);
        return fmt::format("[{}] without IPV6_V6ONLY takes IPv4 addresses too; ", address);
    }
    if (is_unmarked(mine, theirs))
        return fmt::format(
            "0.0.0.0 meets each IPv6 socket without IPV6_V6ONLY, and only a bind to an address sets that by itself: {} "
            "has its address by connect or accept; ",
            local_end(theirs));
    if (bt_same_address(mine.family, mine.local_addr, theirs.family, theirs.local_addr) != 0)
        return fmt::format("{} and {} are the same address; ", local_end(mine), local_end(theirs));
    return fmt::format("{} and {} overlap; ", local_end(mine), local_end(theirs));
}

std::string device_words(const bt_sock& mine, const bt_sock& theirs) {
    if (mine.bound_dev == theirs.bound_dev) return "";
    return "SO_BINDTODEVICE keeps sockets apart only if both are on a device, each on another; ";
}

std::string sharing_words(const Refusal& refusal, const bt_holder& holder) {
    const std::uint32_t mine = refusal.claimant.opts, theirs = holder.sock.opts;
    const bool is_small = holder.sock.state == TCP_TIME_WAIT;  // whose user does not count
    if ((theirs & BT_OPT_REUSEPORT) != 0 && !is_small && holder.uid != refusal.claimant_uid)
        return fmt::format("SO_REUSEPORT shares only between sockets of one user, and theirs are uid {} and {}",
                           refusal.claimant_uid, holder.uid);
    if (((mine ^ theirs) & BT_OPT_REUSEPORT) != 0)
        return fmt::format("SO_REUSEPORT shares a port only if both sockets set it, and {} did not",
                           (theirs & BT_OPT_REUSEPORT) != 0 ? "the one that failed" : "the holder's");
    if (holder.sock.state == TCP_LISTEN) return "a listening socket shares its port with nobody, SO_REUSEADDR or not";
    if (((mine | theirs) & BT_OPT_REUSEADDR) == 0) return "neither socket set SO_REUSEADDR";
    if (((mine ^ theirs) & BT_OPT_REUSEADDR) != 0)
        return fmt::format("SO_REUSEADDR counts only if both sockets set it, and {} did not",
                           (theirs & BT_OPT_REUSEADDR) != 0 ? "the one that failed" : "the holder's");
    return "the two sockets do not share";
}

// "1,234"
std::string grouped(std::size_t number) {
    std::string text = std::to_string(number);
    for (std::size_t at = text.size(); at > 3; at -= 3) text.insert(at - 3, ",");
    return text;
}

// "28,000 by curl[1312] app.service, 232 by TIME_WAIT"
std::string shares_of(const RangeUse& range) {
    constexpr std::size_t kNamed = 3;
    std::string text;
    std::size_t told = 0;
    for (std::size_t i = 0; i < std::min(kNamed, range.shares.size()); ++i) {
        const RangeShare& share = range.shares[i];
        if (!text.empty()) text += ", ";
        text += grouped(share.ports) + " by " + (share.owner ? name_of(*share.owner) : "sockets without a process");
        if (!share.state.empty()) text += fmt::format(" ({})", share.state);
        told += share.ports;
    }
    if (told < range.taken) text += fmt::format(", {} by others", grouped(range.taken - told));
    return text;
}

std::string not_all_seen(std::size_t seen) {
    return fmt::format("of the port's sockets the first {} were looked at, there are more", grouped(seen));
}

std::string exhausted_summary(const Case& about) {
    if (about.refusal == nullptr || about.refusal->ephemeral_last == 0) return "no ephemeral port is free for this";
    const std::uint16_t first = about.refusal->searched_first(), last = about.refusal->searched_last();
    std::string text = fmt::format("no port is free in {}-{}{} for this", first, last,
                                   about.refusal->has_own_range() ? " (the socket's IP_LOCAL_PORT_RANGE)" : "");
    if (!about.verdict.range) return text;
    const RangeUse& range = *about.verdict.range;
    const std::string all = grouped(static_cast<std::size_t>(last) - first + 1);
    if (range.taken != 0) text += fmt::format(": {} of {} are taken, {}", grouped(range.taken), all, shares_of(range));
    if (about.reserved_of_range() != 0)
        text += fmt::format("{}{}{} are reserved (net.ipv4.ip_local_reserved_ports)", range.taken != 0 ? "; " : ": ",
                            grouped(about.reserved_of_range()), range.taken != 0 ? "" : " of " + all);
    return text;
}

std::string summary_of_request(const Case& about);

}  // namespace

bool Case::has(Factor factor) const {
    return std::ranges::find(verdict.factors, factor) != verdict.factors.end();
}

bool Case::may_be_given_out_again() const {
    return holder() != nullptr && (holder()->raw.flags & BT_EVENT_EPHEMERAL) != 0 && has(Factor::range_overlap);
}

bool Case::for_container() const {
    return publishes_ports(event.task, context.process);
}

std::size_t Case::reserved_of_range() const {
    return verdict.range ? verdict.range->reserved.value_or(0) : 0;
}

std::string Case::port() const {
    return std::to_string(refusal != nullptr ? refusal->claimant.local_port : event.port);
}

std::string summary_of(const Case& about) {
    std::string text;
    if (const Holder* holder = about.holder()) {
        text = possession(about, *holder) + ": " + doing(*holder, about.verdict.cause);
        const bool all_seen = about.refusal == nullptr || about.refusal->complete;
        if (about.verdict.in_the_way > 1)
            text += fmt::format(", and {}{} more", all_seen ? "" : "at least ", about.verdict.in_the_way - 1);
        if (!all_seen) text += "; " + not_all_seen(about.refusal->seen);
    } else {
        text = summary_of_request(about);
    }
    if (about.verdict.failures < 3) return text;
    std::string span;
    append_duration(span, about.verdict.failing_ns);
    return text + fmt::format(" ({}failure {} in {})", about.has(Factor::restart_loop) ? "restart loop: " : "",
                              about.verdict.failures, span);
}

namespace {

// Is the protocol one whose ports the kernel side looks up?
bool has_table(const bt_sock& sock) {
    const std::string_view protocol = protocol_name(sock.protocol, sock.type);
    return protocol == "tcp" || protocol == "mptcp" || protocol == "udp" || protocol == "udplite";
}

std::string summary_of_request(const Case& about) {
    const std::string errno_text = errno_name(about.event.error);
    switch (about.verdict.cause) {
        case Cause::address_not_local:
            return summary_of_address(about);
        case Cause::privileged_port:
            return fmt::format("ports below {} need CAP_NET_BIND_SERVICE", about.refusal->unprivileged_start);
        case Cause::denied:
            return "refused by policy: a security module or a cgroup's BPF program";
        case Cause::exhausted:
            return exhausted_summary(about);
        case Cause::already_bound:
            return "the socket is bound already, to " + local_end(about.event.sock);
        case Cause::no_memory:
            return "the kernel had no memory for it";
        case Cause::bad_request:
            return "the kernel cannot do what was asked (" + errno_text + ")";
        default:
            break;
    }
    if (about.event.error == EADDRINUSE && !has_table(about.event.sock))
        return "who has it is not known: of this protocol only what processes have open is looked at";
    if (about.event.error == EADDRINUSE && about.refusal == nullptr)
        return "who has it is not known: the kernel's table was not looked at";
    if (about.event.error == EADDRINUSE && !about.refusal->complete)
        return "who has it is not known: " + not_all_seen(about.refusal->seen);
    if (about.event.error == EADDRINUSE && about.refusal->seen != 0)
        return fmt::format(
            "of {} sockets on the port none was found in the way: the holder had let go already, or what "
            "refused it is not known",
            grouped(about.refusal->seen));
    if (about.event.error == EADDRINUSE) return "nobody was found in the way: the holder had let go already";
    return "no cause is known for " + errno_text;
}

// Why the kernel refuses it, whoever else has a port.
std::optional<std::string> rule_of_request(const Case& about) {
    switch (about.verdict.cause) {
        case Cause::address_not_local:
            return rule_of_address(about);
        case Cause::exhausted:
            if (about.event.kind == BT_KIND_AUTOBIND && about.event.sock.type == SOCK_STREAM)
                return "each connection to one address and port needs a source port of its own";
            return "a port the kernel chooses must be free for all addresses that were asked for";
        case Cause::privileged_port:
            return fmt::format(
                "a port below net.ipv4.ip_unprivileged_port_start ({}) takes CAP_NET_BIND_SERVICE, which "
                "the process does not have there",
                about.refusal->unprivileged_start);
        case Cause::denied:
            return "a cgroup's BPF program or a security module forbids it, whoever has the port";
        case Cause::already_bound:
            return "bind(2) gives a socket its port once";
        case Cause::bad_request:
            return "the kernel looks at the socket and the address before it looks at who has the port";
        case Cause::no_memory:
            return "the kernel notes each port that is taken, and had no memory to do so";
        default:
            return std::nullopt;
    }
}

}  // namespace

std::optional<std::string> rule_of(const Case& about) {
    const Holder* holder = about.holder();
    if (holder == nullptr) return rule_of_request(about);
    if (about.refusal == nullptr) return std::nullopt;
    if (about.event.kind == BT_KIND_AUTOBIND) return "a connection with the same two ends exists already";
    const bt_sock &mine = about.refusal->claimant, &theirs = holder->raw.sock;
    std::string text =
        overlap_words(mine, theirs) + device_words(mine, theirs) + sharing_words(*about.refusal, holder->raw);
    if (about.may_be_given_out_again())
        text += fmt::format("; {} lies in net.ipv4.ip_local_port_range ({}-{}) and is not reserved",
                            about.refusal->claimant.local_port, about.refusal->ephemeral_first,
                            about.refusal->ephemeral_last);
    return text;
}

}  // namespace bindtrace
