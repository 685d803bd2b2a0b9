// SPDX-License-Identifier: MIT
// What the inner and the outer program of a call tell each other is that task's alone.
#include <gtest/gtest.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/syscall.h>

#include <algorithm>
#include <fstream>
#include <map>

#include "kernel_bindtrace.h"

namespace bindtrace {
namespace {

constexpr int kBinds = 2000;
constexpr int kFar = 1 << 15;  // as many ids as kernel.pid_max has for a start

// kernel.pid_max, at least this.
class ManyPids {
  public:
    explicit ManyPids(int least) {
        std::ifstream(kFile) >> before_;
        if (before_ < least) std::ofstream(kFile) << least;
    }
    ~ManyPids() { std::ofstream(kFile) << before_; }
    ManyPids(const ManyPids&) = delete;
    ManyPids& operator=(const ManyPids&) = delete;

  private:
    static constexpr const char* kFile = "/proc/sys/kernel/pid_max";
    int before_ = 0;
};

// A process of that id, which does `body` and ends. -1 where the id is taken.
pid_t fork_as(pid_t pid, const std::function<void()>& body) {
    clone_args args{};
    args.exit_signal = SIGCHLD;
    args.set_tid = reinterpret_cast<std::uintptr_t>(&pid);
    args.set_tid_size = 1;
    const auto child = static_cast<pid_t>(syscall(SYS_clone3, &args, sizeof(args)));
    if (child != 0) return child;
    body();
    _exit(0);
}

// In vain, since what has succeeded would be known by its claim.
void bind_again_and_again(std::uint16_t port, std::size_t cpu) {
    cpu_set_t alone;
    CPU_ZERO(&alone);
    CPU_SET(cpu, &alone);
    sched_setaffinity(0, sizeof(alone), &alone);
    const Socket bound(SOCK_STREAM);
    bound.bind(port);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    for (int i = 0; i < kBinds; ++i)
        if (::bind(bound.fd(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0) _exit(1);
}

TEST(Calls, AreToldOnceThoughAnotherTaskCallsAtTheSameTime) {
    const ManyPids pids(4 * kFar);
    ChildProcess bindtrace({from_environment("BINDTRACE", "build/bindtrace"), "--json", "--failed", "--port",
                            "21001-21002", "--attach", from_environment("BT_STRATEGY", "auto")});
    ASSERT_TRUE(bindtrace.read_line());  // meta
    pid_t first = -1, second = -1;
    for (int pid = kFar + 1000; second < 0 && pid < 2 * kFar; ++pid) {
        if (first < 0) first = fork_as(pid, [] { bind_again_and_again(21001, 0); });
        if (first > 0) second = fork_as(first + kFar, [] { bind_again_and_again(21002, 1); });
    }
    ASSERT_GT(second, 0) << std::strerror(errno);
    waitpid(first, nullptr, 0);
    waitpid(second, nullptr, 0);
    std::map<pid_t, int> told;
    int lost = 0;
    for (int known = 0; const auto line = bindtrace.read_line();) {
        const Json record = Json::parse(*line, nullptr, false);
        const int count = record["type"] == "loss" ? record["count"].get<int>() : 0;
        if (record["type"] == "bind") ++told[record["process"]["pid"].get<pid_t>()];
        lost += count;
        if (known < 2 * kBinds && (known += std::max(count, 1)) >= 2 * kBinds) bindtrace.signal(SIGINT);
    }
    EXPECT_EQ(bindtrace.wait(std::chrono::seconds(60)), 0) << bindtrace.errors();
    for (const pid_t pid : {first, second}) {
        EXPECT_LE(told[pid], kBinds);
        EXPECT_GE(told[pid] + lost, kBinds);
    }
}

}  // namespace
}  // namespace bindtrace
