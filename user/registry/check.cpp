// SPDX-License-Identifier: MIT
#include "registry/check.h"

#include <fmt/format.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <cstring>
#include <set>

#include "model/endpoint.h"
#include "model/names.h"
#include "registry/risks.h"

namespace bindtrace {
namespace {

// TIME_WAIT, or a connection that its process has closed. One that the kernel gave its port refuses any server; one
// that a server accepted refuses only a server that does not set SO_REUSEADDR.
bool is_leftover(const HeldSocket& socket) {
    const bt_holder& raw = socket.holder.raw;
    return is_connection(raw.sock) && raw.sock.inode == 0 && raw.of_kernel == 0 &&
           (raw.flags & BT_EVENT_EPHEMERAL) == 0;
}

struct Found {
    std::vector<const HeldSocket*> sockets;
    std::size_t leftovers = 0;
};

// Connections of a port that somebody listens on are that server's, and no claim of their own.
Found find_sockets(const PortEntry& entry, const HeldSockets& held, std::uint32_t netns) {
    std::set<std::uint16_t> served;
    for (const HeldSocket& socket : held.sockets) {
        const bt_sock& sock = socket.holder.raw.sock;
        if (!is_connection(sock) && concerns(entry, sock, netns)) served.insert(sock.local_port);
    }
    Found found;
    for (const HeldSocket& socket : held.sockets) {
        const bt_sock& sock = socket.holder.raw.sock;
        if (!concerns(entry, sock, netns)) continue;
        if (is_connection(sock) && served.contains(sock.local_port)) continue;
        if (is_leftover(socket))
            ++found.leftovers;
        else
            found.sockets.push_back(&socket);
    }
    return found;
}

// Where it names none and nothing is found it is as it should be, if it is sure that there is nothing.
void judge_nobody(CheckedEntry& checked, const HeldSockets& held, std::size_t leftovers) {
    const PortEntry& entry = *checked.entry;
    if (!held.complete) {
        checked.status = PortStatus::unknown;
        checked.reason = "there were too many sockets to look at all of them";
    } else if (!entry.owners.empty()) {
        checked.status = PortStatus::free;
        if (leftovers > 0)
            checked.reason = fmt::format(
                "{} closed connection{} of it linger: a server without SO_REUSEADDR would be refused for a minute",
                leftovers, leftovers > 1 ? "s" : "");
    } else if (!held.with_processes && entry.protocol == IPPROTO_TCP) {
        checked.status = PortStatus::unknown;
        checked.reason = "nobody listens, but without BPF a socket that is bound and does not listen is not seen";
    } else {
        checked.status = PortStatus::ok;
    }
}

void judge(CheckedEntry& checked, const HeldSockets& held, std::size_t leftovers) {
    const auto first_that = [&](Match match) {
        return std::ranges::find(checked.claims, match, [](const Claim& claim) { return claim.match.match; });
    };
    // All claims are the owner's where this is asked.
    const auto is_bound = [](const Claim& claim) { return !is_connection(claim.socket->holder.raw.sock); };
    const auto serves = [](const Claim& claim) { return is_served(*claim.socket); };
    if (first_that(Match::no) != checked.claims.end()) {
        checked.status = PortStatus::taken;
    } else if (const auto claim = first_that(Match::unknown); claim != checked.claims.end()) {
        checked.status = PortStatus::unknown;
        checked.reason = claim->match.why;
    } else if (checked.claims.empty()) {
        judge_nobody(checked, held, leftovers);
    } else if (std::ranges::any_of(checked.claims, serves)) {
        checked.status = PortStatus::ok;
    } else {
        checked.status = PortStatus::free;
        checked.reason = std::ranges::any_of(checked.claims, is_bound)
                             ? "its owner has bound it, and does not listen on it"
                             : "its owner has connections from it, and does not listen on it";
    }
}

CheckedEntry check_entry(const PortEntry& entry, const HostState& host) {
    CheckedEntry checked;
    checked.entry = &entry;
    const NetnsState& netns = host.netns.at(entry.netns.value_or(""));
    checked.netns = netns.inum;
    if (!netns.inum) {
        checked.reason = entry.netns ? fmt::format("there is no network namespace '{}' to be seen", *entry.netns)
                                     : "the network namespace is not known";
        return checked;
    }
    if (!host.held.with_processes && entry.netns) {
        checked.reason = "without BPF other network namespaces are not seen";
        return checked;
    }
    const Found found = find_sockets(entry, host.held, *netns.inum);
    for (const HeldSocket* socket : found.sockets)
        checked.claims.push_back({socket, match_owners(entry.owners, *socket, host.units)});
    // Those in the way first.
    std::ranges::stable_sort(checked.claims, {}, [](const Claim& claim) { return claim.match.match; });
    judge(checked, host.held, found.leftovers);
    return checked;
}

}  // namespace

std::string_view status_word(PortStatus status) {
    constexpr std::string_view kWords[] = {"ok", "free", "taken", "unknown"};
    return kWords[static_cast<std::size_t>(status)];
}

std::string_view risk_word(RiskKind kind) {
    constexpr std::string_view kWords[] = {"range-overlap",   "privileged-port",   "socket-without-service",
                                           "declared-twice",  "dual-stack-shadow", "reuseport-shared",
                                           "wildcard-exposed"};
    return kWords[static_cast<std::size_t>(kind)];
}

std::vector<CheckedEntry> check_ports(std::span<const PortEntry> entries, const HostState& host) {
    std::vector<CheckedEntry> all;
    for (const PortEntry& entry : entries) all.push_back(check_entry(entry, host));
    add_risks(all, host);
    return all;
}

std::string holder_words(const HeldSocket& socket) {
    const bt_holder& raw = socket.holder.raw;
    const bt_sock& sock = raw.sock;
    std::string text;
    if (!socket.users.empty()) {
        const Owner& user = socket.users.front();
        text = fmt::format("{}[{}]", std::string_view(user.task.comm, strnlen(user.task.comm, sizeof(user.task.comm))),
                           user.task.key.pid);
        if (socket.users.size() > 1) text += fmt::format(" and {} more", socket.users.size() - 1);
    } else if (raw.of_kernel != 0) {
        text = "the kernel";
    } else if (sock.inode == 0) {
        text = fmt::format("a connection that was closed ({})", tcp_state_name(raw.substate));
    } else {
        text = fmt::format("a process of uid {}", raw.uid);
    }
    if (const auto unit = socket_unit(socket.holder)) {
        text += " for " + *unit;
    } else if (const auto place = unit_of(socket.holder)) {
        text += " of " + *place;
    }
    if (is_connection(sock)) {
        text += ", source port of its connection to ";
        append_endpoint(text, sock.family, sock.remote_addr, sock.remote_port);
    } else if (sock.state == TCP_CLOSE && has_ports_of(sock, IPPROTO_TCP)) {
        text += ", bound and not listening";
    }
    return text;
}

}  // namespace bindtrace
