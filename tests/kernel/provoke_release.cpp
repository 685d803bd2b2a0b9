// SPDX-License-Identifier: MIT
// Claims that end before the socket does, and those that do not although the connection does.
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "provoke.h"
#include "provoke_socket.h"
#include "provoke_world.h"

namespace bindtrace {
namespace {

const Endpoint kServer = {"127.0.0.1", 8080};

void serve(Sock& server) {
    server.bind(kServer);
    server.listen();
}

void unspec_tcp_autobound(Story& story) {
    Sock server(story, kTcp4);
    serve(server);
    Sock client(story, kTcp4);
    client.connect(kServer);
    client.disconnect();
    client.connect(kServer);
    client.disconnect();
}

void unspec_tcp_explicit(Story& story) {
    Sock server(story, kTcp4);
    serve(server);
    Sock client(story, kTcp4);
    client.bind({"127.0.0.1", 28080});
    client.connect(kServer);
    client.disconnect();
}

// bind(2) to port 0 does not nail the port down.
void unspec_tcp_port_zero(Story& story) {
    Sock server(story, kTcp4);
    serve(server);
    Sock client(story, kTcp4);
    client.bind({"127.0.0.1", 0});
    client.connect(kServer);
    client.disconnect();
}

void unspec_udp_autobound(Story& story) {
    Sock sock(story, kUdp4);
    sock.connect({"127.0.0.1", 9});
    sock.disconnect();
    sock.send(Send::sendto, {"127.0.0.1", 9});
}

void unspec_udp_explicit(Story& story) {
    Sock sock(story, kUdp4);
    sock.bind({"127.0.0.1", 8080});
    sock.connect({"127.0.0.1", 9});
    sock.disconnect();
}

void unspec_udp6_autobound(Story& story) {
    Sock sock(story, kUdp6);
    sock.connect({"::1", 9});
    sock.disconnect();
}

// The peer's RST arrives in softirq and takes the port away from a client that never bound.
void reset_by_peer(Story& story) {
    Sock server(story, kTcp4);
    serve(server);
    Sock client(story, kTcp4);
    Sock child = connected_child(server, client, kServer);
    const std::uint64_t before = boot_ns();
    child.abort();
    client.released(nullptr, {before, boot_ns()});
}

void reset_by_peer_explicit(Story& story) {
    Sock server(story, kTcp4);
    serve(server);
    Sock client(story, kTcp4);
    client.bind({"127.0.0.1", 28080});
    Sock child = connected_child(server, client, kServer);
    child.abort();
}

// Connections of a listener share its port and claim nothing.
void accepted_children(Story& story) {
    Sock server(story, kTcp4);
    serve(server);
    Sock first(story, kTcp4);
    Sock second(story, kTcp4);
    {
        Sock child = connected_child(server, first, kServer);
        first.abort();
    }
    Sock child = connected_child(server, second, kServer);
    server.close();
    Sock late(story, kTcp4);
    late.bind(kServer, EADDRINUSE);
    second.abort();
}

// The listener goes with connections nobody accepted.
void unaccepted_children(Story& story) {
    Sock server(story, kTcp4);
    serve(server);
    Sock client(story, kTcp4);
    client.connect(kServer);
    const std::uint64_t before = boot_ns();
    server.close();
    client.released(nullptr, {before, boot_ns()});
}

void close_order(Story& story) {
    Sock first(story, kTcp4);
    first.bind({"127.0.0.1", 8080});
    first.close();
    Sock second(story, kTcp4);
    second.bind({"127.0.0.1", 8080});
    second.listen();
    second.close();
    Sock third(story, kUdp4);
    third.bind({"127.0.0.1", 8080});
}

void at_exit(Story& story) {
    Sock tcp(story, kTcp4);
    tcp.bind({"127.0.0.1", 8080});
    tcp.listen();
    Sock udp(story, kUdp6);
    udp.bind({"::1", 0});
    Sock client(story, kUdp4);
    client.connect({"127.0.0.1", 9});
    for (Sock* sock : {&tcp, &udp, &client}) sock->leave();
}

}  // namespace

std::vector<Case> release_cases() {
    return {
        {"unspec-tcp-autobound", unspec_tcp_autobound},
        {"unspec-tcp-explicit", unspec_tcp_explicit},
        {"unspec-tcp-port-zero", unspec_tcp_port_zero},
        {"unspec-udp-autobound", unspec_udp_autobound},
        {"unspec-udp6-autobound", unspec_udp6_autobound},
        {"unspec-udp-explicit", unspec_udp_explicit},
        {"reset-by-peer", reset_by_peer},
        {"reset-by-peer-explicit", reset_by_peer_explicit},
        {"accepted-children", accepted_children},
        {"unaccepted-children", unaccepted_children},
        {"close-and-bind-again", close_order},
        {"release-at-exit", at_exit},
    };
}

}  // namespace bindtrace
