// SPDX-License-Identifier: MIT
#include "provoke_world.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/if_addr.h>
#include <linux/if_tun.h>
#include <linux/ipv6.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <sstream>

namespace bindtrace {

void enter_new_netns() {
    must(::unshare(CLONE_NEWNET) == 0, "unshare(CLONE_NEWNET): " + errno_name(errno));
    const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    must(fd >= 0, "socket: " + errno_name(errno));
    ifreq request{};
    std::strncpy(request.ifr_name, "lo", sizeof request.ifr_name - 1);
    request.ifr_flags = IFF_UP | IFF_RUNNING;
    must(::ioctl(fd, SIOCSIFFLAGS, &request) == 0, "bring lo up: " + errno_name(errno));
    ::close(fd);
}

void add_local_address(const char* ipv4) {
    const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    must(fd >= 0, "socket: " + errno_name(errno));
    ifreq request{};
    std::strncpy(request.ifr_name, "lo:1", sizeof request.ifr_name - 1);
    auto* address = reinterpret_cast<sockaddr_in*>(&request.ifr_addr);
    address->sin_family = AF_INET;
    must(::inet_pton(AF_INET, ipv4, &address->sin_addr) == 1, std::string("no address: ") + ipv4);
    must(::ioctl(fd, SIOCSIFADDR, &request) == 0, "add an address: " + errno_name(errno));
    ::close(fd);
}

void add_tentative_address(const char* ipv6) {
    const int tap = ::open("/dev/net/tun", O_RDWR | O_CLOEXEC);
    ifreq device{};
    std::strncpy(device.ifr_name, "bt-tap", sizeof device.ifr_name - 1);
    device.ifr_flags = IFF_TAP | IFF_NO_PI;
    if (tap < 0 || ::ioctl(tap, TUNSETIFF, &device) != 0) skip("no tap device: " + errno_name(errno));
    const int fd = ::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    must(fd >= 0 && ::ioctl(fd, SIOCGIFINDEX, &device) == 0, "SIOCGIFINDEX: " + errno_name(errno));
    in6_ifreq address{};
    address.ifr6_ifindex = device.ifr_ifindex;
    address.ifr6_prefixlen = 64;
    device.ifr_flags = IFF_UP;
    must(::ioctl(fd, SIOCSIFFLAGS, &device) == 0, "bring bt-tap up: " + errno_name(errno));
    must(::inet_pton(AF_INET6, ipv6, &address.ifr6_addr) == 1, std::string("no address: ") + ipv6);
    must(::ioctl(fd, SIOCSIFADDR, &address) == 0, "add an address: " + errno_name(errno));
    ::close(fd);
}

void set_sysctl(const std::string& name, const std::string& value) {
    write_file("/proc/sys/net/ipv4/" + name, value);
}

std::optional<TcpTableEntry> find_in_tcp_table(std::uint16_t local_port) {
    constexpr unsigned kTimeWaitTimer = 3;
    std::istringstream lines(read_file("/proc/net/tcp") + read_file("/proc/net/tcp6"));
    for (std::string line; std::getline(lines, line);) {
        unsigned port = 0;
        unsigned state = 0;
        unsigned timer = 0;
        const int fields =
            std::sscanf(line.c_str(), "%*d: %*32x:%4x %*32x:%*4x %2x %*8x:%*8x %2x", &port, &state, &timer);
        if (fields == 3 && port == local_port) return TcpTableEntry{state, timer == kTimeWaitTimer};
    }
    return std::nullopt;
}

namespace {

std::uint64_t until(const std::function<bool()>& holds, int seconds, const std::string& what) {
    const std::uint64_t deadline = boot_ns() + static_cast<std::uint64_t>(seconds) * 1'000'000'000U;
    while (!holds()) {
        must(boot_ns() < deadline, what);
        pause_ms(5);
    }
    return boot_ns();
}

}  // namespace

std::uint64_t until_small_socket(std::uint16_t local_port, int tcp_state) {
    const auto there = [&] {
        const auto entry = find_in_tcp_table(local_port);
        return entry && entry->is_small && entry->state == static_cast<unsigned>(tcp_state);
    };
    return until(there, 10, "no small socket in state " + std::to_string(tcp_state));
}

std::uint64_t until_port_gone(std::uint16_t local_port, int seconds) {
    const auto gone = [&] { return !find_in_tcp_table(local_port); };
    return until(gone, seconds, "port " + std::to_string(local_port) + " is still in /proc/net/tcp");
}

void until_no_address_is_tentative() {
    const auto ready = [] {
        std::istringstream lines(read_file("/proc/net/if_inet6"));
        for (std::string line; std::getline(lines, line);) {
            unsigned flags = 0;
            if (std::sscanf(line.c_str(), "%*s %*s %*s %*s %x", &flags) == 1 && (flags & IFA_F_TENTATIVE) != 0)
                return false;
        }
        return true;
    };
    until(ready, 60, "an IPv6 address is still tentative");
}

void pause_ms(long ms) {
    const timespec pause{ms / 1000, ms % 1000 * 1'000'000};
    ::nanosleep(&pause, nullptr);
}

Gate::Gate() {
    std::array<int, 2> ends{};
    must(::pipe2(ends.data(), O_CLOEXEC) == 0, "pipe: " + errno_name(errno));
    read_fd_ = ends[0];
    write_fd_ = ends[1];
}

Gate::~Gate() {
    ::close(read_fd_);
    if (write_fd_ >= 0) ::close(write_fd_);
}

void Gate::open() {
    must(::write(write_fd_, "x", 1) == 1, "gate: " + errno_name(errno));
}

void Gate::wait() {
    ::close(write_fd_);  // so that the other side's exit is seen
    write_fd_ = -1;
    char byte = 0;
    while (::read(read_fd_, &byte, 1) < 0 && errno == EINTR) {
    }
}

Child::Child(const std::function<void(Story&)>& body) : pid_(::fork()) {
    must(pid_ >= 0, "fork: " + errno_name(errno));
    if (pid_ != 0) return;
    Story story;
    body(story);
    story.print();
    ::_exit(0);
}

Child::~Child() {
    if (pid_ > 0) join();
}

Span Child::join() {
    Span span;
    int status = 0;
    span.before = boot_ns();
    while (::waitpid(pid_, &status, 0) < 0) must(errno == EINTR, "waitpid: " + errno_name(errno));
    span.after = boot_ns();
    must(status == 0, "a child of the case failed");
    pid_ = -1;
    return span;
}

Span Child::kill_and_join() {
    Span span;
    int status = 0;
    span.before = boot_ns();
    must(::kill(pid_, SIGKILL) == 0, "kill: " + errno_name(errno));
    while (::waitpid(pid_, &status, 0) < 0) must(errno == EINTR, "waitpid: " + errno_name(errno));
    span.after = boot_ns();
    must(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "the child ended before it was killed");
    pid_ = -1;
    return span;
}

void become_user(uid_t uid) {
    must(::setgroups(0, nullptr) == 0 && ::setresgid(uid, uid, uid) == 0 && ::setresuid(uid, uid, uid) == 0,
         "become uid " + std::to_string(uid) + ": " + errno_name(errno));
}

}  // namespace bindtrace
