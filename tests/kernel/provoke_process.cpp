// SPDX-License-Identifier: MIT
// Who did it: threads, names a process gave itself, processes that are gone a moment later.
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "provoke.h"
#include "provoke_socket.h"
#include "provoke_world.h"

namespace bindtrace {
namespace {

void from_thread(Story& story) {
    Sock sock(story, kTcp4);
    std::thread([&] {
        ::prctl(PR_SET_NAME, "binder");
        sock.bind({"127.0.0.1", 8080});
    }).join();
    sock.listen();
    std::thread([&] {
        ::prctl(PR_SET_NAME, "closer");
        sock.close();
    }).join();
}

void from_thread_udp(Story& story) {
    Sock sock(story, kUdp4);
    std::thread([&] { sock.send(Send::sendto, {"127.0.0.1", 9}); }).join();
}

// A network namespace is a thread's own.
void thread_in_another_netns(Story& story) {
    Sock here(story, kTcp4);
    here.bind({"127.0.0.1", 8080});
    std::thread([&] {
        enter_new_netns();
        Sock there(story, kTcp4);
        there.bind({"127.0.0.1", 8080});
        bind_no_socket(story, 999, {"127.0.0.1", 8080}, EBADF);
    }).join();
}

Case named(const char* name, const char* comm) {
    return {name, [comm](Story& story) {
                ::prctl(PR_SET_NAME, comm);
                Sock sock(story, kTcp4);
                sock.bind({"127.0.0.1", 8080});
                sock.listen();
            }};
}

void killed(Story&) {
    Gate ready;
    Child victim([&](Story& story) {
        Sock tcp(story, kTcp4);
        tcp.bind({"127.0.0.1", 8080});
        tcp.listen();
        Sock udp(story, kUdp4);
        udp.bind({"127.0.0.1", 8080});
        Sock client(story, kTcp4);
        client.bind({"127.0.0.1", 28080});
        for (Sock* sock : {&tcp, &udp, &client}) sock->leave();
        story.print();
        ready.open();
        for (;;) ::pause();
    });
    ready.wait();
    victim.kill_and_join();
}

// The parent is gone by the time the claim ends; the claim still names it as it was.
void orphaned(Story&) {
    Child parent([](Story& story) {
        Sock sock(story, kTcp4);
        sock.bind({"127.0.0.1", 8080});
        sock.leave();
    });
    parent.join();
}

void as_user(Story&) {
    Child somebody([](Story& story) {
        own_exe();
        become_user(1000);
        Sock sock(story, kUdp4);
        sock.bind({"127.0.0.1", 8080});
    });
    somebody.join();
}

constexpr std::uint16_t kFirstPort = 10000;

void expect_brief(Story& story, const Json& about, std::uint16_t port, Span life) {
    Json bind = about;
    bind.update({{"type", "bind"},
                 {"op", "bind"},
                 {"proto", "tcp"},
                 {"family", "ipv4"},
                 {"addr", "127.0.0.1"},
                 {"port", port},
                 {"local_addr", "127.0.0.1"},
                 {"local_port", port},
                 {"result", "ok"},
                 {"errno", 0},
                 {"ephemeral", false},
                 {"ktime_ns", {{"min", life.before}, {"max", life.after}}}});
    story.expect(bind);
    Json release = bind;
    release.update({{"type", "release"},
                    {"op", "exit"},
                    {"addr", nullptr},
                    {"port", nullptr},
                    {"result", nullptr},
                    {"errno", nullptr},
                    {"held_ns", {{"min", 0}, {"max", life.after - life.before}}}});
    story.expect(release);
}

}  // namespace

void short_lived(Story& story, int count) {
    const std::string exe = own_exe();
    Json about = task_facts();
    about["netns"] = {{"inum", netns_inum()}};
    Json& ancestry = about["process"]["ancestry"];
    ancestry.insert(ancestry.begin(), Json::object({{"pid", ::getpid()}, {"comm", about["process"]["comm"]}}));
    while (ancestry.size() > kMostAncestors) ancestry.erase(ancestry.size() - 1);
    about["process"].erase("start_time");
    about["process"]["ppid"] = ::getpid();
    about["process"]["comm"] = exe.substr(exe.rfind('/') + 1, 15);
    for (int i = 0; i < count; ++i) {
        const auto port = static_cast<std::uint16_t>(kFirstPort + i % 20000);
        const std::string number = std::to_string(port);
        const std::string word = "run=" + std::to_string(i);
        Span life;
        life.before = boot_ns();
        const pid_t pid = ::fork();
        must(pid >= 0, "fork: " + errno_name(errno));
        if (pid == 0) {
            ::execl(exe.c_str(), exe.c_str(), "bind-and-exit", number.c_str(), word.c_str(), nullptr);
            ::_exit(127);
        }
        int status = 0;
        while (::waitpid(pid, &status, 0) < 0) must(errno == EINTR, "waitpid: " + errno_name(errno));
        life.after = boot_ns();
        must(status == 0, "bind-and-exit " + number + " failed");
        about["process"]["pid"] = pid;
        about["process"]["tid"] = pid;
        about["process"]["cmdline"] = {exe, "bind-and-exit", number, word};
        expect_brief(story, about, port, life);
    }
}

int bind_and_exit(int argc, char** argv) {
    if (argc < 1) return 2;
    const int expected = argc > 1 ? std::atoi(argv[1]) : 0;
    const SocketAddress ask = to_socket_address({"127.0.0.1", static_cast<std::uint16_t>(std::atoi(argv[0]))});
    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0) return 1;
    return (::bind(fd, ask.get(), ask.size) == 0 ? 0 : errno) == expected ? 0 : 1;
}

std::vector<Case> process_cases() {
    return {
        {"thread-binds", from_thread},
        {"thread-sends", from_thread_udp},
        {"thread-in-another-netns", thread_in_another_netns},
        named("comm-escape", "\x1b[31mred\x07\x1b]0;"),
        named("comm-invalid-utf8", "a\xff\xfe\xc3(b"),
        named("comm-quotes", "\"\\\n\t{}"),
        named("comm-empty", ""),
        named("comm-longest", "123456789012345"),
        {"killed", killed},
        {"exited-child", orphaned},
        {"bind-as-user", as_user},
        {"short-lived-few", [](Story& story) { short_lived(story, 5); }},
    };
}

}  // namespace bindtrace
