// SPDX-License-Identifier: MIT
#include "live_netns.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <thread>
#include <utility>

namespace bindtrace {
namespace {

struct Address {
    sockaddr_storage storage{};
    socklen_t size = 0;

    Address(const std::string& text, std::uint16_t port) {
        auto* v4 = reinterpret_cast<sockaddr_in*>(&storage);
        auto* v6 = reinterpret_cast<sockaddr_in6*>(&storage);
        if (::inet_pton(AF_INET, text.c_str(), &v4->sin_addr) == 1) {
            v4->sin_family = AF_INET;
            v4->sin_port = htons(port);
            size = sizeof(*v4);
        } else if (::inet_pton(AF_INET6, text.c_str(), &v6->sin6_addr) == 1) {
            v6->sin6_family = AF_INET6;
            v6->sin6_port = htons(port);
            size = sizeof(*v6);
        } else {
            throw std::runtime_error("not an address: " + text);
        }
    }
    const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

void must(bool holds, const char* what) {
    if (!holds) throw std::runtime_error(std::string(what) + ": " + std::strerror(errno));
}

void bring_lo_up() {
    const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    must(fd >= 0, "socket");
    ifreq request{};
    std::strncpy(request.ifr_name, "lo", sizeof(request.ifr_name) - 1);
    request.ifr_flags = IFF_UP | IFF_RUNNING;
    const int result = ::ioctl(fd, SIOCSIFFLAGS, &request);
    ::close(fd);
    must(result == 0, "bring lo up");
}

// An exception in a thread ends the program, so it travels back by hand.
void in_thread(const std::function<void()>& body) {
    std::exception_ptr thrown;
    std::thread([&] {
        try {
            body();
        } catch (...) {
            thrown = std::current_exception();
        }
    }).join();
    if (thrown) std::rethrow_exception(thrown);
}

int outcome(int result) {
    return result == 0 ? 0 : errno;
}

}  // namespace

std::uint64_t netns_of_this_thread() {
    struct stat status {};
    must(::stat("/proc/thread-self/ns/net", &status) == 0, "/proc/thread-self/ns/net");
    return status.st_ino;
}

Netns::Netns() {
    in_thread([this] {
        must(::unshare(CLONE_NEWNET) == 0, "unshare(CLONE_NEWNET)");
        bring_lo_up();
        fd_ = ::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
        must(fd_ >= 0, "/proc/thread-self/ns/net");
        inum_ = netns_of_this_thread();
    });
}

Netns::~Netns() {
    ::close(fd_);
}

void Netns::run(const std::function<void()>& body) const {
    in_thread([&] {
        must(::setns(fd_, CLONE_NEWNET) == 0, "setns");
        body();
    });
}

pid_t in_child(const std::function<void()>& body) {
    const pid_t pid = ::fork();
    must(pid >= 0, "fork");
    if (pid == 0) {
        try {
            body();
        } catch (const std::exception&) {
            ::_exit(1);
        }
        ::_exit(0);
    }
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0) must(errno == EINTR, "waitpid");
    if (status != 0) throw std::runtime_error("a child failed with status " + std::to_string(status));
    return pid;
}

pid_t in_program(const std::vector<std::string>& argv) {
    std::vector<char*> words;
    for (const std::string& word : argv) words.push_back(const_cast<char*>(word.c_str()));
    words.push_back(nullptr);
    return in_child([&] {
        ::execv(words[0], words.data());
        throw std::runtime_error("exec");
    });
}

Socket::Socket(Kind kind, bool ipv6) {
    const int type = kind == Kind::tcp ? SOCK_STREAM : SOCK_DGRAM;
    const int protocol = kind == Kind::icmp ? IPPROTO_ICMP : 0;
    fd_ = ::socket(ipv6 ? AF_INET6 : AF_INET, type | SOCK_CLOEXEC, protocol);
    must(fd_ >= 0, "socket");
}

int Socket::bind(const std::string& address, std::uint16_t port) {
    const Address to(address, port);
    return outcome(::bind(fd_, to.get(), to.size));
}

int Socket::listen() {
    return outcome(::listen(fd_, 8));
}

int Socket::connect(const std::string& address, std::uint16_t port) {
    const Address to(address, port);
    return outcome(::connect(fd_, to.get(), to.size));
}

void Socket::close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

std::uint16_t Socket::local_port() const {
    sockaddr_in6 name{};  // the port is at the same place in both families
    socklen_t size = sizeof(name);
    must(::getsockname(fd_, reinterpret_cast<sockaddr*>(&name), &size) == 0, "getsockname");
    return ntohs(name.sin6_port);
}

int bind_and_close(const std::string& address, std::uint16_t port, Kind kind) {
    Socket socket(kind, address.find(':') != std::string::npos);
    return socket.bind(address, port);
}

}  // namespace bindtrace
