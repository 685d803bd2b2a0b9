// SPDX-License-Identifier: MIT
// What `bindtrace who PORT` costs beside ss and lsof, on this machine, as root: who_bench BINDTRACE ROUNDS
//
// A listener on one port among processes, descriptors and network namespaces. The commands take turns, there and back:
// what one has looked at is warm for the next.

#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "crowd.h"
#include "measure.h"

namespace {

using namespace bindtrace;

std::uint16_t listen_somewhere() {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    socklen_t size = sizeof(address);
    if (listen(fd, 1) != 0 || getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) std::abort();
    return ntohs(address.sin_port);
}

struct Time {
    double wall_ms, cpu_ms;
};

// Of children that have ended.
double children_ms() {
    rusage used{};
    getrusage(RUSAGE_CHILDREN, &used);
    return static_cast<double>(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1e3 +
           static_cast<double>(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e3;
}

// With the shell and the grep: the command must find something.
Time run(const std::string& command) {
    const std::int64_t start = clock_ns(CLOCK_MONOTONIC);
    const double cpu = children_ms();
    const int status = std::system((command + " 2>/dev/null | grep -q who_bench").c_str());
    const std::int64_t end = clock_ns(CLOCK_MONOTONIC);
    if (status != 0) std::fprintf(stderr, "did not find the listener: %s\n", command.c_str());
    return {static_cast<double>(end - start) / 1e6, children_ms() - cpu};
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3) {
        std::fprintf(stderr, "usage: who_bench BINDTRACE ROUNDS\n");
        return 2;
    }
    const rlimit many{4096, 4096};
    setrlimit(RLIMIT_NOFILE, &many);
    const std::string port = std::to_string(listen_somewhere());
    const std::pair<const char*, std::string> commands[] = {
        {"bindtrace who PORT", std::string(argv[1]) + " who " + port},
        {"ss -ltnp", "ss -ltnp 'sport = :" + port + "'"},
        {"lsof -nP", "lsof -nP -iTCP:" + port + " -sTCP:LISTEN"}};
    const struct {
        const char* among;
        int processes, descriptors;
        bool own_netns;
    } places[] = {{"no others", 0, 0, false},
                  {"10 processes of 100 descriptors", 10, 100, false},
                  {"100 processes of 100 descriptors", 100, 100, false},
                  {"1,000 processes of 100 descriptors", 1000, 100, false},
                  {"100 processes of 10 descriptors", 100, 10, false},
                  {"100 processes of 1,000 descriptors", 100, 1000, false},
                  {"1 more network namespace", 1, 100, true},
                  {"10 more network namespaces", 10, 100, true},
                  {"100 more network namespaces", 100, 100, true}};
    for (const auto& place : places) {
        const Crowd crowd(place.processes, place.descriptors, place.own_netns);
        std::vector<double> wall[std::size(commands)], cpu[std::size(commands)];
        for (int i = 0; i < std::atoi(argv[2]); ++i) {
            for (std::size_t turn = 0; turn < std::size(commands); ++turn) {
                const std::size_t c = i % 2 == 0 ? turn : std::size(commands) - 1 - turn;
                const Time time = run(commands[c].second);
                wall[c].push_back(time.wall_ms);
                cpu[c].push_back(time.cpu_ms);
            }
        }
        for (std::size_t c = 0; c < std::size(commands); ++c)
            tell(std::string("who, among ") + place.among, commands[c].first, "ms", wall[c]);
        for (std::size_t c = 0; c < std::size(commands); ++c)
            tell(std::string("who, among ") + place.among + ": CPU", commands[c].first, "ms", cpu[c]);
    }
}
