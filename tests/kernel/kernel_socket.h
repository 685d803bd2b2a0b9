// SPDX-License-Identifier: MIT
// Sockets and processes for tests of what is there already: nothing of what is done to them is expected as an event.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <utility>

namespace bindtrace {

class Socket {
  public:
    explicit Socket(int type, int family = AF_INET) : fd_(socket(family, type | SOCK_CLOEXEC, 0)), family_(family) {}
    explicit Socket(int fd, std::in_place_t) : fd_(fd) {}
    Socket(const Socket&) = delete;
    Socket& operator=(const Socket&) = delete;
    ~Socket() { close(); }

    int fd() const { return fd_; }
    void close() { ::close(std::exchange(fd_, -1)); }
    void set(int level, int option, int value = 1) const {
        ASSERT_EQ(setsockopt(fd_, level, option, &value, sizeof(value)), 0);
    }

    // On the loopback address. Returns the port.
    std::uint16_t bind(std::uint16_t port = 0) const {
        sockaddr_storage address = loopback(port);
        EXPECT_EQ(::bind(fd_, reinterpret_cast<sockaddr*>(&address), length()), 0) << std::strerror(errno);
        return this->port();
    }
    void listen() const { ASSERT_EQ(::listen(fd_, 16), 0); }
    void connect(std::uint16_t port) const {
        sockaddr_storage address = loopback(port);
        ASSERT_EQ(::connect(fd_, reinterpret_cast<sockaddr*>(&address), length()), 0);
    }
    std::uint64_t cookie() const {
        std::uint64_t cookie = 0;
        socklen_t size = sizeof(cookie);
        EXPECT_EQ(getsockopt(fd_, SOL_SOCKET, SO_COOKIE, &cookie, &size), 0);
        return cookie;
    }
    int accept() const { return ::accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC); }
    std::uint16_t port() const {
        sockaddr_storage address{};
        socklen_t size = sizeof(address);
        getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size);
        return ntohs(reinterpret_cast<sockaddr_in*>(&address)->sin_port);  // at the same place in sockaddr_in6
    }

  private:
    sockaddr_storage loopback(std::uint16_t port) const {
        sockaddr_storage storage{};
        if (family_ == AF_INET6) {
            auto* six = reinterpret_cast<sockaddr_in6*>(&storage);
            *six = {.sin6_family = AF_INET6,
                    .sin6_port = htons(port),
                    .sin6_flowinfo = 0,
                    .sin6_addr = in6addr_loopback,
                    .sin6_scope_id = 0};
        } else {
            auto* four = reinterpret_cast<sockaddr_in*>(&storage);
            four->sin_family = AF_INET;
            four->sin_port = htons(port);
            four->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        }
        return storage;
    }
    socklen_t length() const { return family_ == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in); }

    int fd_;
    int family_ = AF_INET;
};

// A child that has done `body` and stays, until it goes out of scope.
class Child {
  public:
    explicit Child(const std::function<void(int out)>& body) {
        int ready[2];
        if (pipe(ready) != 0) std::abort();
        pid_ = fork();
        if (pid_ == 0) {
            body(ready[1]);
            (void)!write(ready[1], "x", 1);
            for (;;) pause();
        }
        ::close(ready[1]);
        while (true) {
            char byte = 0;
            if (read(ready[0], &byte, 1) != 1 || byte == 'x') break;
            told_ += byte;
        }
        ::close(ready[0]);
    }
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;
    ~Child() {
        kill(pid_, SIGKILL);
        waitpid(pid_, nullptr, 0);
    }
    pid_t pid() const { return pid_; }
    std::uint16_t port() const { return static_cast<std::uint16_t>(std::atoi(told_.c_str())); }

  private:
    pid_t pid_ = -1;
    std::string told_;
};

inline void tell_port(int out, std::uint16_t port) {
    const std::string text = std::to_string(port);
    (void)!write(out, text.data(), text.size());
}

}  // namespace bindtrace
