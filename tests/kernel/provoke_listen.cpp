// SPDX-License-Identifier: MIT
// listen(2): a socket starts to listen, or may not.
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "provoke.h"
#include "provoke_socket.h"
#include "provoke_world.h"

namespace bindtrace {
namespace {

Case listens(const char* name, const Protocol& protocol, const Endpoint& at) {
    return {name, [=](Story& story) {
                Sock server(story, protocol);
                server.bind(at);
                server.listen();
            }};
}

Case listens_unbound(const char* name, const Protocol& protocol) {
    return {name, [=](Story& story) {
                Sock server(story, protocol);
                server.listen();
            }};
}

// A second listen(2) only changes the backlog.
void twice(Story& story) {
    Sock server(story, kTcp4);
    server.bind({"127.0.0.1", 8080});
    server.listen();
    must(::listen(server.fd(), 64) == 0, "second listen: " + errno_name(errno));
}

// Both may bind, one may listen.
void in_use(Story& story) {
    Sock first(story, kTcp4);
    Sock second(story, kTcp4);
    for (Sock* sock : {&first, &second}) {
        sock->set(SOL_SOCKET, SO_REUSEADDR);
        sock->bind({"127.0.0.1", 8080});
    }
    first.listen();
    second.listen(EADDRINUSE);
    first.close();
    second.listen();
}

void datagram(Story& story) {
    Sock sock(story, kUdp4);
    sock.listen(EOPNOTSUPP).refused_early();
    sock.bind({"127.0.0.1", 8080});
    sock.listen(EOPNOTSUPP);
}

void connected(Story& story) {
    Sock server(story, kTcp4);
    server.bind({"127.0.0.1", 8080});
    server.listen();
    Sock client(story, kTcp4);
    client.connect({"127.0.0.1", 8080});
    client.listen(EINVAL);
    client.abort();
}

// No port to choose: listen(2) fails, and no port was ever held.
void stops_and_starts(Story& story) {
    Sock server(story, kTcp4);
    server.bind({"127.0.0.1", 8080});
    server.listen();
    must(::shutdown(server.fd(), SHUT_RD) == 0, "shutdown: " + errno_name(errno));
    server.listen();
}

// Nothing but the listening held the port.
void stops_unbound(Story& story) {
    Sock server(story, kTcp4);
    server.listen();
    const Outcome outcome = timed([&] { return ::shutdown(server.fd(), SHUT_RD); });
    must(outcome.error == 0, "shutdown: " + errno_name(outcome.error));
    server.released("shutdown", outcome.span);
    server.bind({"127.0.0.1", 8080});
}

}  // namespace

std::vector<Case> listen_cases() {
    return {
        listens("listen-tcp4", kTcp4, {"127.0.0.1", 8080}),
        listens("listen-tcp6-any", kTcp6, {"::", 8080}),
        listens("listen-tcp4-port-zero", kTcp4, {"127.0.0.1", 0}),
        listens_unbound("listen-unbound-tcp4", kTcp4),
        listens_unbound("listen-unbound-tcp6", kTcp6),
        {"listen-twice", twice},
        {"listen-eaddrinuse", in_use},
        {"listen-eopnotsupp", datagram},
        {"listen-einval-connected", connected},
        {"listen-shutdown-listen", stops_and_starts},
        {"listen-unbound-shutdown", stops_unbound},
    };
}

}  // namespace bindtrace
