// SPDX-License-Identifier: MIT
// SO_REUSEADDR and SO_REUSEPORT: each of their four combinations on the holder against each on the requester, for a
// holder that is only bound, one that listens, and one that is UDP. 16 cases, "reuse-HOLDER-vs-REQUESTER".
#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "provoke.h"
#include "provoke_socket.h"
#include "provoke_world.h"

namespace bindtrace {
namespace {

struct Options {
    const char* name;
    bool reuseaddr;
    bool reuseport;
};
constexpr std::array<Options, 4> kCombinations = {
    {{"none", false, false}, {"addr", true, false}, {"port", false, true}, {"both", true, true}}};

void apply(Sock& sock, const Options& options) {
    if (options.reuseaddr) sock.set(SOL_SOCKET, SO_REUSEADDR);
    if (options.reuseport) sock.set(SOL_SOCKET, SO_REUSEPORT);
}

enum class Holder { bound, listening, udp };

void meet(Story& story, const Options& holds, const Options& asks, Holder kind, std::uint16_t port) {
    const Protocol& protocol = kind == Holder::udp ? kUdp4 : kTcp4;
    Sock holder(story, protocol);
    apply(holder, holds);
    holder.bind({"127.0.0.1", port});
    if (kind == Holder::listening) holder.listen();
    Sock late(story, protocol);
    apply(late, asks);
    const bool by_addr = holds.reuseaddr && asks.reuseaddr && kind != Holder::listening;
    const bool by_port = holds.reuseport && asks.reuseport;
    late.bind({"127.0.0.1", port}, by_addr || by_port ? 0 : EADDRINUSE);
}

// SO_REUSEPORT is for one user's sockets.
void reuseport_of_another_user(Story& story) {
    Sock holder(story, kTcp4);
    holder.set(SOL_SOCKET, SO_REUSEPORT);
    holder.bind({"127.0.0.1", 8080});
    Child somebody([](Story& told) {
        own_exe();
        become_user(1000);
        Sock late(told, kTcp4);
        late.set(SOL_SOCKET, SO_REUSEPORT);
        late.bind({"127.0.0.1", 8080}, EADDRINUSE);
    });
    somebody.join();
}

void reuseport_group(Story& story) {
    Sock first(story, kTcp4);
    Sock second(story, kTcp4);
    for (Sock* sock : {&first, &second}) {
        sock->set(SOL_SOCKET, SO_REUSEPORT);
        sock->bind({"0.0.0.0", 8080});
        sock->listen();
    }
}

// The option set after the port was taken does not count for the one who asks, unless both have it now.
void reuseaddr_too_late(Story& story) {
    Sock holder(story, kUdp4);
    holder.bind({"127.0.0.1", 8080});
    Sock late(story, kUdp4);
    late.set(SOL_SOCKET, SO_REUSEADDR);
    late.bind({"127.0.0.1", 8080}, EADDRINUSE);
    holder.set(SOL_SOCKET, SO_REUSEADDR);
    late.bind({"127.0.0.1", 8080});
}

void other_device(Story& story) {
    Sock holder(story, kTcp4);
    holder.set(SOL_SOCKET, SO_BINDTOIFINDEX, 1);
    holder.bind({"127.0.0.1", 8080});
    Sock late(story, kTcp4);
    late.bind({"127.0.0.1", 8080}, EADDRINUSE);
}

}  // namespace

std::vector<Case> reuse_cases() {
    std::vector<Case> cases;
    for (const Options& holds : kCombinations) {
        for (const Options& asks : kCombinations) {
            cases.push_back({std::string("reuse-") + holds.name + "-vs-" + asks.name, [&holds, &asks](Story& story) {
                                 meet(story, holds, asks, Holder::bound, 8080);
                                 meet(story, holds, asks, Holder::listening, 8081);
                                 meet(story, holds, asks, Holder::udp, 8082);
                             }});
        }
    }
    cases.push_back({"reuseport-other-user", reuseport_of_another_user});
    cases.push_back({"reuseport-group", reuseport_group});
    cases.push_back({"reuseaddr-too-late", reuseaddr_too_late});
    cases.push_back({"reuse-bound-device", other_device});
    return cases;
}

}  // namespace bindtrace
