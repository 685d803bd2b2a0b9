// SPDX-License-Identifier: MIT
// A network namespace of a test's own, with lo up, and the sockets that play in it.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace bindtrace {

class Netns {
  public:
    Netns();  // throws std::runtime_error
    ~Netns();
    Netns(const Netns&) = delete;
    Netns& operator=(const Netns&) = delete;

    std::uint64_t inum() const { return inum_; }
    std::string inum_text() const { return std::to_string(inum_); }

    // Runs it in there, in a thread that ends with it; processes that it starts stay there.
    void run(const std::function<void()>& body) const;

  private:
    int fd_ = -1;
    std::uint64_t inum_ = 0;
};

std::uint64_t netns_of_this_thread();

// Runs it in a forked process and gives that process's id, after its end. Throws where it fails.
pid_t in_child(const std::function<void()>& body);
// The same with a program.
pid_t in_program(const std::vector<std::string>& argv);

enum class Kind { tcp, udp, icmp };

// IPv4 or IPv6 by the look of the address. Calls give the errno, 0 for success.
class Socket {
  public:
    explicit Socket(Kind kind, bool ipv6 = false);
    ~Socket() { close(); }
    Socket(const Socket&) = delete;
    Socket& operator=(const Socket&) = delete;

    int bind(const std::string& address, std::uint16_t port);
    int listen();
    int connect(const std::string& address, std::uint16_t port);
    void close();
    std::uint16_t local_port() const;
    int fd() const { return fd_; }

  private:
    int fd_;
};

// A TCP bind and its end. Gives the errno.
int bind_and_close(const std::string& address, std::uint16_t port, Kind kind = Kind::tcp);

}  // namespace bindtrace
