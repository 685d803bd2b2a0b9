// SPDX-License-Identifier: MIT
// What live tracing costs and keeps up with, on this machine, as root: live_bench [BINDTRACE [STRATEGY [load]]]
//
//     start      from exec to the meta record (attached), and to the first event's line
//     latency    from an event's own time stamp to the arrival of its line
//     load       three threads a core bind and close TCP sockets for ten seconds, JSON to a file: rate, CPU, memory,
//                and how many binds and releases were not told, whatever the reason. The file is in memory and has its
//                pages already: neither a disk nor a host that hands out memory is what is measured
//     bare       the same load without bindtrace, in the same run: what the load itself costs
//
// Absolute times vary with the machine and its neighbours; compare the figures of one run.
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "core/clock.h"
#include "kernel_process.h"

namespace {

using namespace bindtrace;
using namespace std::chrono_literals;

double ms(std::int64_t ns) {
    return static_cast<double>(ns) / 1e6;
}

// "a  median (min-max)" of samples.
void print_samples(const char* name, std::vector<double> samples, const char* unit) {
    std::sort(samples.begin(), samples.end());
    std::printf("%-28s %8.2f %s median, %.2f-%.2f, n=%zu\n", name, samples[samples.size() / 2], unit, samples.front(),
                samples.back(), samples.size());
}

void bind_once() {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
    close(fd);
}

// For `span`. Returns the number of binds, each of which is two events: bind and release.
std::uint64_t load(std::chrono::seconds span) {
    std::atomic<bool> stop{false};
    std::atomic<std::uint64_t> binds{0};
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < 3 * std::max(1u, std::thread::hardware_concurrency()); ++i)
        threads.emplace_back([&] {
            std::uint64_t own = 0;
            for (; !stop.load(std::memory_order_relaxed); ++own) bind_once();
            binds += own;
        });
    std::this_thread::sleep_for(span);
    stop = true;
    for (std::thread& thread : threads) thread.join();
    return binds;
}

std::uint64_t number_after(const std::string& line, const std::string& key) {
    const std::size_t at = line.find(key);
    return at == std::string::npos ? 0 : std::strtoull(line.c_str() + at + key.size(), nullptr, 10);
}

std::int64_t boot_ns() {
    return clock_ns(CLOCK_BOOTTIME);
}

void bench_start(const std::string& bindtrace) {
    std::vector<double> attached, first;
    for (int i = 0; i < 11; ++i) {
        std::atomic<bool> stop{false};
        std::thread binder([&] {
            for (; !stop; std::this_thread::sleep_for(200us)) bind_once();
        });
        const std::int64_t start = boot_ns();
        ChildProcess tracer({bindtrace, "--json"});
        tracer.read_line();
        attached.push_back(ms(boot_ns() - start));
        tracer.read_line();
        first.push_back(ms(boot_ns() - start));
        stop = true;
        binder.join();
        tracer.signal(SIGINT);
        tracer.wait(10s);
    }
    print_samples("start to attached", attached, "ms");
    print_samples("start to first event", first, "ms");
}

void bench_latency(const std::string& bindtrace) {
    ChildProcess tracer({bindtrace, "--json", "--events", "bind", "--pid", std::to_string(getpid())});
    tracer.read_line();
    std::vector<double> samples;
    for (int i = 0; i < 200; ++i) {
        bind_once();
        const auto line = tracer.read_line();
        if (!line) break;
        samples.push_back(ms(boot_ns() - static_cast<std::int64_t>(number_after(*line, "\"ktime_ns\":"))));
        std::this_thread::sleep_for(2ms);
    }
    tracer.signal(SIGINT);
    tracer.wait(10s);
    print_samples("event to printed line", samples, "ms");
}

std::uint64_t status_kib(pid_t pid, const std::string& key) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/status");
    for (std::string line; std::getline(file, line);)
        if (line.starts_with(key)) return number_after(line, ":");
    return 0;
}

// utime + stime, in seconds.
double cpu_seconds(pid_t pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
    std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    text.erase(0, text.rfind(')') + 2);
    std::size_t at = 0;
    for (int field = 3; field < 14; ++field) at = text.find(' ', at) + 1;
    char* end = nullptr;
    const double user = static_cast<double>(std::strtoull(text.c_str() + at, &end, 10));
    const double system = static_cast<double>(std::strtoull(end, nullptr, 10));
    return (user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

// Empty lines, as many as a load may write over: at most a quarter of the machine's memory.
void prefill(int file) {
    const std::string lines(std::size_t{1} << 20, '\n');
    const auto memory = static_cast<std::uint64_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<std::uint64_t>(getpagesize());
    for (std::uint64_t filled = 0; filled < std::min<std::uint64_t>(memory / 4, 6ull << 30); filled += lines.size())
        if (write(file, lines.data(), lines.size()) < 0) return;
}

void bench_load(const std::string& bindtrace, const std::string& strategy) {
    constexpr auto kSpan = 10s;
    const std::uint64_t bare = load(3s) / 3;
    const char* folder = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    std::string path = std::string(folder) + "/bindtrace-bench-XXXXXX";
    const int file = mkstemp(path.data());
    prefill(file);
    ChildProcess tracer({"/bin/sh", "-c", "exec \"$0\" --json --attach " + strategy + " 1<>" + path, bindtrace});
    for (char first = 0; first != '{'; std::this_thread::sleep_for(1ms))  // until meta
        if (pread(file, &first, 1, 0) < 0) return;
    const std::uint64_t at_start = status_kib(tracer.pid(), "VmRSS");
    const double cpu_before = cpu_seconds(tracer.pid());
    const std::uint64_t binds = load(kSpan);
    const std::uint64_t peak = status_kib(tracer.pid(), "VmHWM");
    tracer.signal(SIGINT);
    const double cpu_of_load = cpu_seconds(tracer.pid()) - cpu_before;
    tracer.wait(60s);
    const std::string totals = tracer.errors();
    std::uint64_t told_binds = 0, told_releases = 0;
    std::vector<std::string> losses;
    std::ifstream written(path);
    const std::string own = "\"process\":{\"pid\":" + std::to_string(getpid()) + ",";
    for (std::string line; std::getline(written, line) && !line.empty();) {
        if (line.starts_with("{\"v\":1,\"type\":\"loss\"")) losses.push_back(line);
        if (line.find(own) == std::string::npos) continue;
        told_binds += line.starts_with("{\"v\":1,\"type\":\"bind\"");
        told_releases += line.starts_with("{\"v\":1,\"type\":\"release\"");
    }
    unlink(path.c_str());
    close(file);
    std::printf("%-28s %8llu binds/s traced, %llu bare: ratio %.2f\n", "load",
                static_cast<unsigned long long>(binds / 10), static_cast<unsigned long long>(bare),
                static_cast<double>(bare) / (static_cast<double>(binds) / 10));
    std::printf("%-28s %8llu binds, %llu releases of %llu\n", "not told",
                static_cast<unsigned long long>(binds - told_binds),
                static_cast<unsigned long long>(binds - told_releases), static_cast<unsigned long long>(binds));
    for (const std::string& loss : losses) std::printf("  %s\n", loss.c_str());
    std::printf("%-28s %8.2f us per event, user and system, one core\n", "CPU of bindtrace",
                cpu_of_load * 1e6 / static_cast<double>(2 * binds));
    std::printf("%-28s %8.1f MiB at start, %.1f MiB at most\n", "resident memory", static_cast<double>(at_start) / 1024,
                static_cast<double>(peak) / 1024);
    std::printf("%s", totals.substr(totals.rfind("bindtrace: ")).c_str());
}

}  // namespace

int main(int argc, char** argv) {
    const std::string bindtrace = argc > 1 ? argv[1] : "build/bindtrace";
    setvbuf(stdout, nullptr, _IOLBF, 0);
    const std::string strategy = argc > 2 ? argv[2] : "auto";
    const bool load_only = argc > 3;
    if (!load_only) {
        bench_start(bindtrace);
        bench_latency(bindtrace);
    }
    bench_load(bindtrace, strategy);
}
