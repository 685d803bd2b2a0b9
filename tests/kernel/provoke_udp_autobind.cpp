// SPDX-License-Identifier: MIT
// UDP sockets that get a port by being used.
#include <sys/socket.h>

#include <cerrno>

#include "provoke.h"
#include "provoke_socket.h"
#include "provoke_world.h"

namespace bindtrace {
namespace {

constexpr std::uint16_t kDiscard = 9;

Case sends(const char* name, const Protocol& protocol, Send how, const char* to) {
    return {name, [=](Story& story) {
                Sock sock(story, protocol);
                sock.send(how, {to, kDiscard});
                sock.send(how, {to, kDiscard + 1});
            }};
}

Case connects(const char* name, const Protocol& protocol, const char* to) {
    return {name, [=](Story& story) {
                Sock sock(story, protocol);
                sock.connect({to, kDiscard});
            }};
}

void bound(Story& story) {
    Sock sock(story, kUdp4);
    sock.bind({"0.0.0.0", 8080});
    sock.send(Send::sendto, {"127.0.0.1", kDiscard});
    sock.send(Send::sendmsg, {"127.0.0.1", kDiscard});
}

void bound_connects(Story& story) {
    Sock sock(story, kUdp4);
    sock.bind({"127.0.0.1", 8080});
    sock.connect({"127.0.0.1", kDiscard});
}

// The port is taken before the route is looked up, and kept.
void unreachable_connect(Story& story) {
    Sock sock(story, kUdp4);
    const SocketAddress to = to_socket_address({"192.0.2.1", kDiscard});
    const Outcome outcome = timed([&] { return ::connect(sock.fd(), to.get(), to.size); });
    must(outcome.error == ENETUNREACH, "connect without a route: " + errno_name(outcome.error));
    sock.autobound("connect", outcome.span, std::nullopt);
}

void unreachable_send(Story& story) {
    Sock sock(story, kUdp4);
    sock.send(Send::sendto, {"192.0.2.1", kDiscard}, ENETUNREACH);
}

void exhausted(Story& story) {
    set_sysctl("ip_local_port_range", "50000 50001");
    Sock first(story, kUdp4);
    Sock second(story, kUdp4);
    Sock third(story, kUdp4);
    first.send(Send::sendto, {"127.0.0.1", kDiscard});
    second.send(Send::sendto, {"127.0.0.1", kDiscard});
    third.send(Send::sendto, {"127.0.0.1", kDiscard}, EAGAIN);
    third.send(Send::sendmsg, {"127.0.0.1", kDiscard}, EAGAIN);
    third.connect_without_port({"127.0.0.1", kDiscard}, EAGAIN);
    first.close();
    third.connect({"127.0.0.1", kDiscard});
}

}  // namespace

std::vector<Case> udp_autobind_cases() {
    return {
        sends("udp-sendto-4", kUdp4, Send::sendto, "127.0.0.1"),
        sends("udp-sendto-6", kUdp6, Send::sendto, "::1"),
        sends("udp-sendto-6-mapped", kUdp6, Send::sendto, "::ffff:127.0.0.1"),
        sends("udp-sendmsg-4", kUdp4, Send::sendmsg, "127.0.0.1"),
        sends("udp-sendmsg-6", kUdp6, Send::sendmsg, "::1"),
        sends("udp-sendmmsg-4", kUdp4, Send::sendmmsg, "127.0.0.1"),
        sends("udp-sendmmsg-6", kUdp6, Send::sendmmsg, "::1"),
        connects("udp-connect-4", kUdp4, "127.0.0.1"),
        connects("udp-connect-6", kUdp6, "::1"),
        {"udp-sendto-bound", bound},
        {"udp-connect-bound", bound_connects},
        {"udp-connect-unreachable", unreachable_connect},
        {"udp-sendto-unreachable", unreachable_send},
        {"udp-eagain-each-call", exhausted},
    };
}

}  // namespace bindtrace
