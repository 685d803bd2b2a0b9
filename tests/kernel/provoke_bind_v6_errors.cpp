// SPDX-License-Identifier: MIT
// The errnos of bind(2) that only IPv6 has.
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "provoke.h"
#include "provoke_socket.h"

namespace bindtrace {
namespace {

constexpr std::uint32_t kNoSuchDevice = 4242;

Case fails_v6(const char* name, const Protocol& protocol, const Endpoint& ask, int error) {
    return {name, [=](Story& story) {
                Sock sock(story, protocol);
                sock.bind(ask, error);
            }};
}

void mapped_on_v6only(Story& story) {
    Sock sock(story, kTcp6);
    sock.set(IPPROTO_IPV6, IPV6_V6ONLY);
    sock.bind({"::ffff:127.0.0.1", 8080}, EINVAL);
    sock.bind({"::1", 8080});
}

void short_length_v6(Story& story) {
    const SocketAddress address = to_socket_address({"::1", 8080});
    Sock sock(story, kTcp6);
    sock.bind_bytes(&address.storage, 16, EINVAL);
    sock.bind_bytes(&address.storage, 23, EINVAL);
}

void v4_address(Story& story) {
    const SocketAddress address = to_socket_address({"127.0.0.1", 8080});
    Sock sock(story, kTcp6);
    Json& event = sock.bind_bytes(&address.storage, sizeof(sockaddr_in6), EAFNOSUPPORT).event;
    event.erase("family");
}

void already_bound_v6(Story& story) {
    Sock sock(story, kTcp6);
    sock.bind({"::", 8080});
    sock.bind({"::1", 8081}, EINVAL);
}

}  // namespace

std::vector<Case> bind_v6_error_cases() {
    return {
        fails_v6("bind6-eaddrnotavail-tcp", kTcp6, {"2001:db8::1", 8080}, EADDRNOTAVAIL),
        fails_v6("bind6-eaddrnotavail-udp", kUdp6, {"2001:db8::1", 8080}, EADDRNOTAVAIL),
        fails_v6("bind6-eaddrnotavail-mapped", kTcp6, {"::ffff:192.0.2.1", 8080}, EADDRNOTAVAIL),
        fails_v6("bind6-einval-link-local", kTcp6, {"fe80::1", 8080}, EINVAL),
        fails_v6("bind6-einval-multicast-stream", kTcp6, {"ff02::1", 8080}, EINVAL),
        fails_v6("bind6-enodev", kTcp6, {"fe80::1", 8080, kNoSuchDevice}, ENODEV),
        fails_v6("bind6-enodev-udp", kUdp6, {"fe80::1", 8080, kNoSuchDevice}, ENODEV),
        {"bind6-einval-mapped-v6only", mapped_on_v6only},
        {"bind6-einval-short", short_length_v6},
        {"bind6-eafnosupport", v4_address},
        {"bind6-einval-already-bound", already_bound_v6},
    };
}

}  // namespace bindtrace
