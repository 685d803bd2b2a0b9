// SPDX-License-Identifier: MIT
// One claim, several descriptors: dup, fork, exec and SCM_RIGHTS. Only the last close ends it, whoever makes it, and
// the release names the one who claimed.
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <optional>

#include "provoke.h"
#include "provoke_socket.h"
#include "provoke_world.h"
#include "send_fd.h"

namespace bindtrace {
namespace {

void duplicated(Story& story) {
    Sock sock(story, kTcp4);
    sock.bind({"127.0.0.1", 8080});
    const int other = ::fcntl(sock.fd(), F_DUPFD_CLOEXEC, 0);
    must(other >= 0, "dup: " + errno_name(errno));
    sock.close_fd();
    const Outcome outcome = timed([&] { return ::close(other); });
    sock.released("close", outcome.span);
}

// The child keeps the port after its parent has let go.
void forked_then_exit(Story& story) {
    Sock sock(story, kTcp4);
    sock.bind({"127.0.0.1", 8080});
    sock.listen();
    Gate let_go;
    Child keeper([&](Story&) { let_go.wait(); });
    sock.close_fd();
    Sock late(story, kTcp4);
    late.bind({"127.0.0.1", 8080}, EADDRINUSE);
    const std::uint64_t before = boot_ns();
    let_go.open();
    const Span gone = keeper.join();
    sock.released("exit", {before, gone.after});
}

void forked_then_close(Story& story) {
    Sock sock(story, kUdp4);
    sock.bind({"127.0.0.1", 8080});
    Gate let_go;
    Child keeper([&](Story&) {
        let_go.wait();
        ::close(sock.fd());
    });
    sock.close_fd();
    const std::uint64_t before = boot_ns();
    let_go.open();
    const Span gone = keeper.join();
    sock.released("close", {before, gone.after});
}

// The child was first to go: nothing happens until its parent closes.
void forked_child_first(Story& story) {
    Sock sock(story, kTcp4);
    sock.bind({"127.0.0.1", 8080});
    Child brief([](Story&) {});
    brief.join();
}

// The socket is the parent's, the claim the child's.
void bound_by_child(Story& story) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    Child claimant([&](Story& told) {
        Sock sock(told, kTcp4, fd);
        sock.bind({"127.0.0.1", 8080});
        // The parent closes last, after the child printed.
        sock.released("close", {boot_ns(), 0});
        sock.close_fd();
    });
    claimant.join();
    (void)story;
    ::close(fd);
}

int receive_fd(int through) {
    char byte = 0;
    iovec bytes{&byte, 1};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> room{};
    msghdr message{};
    message.msg_iov = &bytes;
    message.msg_iovlen = 1;
    message.msg_control = room.data();
    message.msg_controllen = room.size();
    must(::recvmsg(through, &message, MSG_CMSG_CLOEXEC) == 1, "receive a descriptor: " + errno_name(errno));
    int fd = -1;
    std::memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
    return fd;
}

// The descriptor travels; while it is in flight no process has it.
void passed_on(Story& story) {
    std::array<int, 2> ends{};
    must(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0, "socketpair: " + errno_name(errno));
    std::optional<Sock> sock;
    Gate let_go;
    Child receiver([&](Story&) {
        let_go.wait();
        ::close(receive_fd(ends[1]));
    });
    sock.emplace(story, kTcp4);
    sock->bind({"127.0.0.1", 8080});
    sock->listen();
    must(send_fd(ends[0], sock->fd()), "SCM_RIGHTS: " + errno_name(errno));
    sock->close_fd();
    const std::uint64_t before = boot_ns();
    let_go.open();
    const Span gone = receiver.join();
    sock->released("close", {before, gone.after});
    for (const int end : ends) ::close(end);
}

// Dropped with the message that nobody read.
void lost_in_flight(Story& story) {
    std::array<int, 2> ends{};
    must(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0, "socketpair: " + errno_name(errno));
    Sock sock(story, kUdp4);
    sock.bind({"127.0.0.1", 8080});
    must(send_fd(ends[0], sock.fd()), "SCM_RIGHTS: " + errno_name(errno));
    sock.close_fd();
    const std::uint64_t before = boot_ns();
    for (const int end : ends) ::close(end);
    sock.released("close", {before, 0});
}

// dup2(2) over the descriptor closes it without close(2).
void replaced(Story& story) {
    Sock sock(story, kTcp4);
    sock.bind({"127.0.0.1", 8080});
    const int other = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    const int fd = ::fcntl(sock.fd(), F_DUPFD_CLOEXEC, 0);
    sock.close_fd();
    const Outcome outcome = timed([&] { return ::dup3(other, fd, O_CLOEXEC); });
    sock.released(nullptr, outcome.span).event.erase("op");
    ::close(other);
    ::close(fd);
}

// A new program in the same process: the old claim still tells of the old program.
void across_exec(Story& story) {
    Child runner([](Story& told) {
        Sock sock(told, kTcp4);
        sock.bind({"127.0.0.1", 8080});
        must(::fcntl(sock.fd(), F_SETFD, 0) == 0, "clear FD_CLOEXEC");
        Json bind = task_facts();
        sock.leave();
        const std::string exe = own_exe();
        bind["process"]["comm"] = exe.substr(exe.rfind('/') + 1, 15);
        bind["process"]["cmdline"] = {"renamed", "bind-and-exit", "8081"};
        bind.update({{"type", "bind"}, {"op", "bind"}, {"result", "ok"}, {"port", 8081}, {"local_port", 8081}});
        bind["netns"] = {{"inum", netns_inum()}};
        Json release = bind;
        release.update({{"type", "release"}, {"op", "exit"}, {"result", nullptr}, {"port", nullptr}});
        told.expect(bind);
        told.expect(release);
        told.print();
        ::execl(exe.c_str(), "renamed", "bind-and-exit", "8081", nullptr);
        fail("exec: " + errno_name(errno));
    });
    runner.join();
    (void)story;
}

}  // namespace

std::vector<Case> inheritance_cases() {
    return {
        {"inherit-dup", duplicated},
        {"inherit-dup3-over", replaced},
        {"inherit-fork-child-exits-last", forked_then_exit},
        {"inherit-fork-child-closes-last", forked_then_close},
        {"inherit-fork-parent-closes-last", forked_child_first},
        {"inherit-bound-by-child", bound_by_child},
        {"inherit-scm-rights", passed_on},
        {"inherit-scm-rights-lost", lost_in_flight},
        {"inherit-exec", across_exec},
    };
}

}  // namespace bindtrace
