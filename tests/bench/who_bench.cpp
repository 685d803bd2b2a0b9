// SPDX-License-Identifier: MIT
// What `bindtrace who PORT` costs beside ss and lsof, on this machine, as root: who_bench [BINDTRACE [RUNS]]
//
// A listener on one port among so many processes of 100 descriptors each (half of them sockets with a port), then among
// network namespaces with a process each. The commands take turns in each run; the ratio is that of the medians.
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <spawn.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace {

constexpr int kDescriptors = 100;

double ms(std::chrono::steady_clock::duration span) {
    return std::chrono::duration<double, std::milli>(span).count();
}

std::uint16_t listen_somewhere() {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    socklen_t size = sizeof(address);
    if (listen(fd, 1) != 0 || getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) std::abort();
    return ntohs(address.sin_port);
}

void open_descriptors() {
    for (int i = 0; i < kDescriptors; ++i) {
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
    Crowd(int processes, bool own_netns) {
        int ready[2];
        if (pipe2(ready, O_CLOEXEC) != 0) std::abort();
        for (int i = 0; i < processes; ++i) {
            const pid_t pid = fork();
            if (pid == 0) {
                if (own_netns && unshare(CLONE_NEWNET) != 0) _exit(1);
                open_descriptors();
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
        if (count != pids_.size()) std::printf("only %zu of %d processes came up\n", count, processes);
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

// Wall time. The command must find something.
double run(const std::string& command) {
    const auto start = std::chrono::steady_clock::now();
    const int status = std::system((command + " 2>/dev/null | grep -q who_bench").c_str());
    const auto end = std::chrono::steady_clock::now();
    if (status != 0) std::printf("did not find the listener: %s\n", command.c_str());
    return ms(end - start);
}

double median(std::vector<double> samples) {
    std::sort(samples.begin(), samples.end());
    return samples[samples.size() / 2];
}

double compare(const char* title, const std::string& bindtrace, std::uint16_t port, int runs) {
    const std::string number = std::to_string(port);
    const std::string commands[] = {bindtrace + " who " + number, "ss -ltnp 'sport = :" + number + "'",
                                    "lsof -nP -iTCP:" + number + " -sTCP:LISTEN"};
    const char* const names[] = {"bindtrace who", "ss -ltnp", "lsof -nP"};
    std::vector<double> samples[3];
    for (int i = 0; i < runs; ++i) {
        for (std::size_t c = 0; c < 3; ++c) samples[c].push_back(run(commands[c]));
    }
    std::printf("%s\n", title);
    const double own = median(samples[0]);
    for (std::size_t c = 0; c < 3; ++c) {
        const auto [least, most] = std::minmax_element(samples[c].begin(), samples[c].end());
        std::printf("  %-14s %8.1f ms median, %.1f-%.1f, n=%zu", names[c], median(samples[c]), *least, *most,
                    samples[c].size());
        if (c != 0) std::printf(", bindtrace takes %.3f of it", own / median(samples[c]));
        std::printf("\n");
    }
    return own;
}

}  // namespace

int main(int argc, char** argv) {
    const std::string bindtrace = argc > 1 ? argv[1] : "build/bindtrace";
    const int runs = argc > 2 ? std::atoi(argv[2]) : 11;
    setvbuf(stdout, nullptr, _IOLBF, 0);
    const std::uint16_t port = listen_somewhere();
    compare("no other process", bindtrace, port, runs);
    for (const int processes : {100, 1000}) {
        const Crowd crowd(processes, false);
        compare((std::to_string(processes) + " processes of 100 descriptors").c_str(), bindtrace, port, runs);
    }
    double before = 0;
    for (const int namespaces : {1, 10, 100}) {
        const Crowd crowd(namespaces, true);
        const std::string title = std::to_string(namespaces) + " network namespaces, a process of 100 descriptors each";
        const double now = compare(title.c_str(), bindtrace, port, runs);
        if (before == 0) before = now;
        std::printf("  %.2f times one namespace\n", now / before);
    }
}
