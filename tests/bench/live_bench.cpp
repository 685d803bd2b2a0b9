// SPDX-License-Identifier: MIT
// What live tracing costs and keeps up with, on this machine, as root: live_bench BINDTRACE STRATEGY EVENTS ROUNDS
//
//     start      from exec to the meta record (attached) and to the first event's line, among so many open files
//     latency    from an event's own time stamp to the arrival of its line
//     load       three threads a core bind and close TCP sockets until there are EVENTS events, for each format: rate,
//                processor time, memory, and how many events were not told, whatever the reason
//
// Absolute times vary with the machine and its neighbours; compare the figures of one run.
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "crowd.h"
#include "kernel_process.h"
#include "measure.h"

namespace {

using namespace bindtrace;
using namespace std::chrono_literals;

double ms(std::int64_t ns) {
    return static_cast<double>(ns) / 1e6;
}

// Returns how many events it is: a bind that the kernel refuses has no release.
unsigned bind_once() {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const bool refused = bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0;
    if (refused) std::perror("live_bench: bind");
    close(fd);
    return refused ? 1 : 2;
}

struct Load {
    double rate;  // binds a second
    std::uint64_t events;
};

Load load(std::uint64_t binds) {
    const unsigned count = 3 * std::max(1u, std::thread::hardware_concurrency());
    const std::int64_t start = clock_ns(CLOCK_MONOTONIC);
    std::atomic<std::uint64_t> events{0};
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < count; ++i)
        threads.emplace_back([&events, share = binds / count + (i < binds % count)] {
            std::uint64_t own = 0;
            for (std::uint64_t bind = 0; bind < share; ++bind) own += bind_once();
            events += own;
        });
    for (std::thread& thread : threads) thread.join();
    const std::int64_t ns = clock_ns(CLOCK_MONOTONIC) - start;
    return {static_cast<double>(binds) * 1e9 / static_cast<double>(ns), events};
}

std::uint64_t number_after(const std::string& line, const std::string& key) {
    const std::size_t at = line.find(key);
    return at == std::string::npos ? 0 : std::strtoull(line.c_str() + at + key.size(), nullptr, 10);
}

void bench_start(const std::string& bindtrace, int processes, int rounds) {
    const Crowd crowd(processes, 100, false);
    std::vector<double> attached, first;
    for (int i = 0; i < rounds; ++i) {
        std::atomic<bool> stop{false};
        std::thread binder([&] {
            for (; !stop; std::this_thread::sleep_for(200us)) bind_once();
        });
        const std::int64_t start = clock_ns(CLOCK_MONOTONIC);
        ChildProcess tracer({bindtrace, "--json"});
        tracer.read_line();
        attached.push_back(ms(clock_ns(CLOCK_MONOTONIC) - start));
        tracer.read_line();
        first.push_back(ms(clock_ns(CLOCK_MONOTONIC) - start));
        stop = true;
        binder.join();
        tracer.signal(SIGINT);
        tracer.wait(10s);
    }
    const std::string among = "among " + std::to_string(processes) + " processes of 100 descriptors";
    tell("start to attached", among, "ms", attached);
    tell("start to first event", among, "ms", first);
}

void bench_latency(const std::string& bindtrace) {
    ChildProcess tracer({bindtrace, "--json", "--events", "bind", "--pid", std::to_string(getpid())});
    tracer.read_line();
    std::vector<double> samples;
    for (int i = 0; i < 200; ++i) {
        bind_once();
        const auto line = tracer.read_line();
        if (!line) break;
        samples.push_back(
            ms(clock_ns(CLOCK_BOOTTIME) - static_cast<std::int64_t>(number_after(*line, "\"ktime_ns\":"))));
        std::this_thread::sleep_for(2ms);
    }
    tracer.signal(SIGINT);
    tracer.wait(10s);
    tell("event to printed line", "one event at a time", "ms", samples);
}

double memory_mib(pid_t pid, const std::string& key) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/status");
    for (std::string line; std::getline(file, line);)
        if (line.starts_with(key)) return static_cast<double>(number_after(line, ":")) / 1024;
    return 0;
}

// Until it has nothing to do any more.
CpuTime cpu_at_rest(pid_t pid) {
    for (CpuTime before = cpu_time(pid);;) {
        std::this_thread::sleep_for(300ms);
        const CpuTime now = cpu_time(pid);
        if (now.user_ns + now.system_ns - before.user_ns - before.system_ns < 2e7) return now;
        before = now;
    }
}

// What it writes first is that it has attached.
bool wait_until_attached(const std::string& written) {
    std::error_code none;
    for (int i = 0; i < 600; ++i, std::this_thread::sleep_for(100ms)) {
        const auto size = std::filesystem::file_size(written, none);
        if (!none && size > 0) return true;
    }
    std::fprintf(stderr, "live_bench: bindtrace has not attached in a minute\n");
    return false;
}

// A hundredth of them, a tenth, and all.
void bench_load(const std::string& format, const std::string& command, const std::string& written,
                std::uint64_t events) {
    ChildProcess tracer({"/bin/sh", "-c", "exec " + command + written + " --pid " + std::to_string(getpid())});
    if (!wait_until_attached(written)) return;
    cpu_at_rest(tracer.pid());
    tell("most memory that was resident", format + ", at start", "MiB", {memory_mib(tracer.pid(), "VmRSS")});
    std::uint64_t made = 0;
    for (const unsigned part : {100u, 10u, 1u}) {
        const std::string name = format + ", " + std::to_string(events / part) + " events";
        const CpuTime before = cpu_at_rest(tracer.pid());
        const Load done = load(events / part / 2);
        const CpuTime after = cpu_at_rest(tracer.pid());
        made += done.events;
        tell("binds a second", name, "/s", {done.rate});
        if (part == 1) {  // its clock has ticks of 10 ms
            const double user = after.user_ns - before.user_ns, system = after.system_ns - before.system_ns;
            tell("user CPU per event", name, "ns", {user / static_cast<double>(events)});
            tell("user and system CPU per event", name, "ns", {(user + system) / static_cast<double>(events)});
        }
        tell("most memory that was resident", name, "MiB", {memory_mib(tracer.pid(), "VmHWM")});
    }
    tracer.signal(SIGINT);
    tracer.wait(60s);
    unlink(written.c_str());
    const std::string totals = tracer.errors();
    std::fputs(totals.c_str(), stderr);  // the reasons of losses, if any
    const std::size_t end = totals.rfind(" events, ");
    if (end == std::string::npos) return;
    const std::uint64_t told = std::strtoull(totals.c_str() + totals.rfind(' ', end - 1) + 1, nullptr, 10);
    tell("events not told", format + ", of " + std::to_string(made), "",
         {static_cast<double>(made) - static_cast<double>(told)});
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 5) {
        std::fprintf(stderr, "usage: live_bench BINDTRACE STRATEGY EVENTS ROUNDS\n");
        return 2;
    }
    const std::string bindtrace = argv[1], attach = std::string(" --attach ") + argv[2];
    const std::uint64_t events = std::strtoull(argv[3], nullptr, 10);
    const rlimit many{4096, 4096};
    setrlimit(RLIMIT_NOFILE, &many);
    for (const int processes : {0, 100, 1000}) bench_start(bindtrace, processes, std::atoi(argv[4]));
    bench_latency(bindtrace);
    tell("binds a second", "bare", "/s", {load(events / 20).rate});
    const char* folder = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    const std::string written = std::string(folder) + "/bindtrace-bench-" + std::to_string(getpid());
    bench_load("JSON", bindtrace + attach + " --json >", written, events);
    bench_load("text", bindtrace + attach + " >", written, events);
    bench_load("record", bindtrace + " record" + attach + " -o ", written, events);
}
