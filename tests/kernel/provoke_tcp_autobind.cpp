// SPDX-License-Identifier: MIT
// TCP connections whose local port the kernel chose, and those for which it could not.
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>

#include "provoke.h"
#include "provoke_socket.h"
#include "provoke_world.h"

namespace bindtrace {
namespace {

void serve(Sock& server, const Endpoint& at) {
    server.bind(at);
    server.listen();
}

Case connects(const char* name, const Protocol& protocol, const Endpoint& to) {
    return {name, [=](Story& story) {
                Sock server(story, protocol);
                serve(server, to);
                Sock client(story, protocol);
                client.connect(to);
                client.abort();
            }};
}

void v6_to_mapped(Story& story) {
    Sock server(story, kTcp4);
    serve(server, {"127.0.0.1", 8080});
    Sock client(story, kTcp6);
    client.connect({"::ffff:127.0.0.1", 8080});
    client.abort();
}

Case refused(const char* name, const Protocol& protocol, const Endpoint& to) {
    return {name, [=](Story& story) {
                Sock client(story, protocol);
                client.connect_refused(to);
            }};
}

void refused_twice(Story& story) {
    Sock client(story, kTcp4);
    client.connect_refused({"127.0.0.1", 9});
    client.connect_refused({"127.0.0.1", 9});
}

// No route, so no port either.
void unreachable(Story& story) {
    Sock client(story, kTcp4);
    const SocketAddress to = to_socket_address({"192.0.2.1", 80});
    must(::connect(client.fd(), to.get(), to.size) != 0 && errno == ENETUNREACH, "connect without a route");
}

// The accept queue of a backlog of 0 is full after one connection; the next one stays in SYN_SENT.
void pending(Story& story) {
    Sock server(story, kTcp4);
    server.bind({"127.0.0.1", 8080});
    server.listen(0, 0);
    Sock first(story, kTcp4);
    first.connect({"127.0.0.1", 8080});
    Sock second(story, kTcp4);
    must(::fcntl(second.fd(), F_SETFL, O_NONBLOCK) == 0, "O_NONBLOCK");
    second.connect({"127.0.0.1", 8080}, EINPROGRESS);
    second.close();
    first.abort();
}

void bound_client(Story& story) {
    Sock server(story, kTcp4);
    serve(server, {"127.0.0.1", 8080});
    Sock client(story, kTcp4);
    client.bind({"127.0.0.1", 28080});
    client.connect({"127.0.0.1", 8080});
    client.abort();
}

void exhausted(Story& story) {
    Sock server(story, kTcp4);
    serve(server, {"127.0.0.1", 8080});
    set_sysctl("ip_local_port_range", "50000 50001");
    Sock first(story, kTcp4);
    Sock second(story, kTcp4);
    Sock third(story, kTcp4);
    first.connect({"127.0.0.1", 8080});
    second.connect({"127.0.0.1", 8080});
    third.connect_without_port({"127.0.0.1", 8080}, EADDRNOTAVAIL);
    first.abort();
    third.connect({"127.0.0.1", 8080});
    third.abort();
    second.abort();
}

// Two sockets may share a local port, but not to the same peer.
void tuple_taken(Story& story) {
    Sock server(story, kTcp4);
    serve(server, {"127.0.0.1", 8080});
    Sock first(story, kTcp4);
    Sock second(story, kTcp4);
    for (Sock* client : {&first, &second}) {
        client->set(SOL_SOCKET, SO_REUSEADDR);
        client->bind({"127.0.0.1", 28080});
    }
    first.connect({"127.0.0.1", 8080});
    second.connect_without_port({"127.0.0.1", 8080}, EADDRNOTAVAIL);
    first.abort();
}

void fast_open(Story& story) {
    set_sysctl("tcp_fastopen", "1543");  // both sides, without a cookie
    Sock server(story, kTcp4);
    server.bind({"127.0.0.1", 8080});
    server.listen();
    Sock client(story, kTcp4);
    client.send(Send::sendto, {"127.0.0.1", 8080}, 0, MSG_FASTOPEN);
    client.abort();
}

}  // namespace

std::vector<Case> tcp_autobind_cases() {
    return {
        connects("connect-tcp4", kTcp4, {"127.0.0.1", 8080}),
        connects("connect-tcp6", kTcp6, {"::1", 8080}),
        {"connect-tcp6-mapped", v6_to_mapped},
        refused("connect-refused-tcp4", kTcp4, {"127.0.0.1", 9}),
        refused("connect-refused-tcp6", kTcp6, {"::1", 9}),
        {"connect-refused-twice", refused_twice},
        {"connect-unreachable-tcp4", unreachable},
        {"connect-pending", pending},
        {"connect-bound", bound_client},
        {"connect-eaddrnotavail-range-full", exhausted},
        {"connect-eaddrnotavail-tuple-taken", tuple_taken},
        {"connect-fast-open", fast_open},
    };
}

}  // namespace bindtrace
