// SPDX-License-Identifier: MIT
// What a case has around it: its network namespace, its children, and how they wait for each other.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "provoke_story.h"

namespace bindtrace {

// Leaves the calling thread in a new network namespace with lo up.
void enter_new_netns();

// To the loopback interface.
void add_local_address(const char* ipv4);

// To a new device that lasts as long as the process: not ready for a second or two, since the kernel asks first whether
// somebody else has it. Skips the case where there can be no such device.
void add_tentative_address(const char* ipv6);
void until_no_address_is_tentative();

// net.ipv4.* of the network namespace: set_sysctl("ip_local_port_range", "50000 50001").
void set_sysctl(const std::string& name, const std::string& value);

// The socket with this local port in the network namespace's tables of TCP connections and listeners.
struct TcpTableEntry {
    unsigned state = 0;     // TCP_*; of a small socket the state it stands for
    bool is_small = false;  // TIME_WAIT, or FIN_WAIT2 without a socket
};
std::optional<TcpTableEntry> find_in_tcp_table(std::uint16_t local_port);

// Poll, since nothing tells a process of it. Give the boot time when it was seen.
std::uint64_t until_small_socket(std::uint16_t local_port, int tcp_state);
std::uint64_t until_port_gone(std::uint16_t local_port, int seconds);
void pause_ms(long ms);

// A one-way signal between processes related by fork: one waits until another opens it. Exit opens it too.
class Gate {
  public:
    Gate();
    ~Gate();
    Gate(const Gate&) = delete;
    Gate& operator=(const Gate&) = delete;

    void open();
    void wait();

  private:
    int read_fd_;
    int write_fd_;
};

// Forks. The child runs `body` with a story of its own, prints it, and exits; descriptors stay open until then. A
// failure in the child fails the case.
class Child {
  public:
    explicit Child(const std::function<void(Story&)>& body);
    ~Child();
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;

    pid_t pid() const { return pid_; }
    // From just before until the child was seen to be gone.
    Span join();
    Span kill_and_join();

  private:
    pid_t pid_;
};

// Gives up root for good.
void become_user(uid_t uid);

}  // namespace bindtrace
