// SPDX-License-Identifier: MIT
// MPTCP: one socket for the user, a TCP subflow underneath that holds the port. The user's socket is told, once.
//
// Not stated: the cookie (the subflow has its own) and what ends the claim of a connected socket, since subflows are
// closed by a worker of the kernel.
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "provoke.h"
#include "provoke_socket.h"

namespace bindtrace {
namespace {

constexpr int kMptcp = 262;  // older C libraries lack IPPROTO_MPTCP
constexpr Protocol kMptcp4 = {"mptcp", AF_INET, SOCK_STREAM, kMptcp};
constexpr Protocol kMptcp6 = {"mptcp", AF_INET6, SOCK_STREAM, kMptcp};

void need_mptcp() {
    const int fd = ::socket(AF_INET, SOCK_STREAM, kMptcp);
    if (fd >= 0) {
        ::close(fd);
    } else if (errno == EPROTONOSUPPORT || errno == ENOPROTOOPT) {
        skip("the kernel has no mptcp");
    }
}

void binds(Story& story) {
    need_mptcp();
    Sock sock(story, kMptcp4);
    sock.bind({"127.0.0.1", 8080});
    Sock late(story, kTcp4);
    late.bind({"127.0.0.1", 8080}, EADDRINUSE);
    Sock six(story, kMptcp6);
    six.bind({"::1", 8081});
}

void fails(Story& story) {
    need_mptcp();
    Sock holder(story, kTcp4);
    holder.bind({"127.0.0.1", 8080});
    Sock sock(story, kMptcp4);
    sock.bind({"127.0.0.1", 8080}, EADDRINUSE);
    sock.bind({"192.0.2.1", 8080}, EADDRNOTAVAIL);
}

void listens(Story& story) {
    need_mptcp();
    Sock sock(story, kMptcp4);
    sock.bind({"127.0.0.1", 8080});
    sock.listen();
}

void connects(Story& story) {
    need_mptcp();
    Sock server(story, kMptcp4);
    server.bind({"127.0.0.1", 8080});
    server.listen();
    Sock client(story, kMptcp4);
    client.connect({"127.0.0.1", 8080});
    const linger hard{1, 0};
    must(::setsockopt(client.fd(), SOL_SOCKET, SO_LINGER, &hard, sizeof hard) == 0, "SO_LINGER: " + errno_name(errno));
    const std::uint64_t before = boot_ns();
    client.close_fd();
    Expectation& line = client.released(nullptr, {before, 0});
    line.event.erase("op");
    line.needs_function_hooks();
}

}  // namespace

std::vector<Case> mptcp_cases() {
    return {
        {"mptcp-bind", binds},
        {"mptcp-bind-fails", fails},
        {"mptcp-listen", listens},
        {"mptcp-connect", connects},
    };
}

}  // namespace bindtrace
