// SPDX-License-Identifier: MIT
// Protocols beside TCP and UDP that bind: raw, ping, UDP-Lite, SCTP.
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "provoke.h"
#include "provoke_conflict.h"
#include "provoke_socket.h"
#include "provoke_world.h"

namespace bindtrace {
namespace {

constexpr Protocol kRaw4 = {"raw", AF_INET, SOCK_RAW, IPPROTO_ICMP};
constexpr Protocol kRaw6 = {"raw", AF_INET6, SOCK_RAW, IPPROTO_ICMPV6};
constexpr Protocol kPing4 = {"icmp", AF_INET, SOCK_DGRAM, IPPROTO_ICMP};
constexpr Protocol kPing6 = {"icmp", AF_INET6, SOCK_DGRAM, IPPROTO_ICMPV6};
constexpr Protocol kUdpLite4 = {"udplite", AF_INET, SOCK_DGRAM, IPPROTO_UDPLITE};
constexpr Protocol kSctp4 = {"sctp", AF_INET, SOCK_STREAM, IPPROTO_SCTP};

// Only these two answers say that the kernel does not have it.
void need(const Protocol& protocol) {
    const int fd = ::socket(protocol.family, protocol.type, protocol.number);
    if (fd >= 0) {
        ::close(fd);
    } else if (errno == EPROTONOSUPPORT || errno == ESOCKTNOSUPPORT) {
        skip(std::string("the kernel has no ") + protocol.name);
    }
}

// A raw socket has no port; the number in its address is nobody's business but is told as asked.
void raw4(Story& story) {
    Sock sock(story, kRaw4);
    sock.bind({"127.0.0.1", 77});
    Sock other(story, kRaw4);
    other.bind({"127.0.0.1", 77});
    Sock wrong(story, kRaw4);
    wrong.bind({"192.0.2.1", 0}, EADDRNOTAVAIL);
}

void raw6(Story& story) {
    Sock sock(story, kRaw6);
    sock.bind({"::1", 77});
}

void allow_ping() {
    set_sysctl("ping_group_range", "0 2147483647");
}

// No table of these can be looked at: the holder is who has such a socket open.
void held_open(Expectation& line, const char* cause, const Factors& factors) {
    verdict(line, cause, factors, {{"local_addr", "127.0.0.1"}, {"process", {{"pid", ::getpid()}}}})
        .event["conflict"]["evidence"] = {{"source", "descriptors"}, {"sockets", 1}, {"complete", true}};
}

void ping4(Story& story) {
    let_it_rest();
    allow_ping();
    Sock sock(story, kPing4);
    sock.bind({"127.0.0.1", 4711});
    Sock late(story, kPing4);
    late.set(SOL_SOCKET, SO_REUSEADDR, 0);  // ping sockets are born with it
    held_open(late.bind({"127.0.0.1", 4711}, EADDRINUSE), "bound", {"reuseaddr-missing-requester"});
    let_it_look();
    late.set(SOL_SOCKET, SO_REUSEADDR);
    late.bind({"127.0.0.1", 4711});
    Sock any(story, kPing4);
    any.bind({"127.0.0.1", 0});
}

void ping6(Story& story) {
    allow_ping();
    Sock sock(story, kPing6);
    sock.bind({"::1", 4711});
}

void ping_sends(Story& story) {
    allow_ping();
    Sock sock(story, kPing4);
    const SocketAddress to = to_socket_address({"127.0.0.1", 0});
    const std::array<unsigned char, 8> echo = {8};
    const Outcome outcome = timed([&] { return ::sendto(sock.fd(), echo.data(), echo.size(), 0, to.get(), to.size); });
    must(outcome.error == 0, "send an echo request: " + errno_name(outcome.error));
    sock.autobound("sendto", outcome.span, std::nullopt);
}

void udplite(Story& story) {
    need(kUdpLite4);
    Sock sock(story, kUdpLite4);
    sock.bind({"127.0.0.1", 8080});
    Sock late(story, kUdpLite4);
    late.bind({"127.0.0.1", 8080}, EADDRINUSE);
    Sock sender(story, kUdpLite4);
    sender.send(Send::sendto, {"127.0.0.1", 9});
    Sock udp(story, kUdp4);
    udp.bind({"127.0.0.1", 8080});
}

void sctp(Story& story) {
    let_it_rest();
    need(kSctp4);
    Sock sock(story, kSctp4);
    sock.bind({"127.0.0.1", 8080}).event.erase("local_port");
    Sock late(story, kSctp4);
    held_open(late.bind({"127.0.0.1", 8080}, EADDRINUSE), "bound", {"same-process"});
    let_it_look();
    Sock wrong(story, kSctp4);
    wrong.bind({"192.0.2.1", 8080}, EADDRNOTAVAIL);
}

}  // namespace

std::vector<Case> protocol_cases() {
    return {
        {"raw4", raw4},       {"raw6", raw6}, {"ping4", ping4}, {"ping6", ping6}, {"ping-sendto", ping_sends},
        {"udplite", udplite}, {"sctp", sctp},
    };
}

}  // namespace bindtrace
