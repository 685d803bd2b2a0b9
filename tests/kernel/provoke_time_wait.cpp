// SPDX-License-Identifier: MIT
// Claims that outlive their socket: TIME_WAIT and FIN_WAIT2 hold the port until a timer, a new connection, or the end
// of the network namespace takes it away. No process does that, so the release has no operation and no inode, but it
// still names the one who claimed, and held_ns covers it all.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "provoke.h"
#include "provoke_conflict.h"
#include "provoke_socket.h"
#include "provoke_world.h"

namespace bindtrace {
namespace {

const Endpoint kServer = {"127.0.0.1", 8080};
const Endpoint kClient = {"127.0.0.1", 28080};

void serve(Sock& server) {
    server.set(SOL_SOCKET, SO_REUSEADDR);
    server.bind(kServer);
    server.listen();
}

// The client closes first, so TIME_WAIT is its own. The server's side is closed on return.
void close_client_first(Sock& server, Sock& client) {
    Sock child = connected_child(server, client, kServer);
    client.close_fd();
    child.close();
    until_small_socket(client.claim()->port, TCP_TIME_WAIT);
}

// The namespace dies with the process, after the lines are printed.
void ends_with_netns(Story& story) {
    Sock server(story, kTcp4);
    serve(server);
    Sock client(story, kTcp4);
    close_client_first(server, client);
    client.released_in_time_wait({boot_ns(), 0});
}

void explicit_ends_with_netns(Story& story) {
    Sock server(story, kTcp4);
    serve(server);
    Sock client(story, kTcp4);
    client.bind(kClient);
    close_client_first(server, client);
    Sock late(story, kTcp4);
    late.bind(kClient, EADDRINUSE);
    client.released_in_time_wait({boot_ns(), 0});
}

// TIME_WAIT begins while the descriptor is still open.
void shut_down_first(Story& story) {
    Sock server(story, kTcp4);
    serve(server);
    Sock client(story, kTcp4);
    Sock child = connected_child(server, client, kServer);
    must(::shutdown(client.fd(), SHUT_WR) == 0, "shutdown: " + errno_name(errno));
    child.close();
    client.close_fd();
    until_small_socket(client.claim()->port, TCP_TIME_WAIT);
    client.released_in_time_wait({boot_ns(), 0});
}

void orphan_fin_wait2(Story& story) {
    Sock server(story, kTcp4);
    serve(server);
    Sock client(story, kTcp4);
    Sock child = connected_child(server, client, kServer);
    client.close_fd();
    until_small_socket(client.claim()->port, TCP_FIN_WAIT2);
    client.released_in_time_wait({boot_ns(), 0});
    child.leave();
}

void fin_wait2_expires(Story& story) {
    set_sysctl("tcp_fin_timeout", "2");
    Sock server(story, kTcp4);
    serve(server);
    Sock client(story, kTcp4);
    Sock child = connected_child(server, client, kServer);
    client.close_fd();
    until_small_socket(client.claim()->port, TCP_FIN_WAIT2);
    const std::uint64_t before = boot_ns();
    until_port_gone(client.claim()->port, 30);
    client.released_in_time_wait({before, 0});
}

void expires(Story& story) {
    Sock server(story, kTcp4);
    serve(server);
    Sock client(story, kTcp4);
    close_client_first(server, client);
    const Endpoint ends = {"127.0.0.1", client.claim()->port};
    Sock late(story, kTcp4);
    verdict(late.bind(ends, EADDRINUSE), "time-wait").event["conflict"]["advice"] = {
        {"has", {"set SO_REUSEADDR on both sockets; until then, wait a minute, then start it again"}}};
    const std::uint64_t gone = until_port_gone(ends.port, 90);
    // The kernel takes it out of the list of connections first, and gives the port back a moment later.
    client.released_in_time_wait({gone - 2'000'000'000, 0});
    pause_ms(100);
    late.bind(ends);  // as advised
}

// The same pair of ends again: allowed once TCP timestamps have moved on, a second later.
void reused(Story& story) {
    Sock server(story, kTcp4);
    serve(server);
    Sock client(story, kTcp4);
    client.set(SOL_SOCKET, SO_REUSEADDR);
    client.bind(kClient);
    close_client_first(server, client);
    pause_ms(1500);
    Sock next(story, kTcp4);
    next.set(SOL_SOCKET, SO_REUSEADDR);
    next.bind(kClient);
    const std::uint64_t before = boot_ns();
    next.connect(kServer);
    client.released_in_time_wait({before, boot_ns()}).event["op"] = {{"any", {"connect", nullptr}}};
    next.abort();
}

// The server's side closes first: its TIME_WAIT holds the listener's port, but the claim is the listener's.
void servers_side(Story& story) {
    Sock server(story, kTcp4);
    server.bind(kServer);
    server.listen();
    Sock client(story, kTcp4);
    Sock child = connected_child(server, client, kServer);
    child.close_fd();
    const std::uint64_t before = boot_ns();
    client.close_fd();
    const std::uint64_t after = until_port_gone(client.claim()->port, 5);
    Json& released = client.released("close", {before, after}).event;
    released["op"] = {{"any", {"close", nullptr}}};
    released["socket"]["state"] = "LAST_ACK";  // until the other side has the last word
    server.close();
    Sock late(story, kTcp4);
    late.bind(kServer, EADDRINUSE);
}

}  // namespace

std::vector<Case> time_wait_cases() {
    return {
        {"time-wait-netns-exit", ends_with_netns},     {"time-wait-netns-exit-explicit", explicit_ends_with_netns},
        {"time-wait-after-shutdown", shut_down_first}, {"time-wait-reused", reused},
        {"time-wait-of-server", servers_side},         {"time-wait-expiry", expires, true},
        {"orphan-fin-wait2", orphan_fin_wait2},        {"fin-wait2-expiry", fin_wait2_expires},
    };
}

}  // namespace bindtrace
