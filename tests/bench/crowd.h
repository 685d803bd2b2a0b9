// SPDX-License-Identifier: MIT
// Processes with descriptors, for a benchmark to find its way among.
#pragma once

#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <vector>

namespace bindtrace {

// Half of them sockets with a port.
inline void open_descriptors(int count) {
    for (int i = 0; i < count; ++i) {
        if (i % 2 == 0) {
            (void)open("/dev/null", O_RDONLY);
            continue;
        }
        const int fd = socket(AF_INET, SOCK_DGRAM, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK + static_cast<std::uint32_t>(getpid()));
        (void)bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
    }
}

// Processes that do nothing, until it goes out of scope.
class Crowd {
  public:
    Crowd(int processes, int descriptors, bool own_netns) {
        int ready[2];
        if (pipe2(ready, O_CLOEXEC) != 0) std::abort();
        for (int i = 0; i < processes; ++i) {
            const pid_t pid = fork();
            if (pid == 0) {
                if (own_netns && unshare(CLONE_NEWNET) != 0) _exit(1);
                open_descriptors(descriptors);
                if (write(ready[1], "x", 1) != 1) _exit(1);
                for (;;) pause();
            }
            if (pid > 0) pids_.push_back(pid);
        }
        close(ready[1]);
        std::size_t count = 0;
        for (char byte; count < pids_.size() && read(ready[0], &byte, 1) == 1; ++count) {
        }
        close(ready[0]);
        if (count != pids_.size()) std::fprintf(stderr, "only %zu of %d processes came up\n", count, processes);
    }
    Crowd(const Crowd&) = delete;
    Crowd& operator=(const Crowd&) = delete;
    ~Crowd() {
        for (const pid_t pid : pids_) kill(pid, SIGKILL);
        for (const pid_t pid : pids_) waitpid(pid, nullptr, 0);
    }

  private:
    std::vector<pid_t> pids_;
};

}  // namespace bindtrace
