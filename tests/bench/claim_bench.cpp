// SPDX-License-Identifier: MIT
// What bindtrace costs the programs that it watches, as root: claim_bench [BINDTRACE [STRATEGY]]
//
//     claims     bind+close and connect+close, each as a ratio to the same without bindtrace in the same run: with all
//                events wanted, and with no ephemeral ones
//     refusals   a bind that fails, where so many sockets have the port: the kernel's own check and the look for
//                holders both go through them
//
// One thread; wall time, the median of rounds that take turns.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "kernel_process.h"

namespace {

using namespace bindtrace;
using namespace std::chrono_literals;

constexpr int kRounds = 9;

sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

int bind_to(int fd, std::uint16_t port) {
    const sockaddr_in address = loopback(port);
    return bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
}

// Microseconds a call, over `times` of them.
double cost(const std::function<void()>& call, int times) {
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < times; ++i) call();
    return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count() / times;
}

double median(std::vector<double> samples) {
    std::sort(samples.begin(), samples.end());
    return samples[samples.size() / 2];
}

// Its lines are read and dropped, so that it never waits; the last failure's verdict is kept.
class Tracer {
  public:
    Tracer(const std::string& bindtrace, const std::string& strategy, const std::vector<std::string>& words)
        : process_(command(bindtrace, strategy, words)) {
        process_.read_line();
        reader_ = std::thread([this] {
            while (const auto line = process_.read_line())
                if (line->find("\"conflict\":{") != std::string::npos) verdict_ = *line;
        });
    }
    ~Tracer() { stop(); }
    Tracer(const Tracer&) = delete;
    Tracer& operator=(const Tracer&) = delete;

    std::string stop() {
        if (!reader_.joinable()) return verdict_;
        process_.signal(SIGINT);
        reader_.join();
        process_.wait(60s);
        return verdict_;
    }

  private:
    static std::vector<std::string> command(const std::string& bindtrace, const std::string& strategy,
                                            std::vector<std::string> words) {
        words.insert(words.begin(), {bindtrace, "--json", "--attach", strategy});
        return words;
    }

    ChildProcess process_;
    std::thread reader_;
    std::string verdict_;
};

struct Measure {
    const char* name;
    std::function<void()> call;
    int times;
};

void bench_claims(const std::string& bindtrace, const std::string& strategy) {
    const int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)bind_to(server, 0);
    (void)listen(server, 4096);
    sockaddr_in target{};
    socklen_t size = sizeof(target);
    getsockname(server, reinterpret_cast<sockaddr*>(&target), &size);
    const Measure measures[] = {{"bind+close",
                                 [] {
                                     const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
                                     (void)bind_to(fd, 0);
                                     close(fd);
                                 },
                                 20'000},
                                {"connect+close",
                                 [&] {
                                     const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
                                     const linger at_once{1, 0};  // no TIME_WAIT, or the ports would run out
                                     setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
                                     (void)connect(fd, reinterpret_cast<const sockaddr*>(&target), sizeof(target));
                                     close(accept4(server, nullptr, nullptr, SOCK_CLOEXEC));
                                     close(fd);
                                 },
                                 5'000}};
    const std::vector<std::string> ways[] = {{}, {"--no-ephemeral", "--events", "bind,listen"}};
    const char* const names[] = {"all events", "no ephemeral ones"};
    for (const Measure& measure : measures) {
        std::vector<double> bare, traced[2];
        for (int round = 0; round < kRounds; ++round) {
            bare.push_back(cost(measure.call, measure.times));
            for (std::size_t way = 0; way < 2; ++way) {
                const Tracer tracer(bindtrace, strategy, ways[way]);
                traced[way].push_back(cost(measure.call, measure.times));
            }
        }
        std::printf("%-16s bare %.2f us", measure.name, median(bare));
        for (std::size_t way = 0; way < 2; ++way)
            std::printf("; %s: %.2f us, ratio %.2f", names[way], median(traced[way]),
                        median(traced[way]) / median(bare));
        std::printf("\n");
    }
    close(server);
}

void bench_refusals(const std::string& bindtrace, const std::string& strategy) {
    constexpr std::uint16_t kPort = 18080;
    const rlimit many{20'000, 20'000};
    setrlimit(RLIMIT_NOFILE, &many);
    for (const int sockets : {1, 100, 10'000}) {
        std::vector<int> holders;
        for (int i = 0; i < sockets; ++i) {
            const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
            const int on = 1;
            setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
            if (fd < 0 || bind_to(fd, kPort) != 0) return std::perror("cannot set up the holders");
            holders.push_back(fd);
        }
        const int late = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        const auto refused = [&] {
            if (bind_to(late, kPort) == 0) std::abort();
        };
        std::vector<double> bare, traced;
        std::string verdict;
        for (int round = 0; round < kRounds; ++round) {
            bare.push_back(cost(refused, 200));
            Tracer tracer(bindtrace, strategy, {"--failed"});
            traced.push_back(cost(refused, 200));
            verdict = tracer.stop();
        }
        const auto told = nlohmann::json::parse(verdict, nullptr, false);
        const auto evidence = told.is_object() ? told["conflict"]["evidence"] : nlohmann::json();
        std::printf("refused among %-6d bare %.2f us, traced %.2f us; looked at %s\n", sockets, median(bare),
                    median(traced), evidence.dump().c_str());
        close(late);
        for (const int fd : holders) close(fd);
    }
}

}  // namespace

int main(int argc, char** argv) {
    const std::string bindtrace = argc > 1 ? argv[1] : "build/bindtrace";
    const std::string strategy = argc > 2 ? argv[2] : "auto";
    setvbuf(stdout, nullptr, _IOLBF, 0);
    bench_claims(bindtrace, strategy);
    bench_refusals(bindtrace, strategy);
}
