// SPDX-License-Identifier: MIT
// bind(2) that succeeds, and what sockets carry into it.
#include <linux/netlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "provoke.h"
#include "provoke_socket.h"
#include "provoke_world.h"

namespace bindtrace {
namespace {

Case simple(const char* name, const Protocol& protocol, const Endpoint& ask) {
    return {name, [protocol, ask](Story& story) {
                Sock sock(story, protocol);
                sock.bind(ask);
            }};
}

Case with_option(const char* name, const Protocol& protocol, int level, int option, const Endpoint& ask) {
    return {name, [=](Story& story) {
                Sock sock(story, protocol);
                sock.set(level, option);
                sock.bind(ask);
            }};
}

// Binds to an address without taking a port; the port comes with connect(2).
void no_port(Story& story) {
    Sock server(story, kTcp4);
    server.bind({"127.0.0.1", 8080});
    server.listen();
    Sock client(story, kTcp4);
    client.set(IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT);
    client.bind({"127.0.0.1", 0});
    client.connect({"127.0.0.1", 8080});
    client.abort();
}

void no_port_unused(Story& story) {
    Sock sock(story, kUdp4);
    sock.set(IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT);
    sock.bind({"127.0.0.1", 0});
}

// Old programs leave sin_family at 0 with 0.0.0.0, and Linux lets them.
void unspecified_family(Story& story) {
    Sock sock(story, kTcp4);
    sockaddr_in ask{};
    ask.sin_family = AF_UNSPEC;
    ask.sin_port = htons(8080);
    const Outcome outcome = timed([&] { return ::bind(sock.fd(), reinterpret_cast<sockaddr*>(&ask), sizeof ask); });
    must(outcome.error == 0, "bind with AF_UNSPEC: " + errno_name(outcome.error));
    Json& event = sock.bound("bind", {"0.0.0.0", 8080}, outcome).event;
    event.erase("addr");
    event.erase("port");
}

void bound_to_device(Story& story) {
    Sock sock(story, kTcp4);
    must(::setsockopt(sock.fd(), SOL_SOCKET, SO_BINDTODEVICE, "lo", 3) == 0, "SO_BINDTODEVICE: " + errno_name(errno));
    sock.bind({"127.0.0.1", 8080}).event["sockopt"]["bound_dev"] = ::if_nametoindex("lo");
}

void two_netns(Story& story) {
    Sock here(story, kTcp4);
    here.bind({"127.0.0.1", 8080});
    Child elsewhere([](Story& other) {
        enter_new_netns();
        Sock there(other, kTcp4);
        there.bind({"127.0.0.1", 8080});
    });
    elsewhere.join();
}

// The socket stays in the network namespace it was born in.
void socket_of_another_netns(Story& story) {
    Child mover([](Story& moved) {
        Sock sock(moved, kTcp4);
        enter_new_netns();
        sock.bind({"127.0.0.1", 8080});
    });
    mover.join();
    Sock sock(story, kTcp4);
    sock.bind({"127.0.0.1", 8080});
}

// bind(2) on what has no ports is nobody's business, and neither are sockets that never bind.
void not_inet(Story&) {
    const int local = ::socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    std::memcpy(name.sun_path, "\0bindtrace", 10);
    const auto* unix_address = reinterpret_cast<sockaddr*>(&name);
    must(::bind(local, unix_address, sizeof(sa_family_t) + 10) == 0, "bind of AF_UNIX: " + errno_name(errno));
    must(::listen(local, 1) == 0, "listen of AF_UNIX: " + errno_name(errno));
    const int netlink = ::socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
    sockaddr_nl port{};
    port.nl_family = AF_NETLINK;
    must(::bind(netlink, reinterpret_cast<sockaddr*>(&port), sizeof port) == 0,
         "bind of AF_NETLINK: " + errno_name(errno));
    must(::bind(999, unix_address, sizeof name) != 0 && errno == EBADF, "bind of fd 999");
    const int unused = ::socket(AF_INET, SOCK_STREAM, 0);
    for (const int fd : {local, netlink, unused}) ::close(fd);
}

}  // namespace

std::vector<Case> bind_cases() {
    return {
        simple("bind-tcp4", kTcp4, {"127.0.0.1", 8080}),
        simple("bind-tcp4-any", kTcp4, {"0.0.0.0", 8080}),
        simple("bind-tcp6", kTcp6, {"::1", 8080}),
        simple("bind-tcp6-any", kTcp6, {"::", 8080}),
        simple("bind-udp4", kUdp4, {"127.0.0.1", 8080}),
        simple("bind-udp6", kUdp6, {"::1", 8080}),
        simple("bind-tcp4-port-zero", kTcp4, {"127.0.0.1", 0}),
        simple("bind-tcp6-port-zero", kTcp6, {"::1", 0}),
        simple("bind-udp4-port-zero", kUdp4, {"0.0.0.0", 0}),
        simple("bind-udp6-port-zero", kUdp6, {"::", 0}),
        simple("bind-tcp4-highest-port", kTcp4, {"127.255.255.254", 65535}),
        simple("bind-tcp4-privileged-as-root", kTcp4, {"127.0.0.1", 80}),
        {"bind-no-port", no_port},
        {"bind-no-port-unused", no_port_unused},
        {"bind-unspecified-family", unspecified_family},
        with_option("bind-freebind", kTcp4, IPPROTO_IP, IP_FREEBIND, {"192.0.2.1", 8080}),
        with_option("bind-freebind-udp6", kUdp6, IPPROTO_IPV6, IPV6_FREEBIND, {"2001:db8::1", 8080}),
        with_option("bind-transparent", kTcp4, IPPROTO_IP, IP_TRANSPARENT, {"192.0.2.1", 8080}),
        with_option("bind-reuseaddr", kTcp4, SOL_SOCKET, SO_REUSEADDR, {"127.0.0.1", 8080}),
        with_option("bind-reuseport", kUdp4, SOL_SOCKET, SO_REUSEPORT, {"127.0.0.1", 8080}),
        with_option("bind-v6only", kTcp6, IPPROTO_IPV6, IPV6_V6ONLY, {"::", 8080}),
        {"bind-bound-device", bound_to_device},
        {"bind-two-netns", two_netns},
        {"bind-socket-of-another-netns", socket_of_another_netns},
        {"bind-not-inet", not_inet},
    };
}

}  // namespace bindtrace
