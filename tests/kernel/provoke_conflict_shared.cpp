// SPDX-License-Identifier: MIT
// One socket that several processes have open: the port is free when the last of them has let go. And sockets that look
// like the one in the way, and are not.
#include <signal.h>
#include <sys/mman.h>
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

constexpr std::size_t kKeepers = 2;

// Outlives its parent, until it is stopped.
pid_t fork_keeper() {
    const pid_t pid = ::fork();
    if (pid != 0) return pid;
    ::alarm(60);  // whatever becomes of the case
    for (;;) ::pause();
}

// A server whose workers stay when it has gone.
void inherited_by_two(Story& story) {
    auto* const keepers = static_cast<pid_t*>(
        ::mmap(nullptr, kKeepers * sizeof(pid_t), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    must(keepers != MAP_FAILED, "mmap: " + errno_name(errno));
    std::array<int, 2> alive{};  // says so as long as one of them is
    must(::pipe(alive.data()) == 0, "pipe: " + errno_name(errno));
    Child parent([&](Story& told) {
        Sock sock(told, kTcp4);
        sock.bind({"127.0.0.1", 8080});
        sock.listen();
        for (std::size_t i = 0; i < kKeepers; ++i) keepers[i] = fork_keeper();
        sock.released("exit", {boot_ns(), 0});
        sock.close_fd();
    });
    ::close(alive[1]);
    parent.join();
    Sock late(story, kTcp4);
    Json& conflict = verdict(late.bind({"127.0.0.1", 8080}, EADDRINUSE), "listener", {"inherited-fd"},
                             {{"acquired", "inherited"}, {"processes", kKeepers}})
                         .event["conflict"];
    conflict["advice"] = Json::array({"stop provoke[" + std::to_string(keepers[0]) + "], stop provoke[" +
                                      std::to_string(keepers[1]) + "], then start it again, or take another port"});
    let_it_look();
    for (std::size_t i = 0; i < kKeepers; ++i)  // as advised
        must(::kill(keepers[i], SIGTERM) == 0, "kill: " + errno_name(errno));
    char none = 0;
    must(::read(alive[0], &none, 1) == 0, "the keepers are still there");
    late.bind({"127.0.0.1", 8080});
}

// Gone by the time that bindtrace looks who has the socket open.
void fails_on_its_own_and_exits(Story& story) {
    own_exe();
    Child twice([](Story& told) {
        Sock first(told, kTcp4), second(told, kTcp4);
        first.bind({"127.0.0.1", 8080});
        first.listen();
        verdict(second.bind({"127.0.0.1", 8080}, EADDRINUSE), "listener", {"same-process"})
            .event["conflict"]["advice"] = Json::array({kBindOnce});
    });
    twice.join();
    Child once([](Story& told) {  // as advised
        Sock only(told, kTcp4);
        only.bind({"127.0.0.1", 8080});
    });
    once.join();
    (void)story;
}

// Two connections from one port to one server: from different addresses, and so not the same.
void connection_from_another_address(Story& story) {
    Sock server(story, kTcp4);
    server.bind({"127.0.0.1", 8080});
    server.listen();
    const auto connect_from = [&](const char* address) {
        return [address](Story& told, const auto& keep) {
            Sock client(told, kTcp4);
            client.set(SOL_SOCKET, SO_REUSEADDR);
            client.bind({address, 28080});
            client.connect({"127.0.0.1", 8080});
            keep();
            client.abort();
        };
    };
    OtherProcess other(connect_from("127.0.0.2")), same(connect_from("127.0.0.1")), another(connect_from("127.0.0.3"));
    Sock late(story, kTcp4);
    late.set(SOL_SOCKET, SO_REUSEADDR);
    late.bind({"127.0.0.1", 28080});
    Json& conflict = verdict(late.connect_without_port({"127.0.0.1", 8080}, EADDRNOTAVAIL), "bound", {},
                             {{"local_addr", "127.0.0.1"}, {"process", {{"pid", same.pid()}}}})
                         .event["conflict"];
    conflict["in_the_way"] = 1;
    same.end();  // as advised
    late.connect({"127.0.0.1", 8080});
    late.abort();
    other.end();
    another.end();
}

}  // namespace

std::vector<Case> conflict_shared_cases() {
    return {{"conflict-inherited-by-two", inherited_by_two},
            {"conflict-own-and-gone", fails_on_its_own_and_exits},
            {"conflict-tuple-of-another-address", connection_from_another_address}};
}

}  // namespace bindtrace
