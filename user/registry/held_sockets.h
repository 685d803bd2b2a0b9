// SPDX-License-Identifier: MIT
#pragma once

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <vector>

#include "model/conflict.h"

namespace bindtrace {

// A socket that has a port, with everybody who has it open, the one that has run longest first.
struct HeldSocket {
    Holder holder;
    std::vector<Owner> users;
};

struct HeldSockets {
    std::vector<HeldSocket> sockets;
    bool complete = true;        // false: there were more
    bool with_processes = true;  // false: for want of privilege neither who has a socket open is known, nor TCP sockets
                                 // that are bound and do not listen, nor those of other network namespaces
};

inline bool is_connection(const bt_sock& sock) {
    return sock.remote_port != 0;
}

// MPTCP takes ports of TCP.
inline bool has_ports_of(const bt_sock& sock, std::uint16_t protocol) {
    constexpr std::uint16_t kMptcp = 262;
    return sock.type != SOCK_RAW && (sock.protocol == protocol || (sock.protocol == kMptcp && protocol == IPPROTO_TCP));
}

// Clients reach something there: a TCP socket listens, or what comes for a published port never gets to it.
inline bool is_served(const HeldSocket& socket) {
    const bt_sock& sock = socket.holder.raw.sock;
    return !is_connection(sock) &&
           (!has_ports_of(sock, IPPROTO_TCP) || sock.state == TCP_LISTEN || socket.holder.published.has_value());
}

}  // namespace bindtrace
