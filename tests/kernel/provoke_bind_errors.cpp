// SPDX-License-Identifier: MIT
// Every errno of bind(2) that does not need IPv6, a cgroup program or another protocol.
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "provoke.h"
#include "provoke_socket.h"
#include "provoke_world.h"

namespace bindtrace {
namespace {

constexpr uid_t kSomebody = 1000;

Case fails(const char* name, const Protocol& protocol, const Endpoint& ask, int error) {
    return {name, [=](Story& story) {
                Sock sock(story, protocol);
                sock.bind(ask, error);
            }};
}

Case in_use(const char* name, const Protocol& protocol, const char* addr) {
    return {name, [=](Story& story) {
                Sock holder(story, protocol);
                holder.bind({addr, 8080});
                Sock late(story, protocol);
                late.bind({addr, 8080}, EADDRINUSE);
                late.bind({addr, 8081});
            }};
}

Case privileged(const char* name, const Protocol& protocol, const char* addr) {
    return {name, [=](Story&) {
                Child somebody([=](Story& story) {
                    own_exe();  // while it may be asked
                    become_user(kSomebody);
                    Sock sock(story, protocol);
                    sock.bind({addr, 80}, EACCES);
                    sock.bind({addr, 8080});
                });
                somebody.join();
            }};
}

Case range_full(const char* name, const Protocol& protocol) {
    return {name, [=](Story& story) {
                set_sysctl("ip_local_port_range", "50000 50001");
                Sock first(story, protocol);
                first.bind({"127.0.0.1", 0});
                Sock second(story, protocol);
                second.bind({"127.0.0.1", 0});
                Sock third(story, protocol);
                third.bind({"127.0.0.1", 0}, EADDRINUSE).event.erase("ephemeral");
            }};
}

void bad_descriptor(Story& story) {
    bind_no_socket(story, 999, {"127.0.0.1", 8080}, EBADF);
    bind_no_socket(story, -1, {"::1", 8081}, EBADF);
}

void not_a_socket(Story& story) {
    const int fd = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    bind_no_socket(story, fd, {"127.0.0.1", 8080}, ENOTSOCK);
    ::close(fd);
}

void bad_pointer(Story& story) {
    Sock sock(story, kTcp4);
    Json& event = sock.bind_bytes(reinterpret_cast<void*>(8), sizeof(sockaddr_in), EFAULT).refused_early().event;
    event["addr"] = nullptr;
    event["port"] = nullptr;
}

void bad_length(Story& story) {
    const SocketAddress address = to_socket_address({"127.0.0.1", 8080});
    std::array<char, 256> room{};
    std::memcpy(room.data(), &address.storage, sizeof(sockaddr_in));
    Sock sock(story, kTcp4);
    sock.bind_bytes(room.data(), static_cast<socklen_t>(-1), EINVAL).refused_early();
    sock.bind_bytes(room.data(), 129, EINVAL).refused_early();
    sock.bind_bytes(room.data(), 200, EINVAL).refused_early();
}

void short_length(Story& story) {
    const SocketAddress address = to_socket_address({"127.0.0.1", 8080});
    Sock sock(story, kTcp4);
    sock.bind_bytes(&address.storage, 4, EINVAL);
    sock.bind_bytes(&address.storage, 15, EINVAL);
    Sock datagram(story, kUdp4);
    datagram.bind_bytes(&address.storage, 8, EINVAL);
}

void already_bound(Story& story) {
    Sock sock(story, kTcp4);
    sock.bind({"127.0.0.1", 8080});
    sock.bind({"127.0.0.1", 8081}, EINVAL);
    sock.bind({"127.0.0.1", 8080}, EINVAL);
    Sock datagram(story, kUdp4);
    datagram.bind({"127.0.0.1", 8080});
    datagram.bind({"0.0.0.0", 0}, EINVAL).event["ephemeral"] = false;
}

void connected(Story& story) {
    Sock server(story, kTcp4);
    server.bind({"127.0.0.1", 8080});
    server.listen();
    server.bind({"127.0.0.1", 8081}, EINVAL);
    Sock client(story, kTcp4);
    client.connect({"127.0.0.1", 8080});
    client.bind({"127.0.0.1", 8082}, EINVAL).event.erase("ephemeral");
    client.abort();
}

void wrong_family(Story& story) {
    Sock sock(story, kTcp4);
    sock.bind({"::1", 8080}, EAFNOSUPPORT).event.erase("family");
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    std::strcpy(name.sun_path, "/nowhere");
    sock.bind_bytes(&name, sizeof name, EAFNOSUPPORT).event.erase("family");
}

// The first address is still held when the second is asked for, by the same process and by another.
void in_use_by_ephemeral(Story& story) {
    Sock server(story, kTcp4);
    server.bind({"127.0.0.1", 8080});
    server.listen();
    Sock client(story, kTcp4);
    client.connect({"127.0.0.1", 8080});
    Sock late(story, kTcp4);
    late.set(SOL_SOCKET, SO_REUSEADDR);
    late.bind({"0.0.0.0", client.claim()->port}, EADDRINUSE);
    client.abort();
}

void in_use_by_another_process(Story& story) {
    Sock holder(story, kTcp4);
    holder.bind({"0.0.0.0", 8080});
    holder.listen();
    Child other([](Story& told) {
        Sock late(told, kTcp4);
        late.bind({"127.0.0.1", 8080}, EADDRINUSE);
    });
    other.join();
}

}  // namespace

std::vector<Case> bind_error_cases() {
    return {
        {"bind-ebadf", bad_descriptor},
        {"bind-enotsock", not_a_socket},
        {"bind-efault", bad_pointer},
        {"bind-einval-length", bad_length},
        {"bind-einval-short", short_length},
        {"bind-einval-already-bound", already_bound},
        {"bind-einval-connected", connected},
        {"bind-eafnosupport", wrong_family},
        privileged("bind-eacces-tcp4", kTcp4, "127.0.0.1"),
        privileged("bind-eacces-udp4", kUdp4, "0.0.0.0"),
        privileged("bind-eacces-tcp6", kTcp6, "::1"),
        fails("bind-eaddrnotavail-tcp4", kTcp4, {"192.0.2.1", 8080}, EADDRNOTAVAIL),
        fails("bind-eaddrnotavail-udp4", kUdp4, {"192.0.2.1", 8080}, EADDRNOTAVAIL),
        fails("bind-eaddrnotavail-port-zero", kTcp4, {"192.0.2.1", 0}, EADDRNOTAVAIL),
        in_use("bind-eaddrinuse-tcp4", kTcp4, "127.0.0.1"),
        in_use("bind-eaddrinuse-tcp6", kTcp6, "::1"),
        in_use("bind-eaddrinuse-udp4", kUdp4, "127.0.0.1"),
        in_use("bind-eaddrinuse-udp6", kUdp6, "::1"),
        {"bind-eaddrinuse-ephemeral", in_use_by_ephemeral},
        {"bind-eaddrinuse-another-process", in_use_by_another_process},
        range_full("bind-eaddrinuse-range-full-tcp4", kTcp4),
        range_full("bind-eaddrinuse-range-full-udp4", kUdp4),
    };
}

}  // namespace bindtrace
