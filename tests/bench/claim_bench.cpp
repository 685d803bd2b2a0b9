// SPDX-License-Identifier: MIT
// What tracers cost the programs that they watch, as root:
//
//     claim_bench ROUNDS SCALE STRATEGIES BINDTRACE [NAME COMMAND]...
//
// Each round makes the same calls bare, under bindtrace by each of the strategies (fentry,kprobe) with more and with
// less wanted of it, and under each COMMAND, which is another tool that prints a line for each bind, or one that says
// "attached". SCALE says how many calls.
//
// What counts is the processor time of the thread that makes the calls: a program attached to the kernel runs in it,
// and what a tracer does elsewhere is not in it. In a guest with --icount a nanosecond of it is an instruction.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "kernel_process.h"
#include "measure.h"

namespace {

using namespace bindtrace;
using namespace std::chrono_literals;

constexpr std::uint16_t kFirstPort = 10'000, kTakenPort = 18'080;
constexpr int kBatch = 500;
constexpr const char* kOwn = "claim_bench";    // this program's name, in an event's line
constexpr const char* kAttached = "attached";  // the line of floor_programs

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

int tcp_socket() {
    return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

// Nanoseconds a call, over `times` of them.
template <typename Call>
double cost(int times, Call call) {
    const double start = thread_ns();
    for (int i = 0; i < times; ++i) call(i);
    return (thread_ns() - start) / times;
}

class Calls {
  public:
    static constexpr std::array kNames{"bind",
                                       "close of what was bound",
                                       "refused bind: 1 socket has the port",
                                       "refused bind: 10 sockets have it",
                                       "refused bind: 100 sockets have it",
                                       "refused bind: 10,000 sockets have it",
                                       "connect, accept and close both",
                                       "unrelated system call (getppid)"};
    using Costs = std::array<double, kNames.size()>;

    explicit Calls(int scale) : scale_(scale), server_(tcp_socket()) {
        const rlimit many{16'384, 16'384};
        setrlimit(RLIMIT_NOFILE, &many);
        (void)bind_to(server_, 0);
        (void)listen(server_, 64);
        socklen_t size = sizeof(target_);
        getsockname(server_, reinterpret_cast<sockaddr*>(&target_), &size);
    }

    Costs measure() const {
        Costs costs{};
        for (int i = 0; i < scale_; ++i) {
            const auto [taken, given_back] = claims();
            costs[0] += taken / scale_;
            costs[1] += given_back / scale_;
        }
        costs[2] = refused(1);
        costs[3] = refused(10);
        costs[4] = refused(100);
        costs[5] = refused(10'000);
        costs[6] = cost(scale_ * 2'000, [&](int) { connection(); });
        costs[7] = cost(scale_ * 10'000, [](int) { syscall(SYS_getppid); });
        return costs;
    }

  private:
    struct Claims {
        double taken, given_back;
    };
    static Claims claims() {
        std::array<int, kBatch> fds{};
        for (int& fd : fds) fd = tcp_socket();
        const double taken = cost(kBatch, [&](int i) {
            if (bind_to(fds[static_cast<std::size_t>(i)], static_cast<std::uint16_t>(kFirstPort + i)) != 0)
                std::perror("bind");
        });
        return {taken, cost(kBatch, [&](int i) { close(fds[static_cast<std::size_t>(i)]); })};
    }
    double refused(int sockets) const {
        std::vector<int> holders;
        for (int i = 0; i < sockets; ++i) {
            const int on = 1;
            holders.push_back(tcp_socket());
            setsockopt(holders.back(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
            if (bind_to(holders.back(), kTakenPort) != 0) std::perror("bind of a holder");
        }
        const int late = tcp_socket();
        const double result = cost(scale_ * 40, [&](int) {
            if (bind_to(late, kTakenPort) == 0) std::abort();
        });
        close(late);
        for (const int fd : holders) close(fd);
        return result;
    }
    void connection() const {
        const int fd = tcp_socket();
        const linger at_once{1, 0};  // no TIME_WAIT, or the ports would run out
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
        (void)connect(fd, reinterpret_cast<const sockaddr*>(&target_), sizeof(target_));
        close(accept4(server_, nullptr, nullptr, SOCK_CLOEXEC));
        close(fd);
    }

    int scale_;
    int server_;
    sockaddr_in target_{};
};

struct Way {
    std::string name, command;  // no command: bare
    const char* ready;          // what is in a line by which it is known to be attached
};

// A tracer whose lines are read and dropped, so that it never waits.
class Tracer {
  public:
    explicit Tracer(const Way& way) : process_({"/bin/sh", "-c", "exec " + way.command}) {
        reader_ = std::thread([this, ready = std::string_view(way.ready)] {
            while (const auto line = process_.read_line())
                if (!ready_ && (line->find(ready) != std::string::npos || *line == kAttached)) ready_ = true;
            over_ = true;
        });
        const auto deadline = std::chrono::steady_clock::now() + 300s;
        while (!ready_ && !over_ && std::chrono::steady_clock::now() < deadline) {
            const int fd = tcp_socket();
            (void)bind_to(fd, kFirstPort);
            close(fd);
            std::this_thread::sleep_for(1ms);
        }
    }
    ~Tracer() {
        process_.signal(SIGINT);
        if (!process_.wait(60s)) process_.signal(SIGKILL);
        reader_.join();
        if (!ready_) std::fprintf(stderr, "%s\n", process_.errors().c_str());
    }
    Tracer(const Tracer&) = delete;
    Tracer& operator=(const Tracer&) = delete;

    bool ready() const { return ready_; }

  private:
    ChildProcess process_;
    std::thread reader_;
    std::atomic<bool> ready_{false}, over_{false};
};

struct Results {
    std::array<std::vector<double>, Calls::kNames.size()> calls;
    std::vector<double> start_ms;
    bool failed = false;  // to start
};

bool measure(const Way& way, const Calls& calls, Results& results) {
    std::unique_ptr<Tracer> tracer;
    if (!way.command.empty()) {
        const std::int64_t start = clock_ns(CLOCK_MONOTONIC);
        tracer = std::make_unique<Tracer>(way);
        if (!tracer->ready()) return false;
        results.start_ms.push_back(static_cast<double>(clock_ns(CLOCK_MONOTONIC) - start) / 1e6);
    }
    const Calls::Costs costs = calls.measure();
    for (std::size_t i = 0; i < costs.size(); ++i) results.calls[i].push_back(costs[i]);
    return true;
}

std::vector<Way> ways_of(int count, char** words) {
    constexpr const char* kMeta = "\"type\":\"meta\"";
    std::vector<Way> ways{{"bare", "", ""}};
    const std::string strategies = std::string(words[0]) + ",";
    for (std::size_t at = 0, end; (end = strategies.find(',', at)) != std::string::npos; at = end + 1) {
        const std::string strategy = strategies.substr(at, end - at);
        const std::string name = "bindtrace " + strategy,
                          command = std::string(words[1]) + " --json --attach " + strategy;
        ways.push_back({name + ", all events", command, kOwn});
        ways.push_back({name + ", no ephemeral ones", command + " --no-ephemeral --events bind,listen", kMeta});
        ways.push_back({name + ", --failed", command + " --failed", kMeta});
        ways.push_back({name + ", --port 1", command + " --port 1", kMeta});
    }
    for (int i = 2; i + 1 < count; i += 2) ways.push_back({words[i], words[i + 1], kOwn});
    return ways;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 5) {
        std::fprintf(stderr, "usage: claim_bench ROUNDS SCALE STRATEGIES BINDTRACE [NAME COMMAND]...\n");
        return 2;
    }
    // Under a tracer this process has a reader beside it, and the kernel takes longer to find the file of a descriptor
    // where there are threads: so bare it has one too.
    std::thread([] { pause(); }).detach();
    const Calls calls(std::atoi(argv[2]));
    const std::vector<Way> ways = ways_of(argc - 3, argv + 3);
    std::vector<Results> results(ways.size());
    calls.measure();  // what is done for the first time takes longer
    for (int round = 0; round < std::atoi(argv[1]); ++round)
        for (std::size_t i = 0; i < ways.size(); ++i)
            if (!results[i].failed) results[i].failed = !measure(ways[i], calls, results[i]);
    for (std::size_t call = 0; call < Calls::kNames.size(); ++call)
        for (std::size_t i = 0; i < ways.size(); ++i)
            tell(Calls::kNames[call], ways[i].name, "ns", results[i].calls[call]);
    for (std::size_t i = 0; i < ways.size(); ++i)
        if (ways[i].ready == std::string_view(kOwn))
            tell("start to first event", ways[i].name, "ms", results[i].start_ms);
}
