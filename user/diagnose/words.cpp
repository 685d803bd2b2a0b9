// SPDX-License-Identifier: MIT
#include "diagnose/words.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <iterator>

#include "bindtrace/rules.h"
#include "model/endpoint.h"
#include "model/names.h"
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

std::string comm_of(const bt_task& task) {
    return {task.comm, strnlen(task.comm, sizeof(task.comm))};
}

std::optional<std::string> unit_of(const Owner& owner) {
    return owner.cgroup_path ? unit_of_cgroup(*owner.cgroup_path) : std::nullopt;
}

// "java[1312] config-client.service"
std::string name_of(const Owner& owner) {
    std::string text = fmt::format("{}[{}]", comm_of(owner.task), owner.task.key.pid);
    if (const auto unit = unit_of(owner)) text += " " + *unit;
    return text;
}

std::string name_of(const Holder& holder) {
    if (const auto unit = socket_unit(holder)) return *unit + (holder.process ? " in " + name_of(*holder.process) : "");
    if (holder.process) {
        std::string text = name_of(*holder.process);
        if (holder.last_process)
            text += " (inherited from " + name_of(*holder.last_process) +
                    (holder.last_process_exited ? ", which has exited)" : ", which has closed it)");
        return text;
    }
    return holder.raw.sock.inode == 0 ? "no process" : "a process that is not known";
}

// What the holder does with the port.
std::string doing(const Holder& holder, Cause cause) {
    const bt_sock& sock = holder.raw.sock;
    switch (cause) {
        case Cause::listener:
            return "listens on " + local_end(sock);
        case Cause::bound:
            return sock.remote_port != 0 ? "a connection with " + remote_end(sock) + " that is still open"
                                         : "bound to " + local_end(sock) + " without listening";
        case Cause::ephemeral:
            return "source port of its connection to " + remote_end(sock);
        case Cause::time_wait:
            return "TIME_WAIT after a connection with " + remote_end(sock);
        case Cause::closing:
            return fmt::format("a connection with {} that is being closed ({})", remote_end(sock),
                               tcp_state_name(holder.raw.substate));
        case Cause::udp_holder:
            return "bound to " + local_end(sock);
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

std::string requested_port(const Case& about) {
    return std::to_string(about.refusal != nullptr ? about.refusal->claimant.local_port : about.event.port);
}

// "both cover 127.0.0.1", or nothing where the two name the same address.
std::string overlap_words(const bt_sock& mine, const bt_sock& theirs) {
    if (mine.family == theirs.family && std::memcmp(mine.local_addr, theirs.local_addr, 16) == 0) return "";
    if (mine.family != theirs.family) {
        const bt_sock& six = mine.family == AF_INET6 ? mine : theirs;
        std::string address;
        append_address(address, six.family, six.local_addr);
        return fmt::format("[{}] without IPV6_V6ONLY takes IPv4 addresses too; ", address);
    }
    return fmt::format("{} and {} overlap; ", local_end(mine), local_end(theirs));
}

std::string sharing_words(const Case& about, const Holder& holder) {
    if (about.has(Factor::reuseport_uid_mismatch))
        return fmt::format("SO_REUSEPORT shares only between sockets of one user, and theirs are uid {} and {}",
                           about.refusal->claimant_uid, holder.raw.uid);
    if (about.has(Factor::reuseport_missing_requester) && !about.has(Factor::reuseport_missing_holder))
        return "SO_REUSEPORT shares a port only if both sockets set it, and the one that failed did not";
    if (about.has(Factor::reuseport_missing_holder) && !about.has(Factor::reuseport_missing_requester))
        return "SO_REUSEPORT shares a port only if both sockets set it, and the holder's did not";
    if (holder.raw.sock.state == TCP_LISTEN)
        return "a listening socket shares its port with nobody, SO_REUSEADDR or not";
    const bool mine = about.has(Factor::reuseaddr_missing_requester);
    const bool theirs = about.has(Factor::reuseaddr_missing_holder);
    if (mine && theirs) return "neither socket set SO_REUSEADDR";
    if (mine) return "SO_REUSEADDR counts only if both sockets set it, and the one that failed did not";
    if (theirs) return "SO_REUSEADDR counts only if both sockets set it, and the holder's did not";
    return "the two sockets do not share";
}

std::string restart(const Case& about) {
    return about.unit && !about.unit->ends_with(".scope") ? ", then systemctl restart " + *about.unit
                                                          : ", then start it again";
}

std::string stop_holder(const Holder& holder) {
    if (const auto unit = socket_unit(holder)) return "systemctl disable --now " + *unit;
    const Owner* owner = holder.process ? &*holder.process : nullptr;
    if (owner == nullptr) return "";
    const auto unit = unit_of(*owner);
    if (unit && unit->ends_with(".service")) return "systemctl stop " + *unit;
    return "stop " + name_of(*owner);
}

void advise_reserving(const Case& about, std::vector<std::string>& advice) {
    if (!about.has(Factor::range_overlap)) return;
    const std::string port = requested_port(about);
    advice.push_back(
        fmt::format(
            "keep clients off it: add {0} to net.ipv4.ip_local_reserved_ports (sysctl -w, and in /etc/sysctl.d)",
            port) +
        restart(about));
}

void advise_reuseaddr(const Case& about, std::vector<std::string>& advice) {
    if (about.has(Factor::reuseaddr_missing_holder)) return;  // it would not help
    if (about.has(Factor::reuseaddr_missing_requester))
        advice.emplace_back("set SO_REUSEADDR on the socket before bind: the holder's has it already");
}

void advise_about_holder(const Case& about, std::vector<std::string>& advice) {
    const Holder& holder = *about.holder();
    const std::string stop = stop_holder(holder);
    switch (about.verdict.cause) {
        case Cause::ephemeral:
            advise_reserving(about, advice);
            break;
        case Cause::time_wait:
        case Cause::closing:
            advise_reuseaddr(about, advice);
            if (about.has(Factor::reuseaddr_missing_holder))
                advice.emplace_back("set SO_REUSEADDR on both sockets; this one is free again after a minute at most" +
                                    restart(about));
            if ((holder.raw.flags & BT_EVENT_EPHEMERAL) != 0) advise_reserving(about, advice);
            break;
        case Cause::listener:
        case Cause::bound:
        case Cause::udp_holder:
        default:
            if (about.has(Factor::same_process)) {
                advice.emplace_back(
                    "the process has this port open already: let it bind once, or close the first socket");
                break;
            }
            if (about.has(Factor::same_unit))
                advice.push_back("an earlier instance of " + *about.unit + " is still there: wait for it to end" +
                                 restart(about));
            if (about.has(Factor::reuseport_missing_requester) && !about.has(Factor::reuseport_missing_holder))
                advice.emplace_back("to share the port, set SO_REUSEPORT on this socket too, as the holder's does");
            advise_reuseaddr(about, advice);
            if (about.verdict.cause == Cause::bound && holder.raw.sock.remote_port != 0 &&
                about.has(Factor::reuseaddr_missing_holder))
                advice.emplace_back(
                    "have the server set SO_REUSEADDR before bind: then its old connections block nobody");
            if (about.has(Factor::dual_stack))
                advice.emplace_back("set IPV6_V6ONLY on the IPv6 socket before bind, so that each family has its own");
            if (!stop.empty() && !about.has(Factor::same_unit))
                advice.push_back(stop + restart(about) + ", or give one of the two another port");
            break;
    }
}

void advise_about_request(const Case& about, std::vector<std::string>& advice) {
    const std::string port = requested_port(about);
    switch (about.verdict.cause) {
        case Cause::address_not_local:
            advice.emplace_back("add the address to an interface (ip addr), or bind 0.0.0.0 or [::]");
            advice.emplace_back(
                "if it comes later: After=network-online.target in the unit, or IP_FREEBIND on the socket");
            break;
        case Cause::privileged_port:
            if (about.unit && about.unit->ends_with(".service"))
                advice.push_back("AmbientCapabilities=CAP_NET_BIND_SERVICE in a drop-in of " + *about.unit);
            else if (about.context.process != nullptr && about.context.process->exe)
                advice.push_back("setcap cap_net_bind_service=+ep " + *about.context.process->exe);
            advice.push_back("take a port from " + std::to_string(about.refusal->unprivileged_start) + " on");
            break;
        case Cause::denied:
            advice.emplace_back(
                "look for SocketBindDeny= or RestrictAddressFamilies= in the unit, and for a denial in "
                "the audit log (AppArmor, SELinux)");
            break;
        case Cause::exhausted:
            advice.emplace_back(
                "ss -tan shows who has them; widen net.ipv4.ip_local_port_range, or have clients keep "
                "connections open instead of making new ones");
            break;
        case Cause::already_bound:
            advice.emplace_back("a socket binds once: make a new one for the second address");
            break;
        case Cause::no_memory:
            advice.emplace_back("look for memory limits of the cgroup (memory.max) and in dmesg");
            break;
        case Cause::bad_request:
            advice.emplace_back("the call itself is wrong: strace -e trace=network shows it");
            break;
        default:
            break;
    }
}

}  // namespace

bool Case::has(Factor factor) const {
    return std::ranges::find(verdict.factors, factor) != verdict.factors.end();
}

std::string summary_of(const Case& about) {
    const std::string errno_text = errno_name(about.event.error);
    if (const Holder* holder = about.holder()) {
        std::string text = possession(about, *holder) + ": " + doing(*holder, about.verdict.cause);
        if (about.verdict.in_the_way > 1) text += fmt::format(", and {} more", about.verdict.in_the_way - 1);
        return text;
    }
    switch (about.verdict.cause) {
        case Cause::address_not_local:
            return "no interface of this network namespace has the address";
        case Cause::privileged_port:
            return fmt::format("ports below {} need CAP_NET_BIND_SERVICE", about.refusal->unprivileged_start);
        case Cause::denied:
            return "refused by policy: a security module or a cgroup's BPF program";
        case Cause::exhausted:
            if (about.refusal != nullptr && about.refusal->ephemeral_last != 0)
                return fmt::format("no port is free in {}-{} for this", about.refusal->ephemeral_first,
                                   about.refusal->ephemeral_last);
            return "no ephemeral port is free for this";
        case Cause::already_bound:
            return "the socket is bound already, to " + local_end(about.event.sock);
        case Cause::no_memory:
            return "the kernel had no memory for it";
        case Cause::bad_request:
            return "the kernel cannot do what was asked (" + errno_text + ")";
        default:
            break;
    }
    if (about.event.error == EADDRINUSE) return "nobody was found in the way: the holder had let go already";
    return "no cause is known for " + errno_text;
}

std::optional<std::string> rule_of(const Case& about) {
    const Holder* holder = about.holder();
    if (holder == nullptr || about.refusal == nullptr) return std::nullopt;
    if (about.event.kind == BT_KIND_AUTOBIND) return "a connection with the same two ends exists already";
    std::string text = overlap_words(about.refusal->claimant, holder->raw.sock) + sharing_words(about, *holder);
    if (about.verdict.cause == Cause::ephemeral && about.has(Factor::range_overlap))
        text += fmt::format("; {} lies in net.ipv4.ip_local_port_range ({}-{}) and is not reserved",
                            about.refusal->claimant.local_port, about.refusal->ephemeral_first,
                            about.refusal->ephemeral_last);
    return text;
}

std::vector<std::string> advice_for(const Case& about) {
    std::vector<std::string> advice;
    if (about.holder() != nullptr)
        advise_about_holder(about, advice);
    else
        advise_about_request(about, advice);
    return advice;
}

}  // namespace bindtrace
