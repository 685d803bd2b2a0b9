// SPDX-License-Identifier: MIT
// Between what is there when bindtrace looks and what it sees happen there is no gap, and nothing is in both.
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>

#include <list>
#include <map>

#include "kernel_bindtrace.h"

namespace bindtrace {
namespace {

constexpr std::uint16_t kFirst = 22000;
constexpr int kMost = 900;  // a process may have 1,024 files open

// A process that binds one port after the other and keeps them, until its stdin says that it is enough.
class Binder {
  public:
    Binder() {
        if (pipe(enough_) != 0 || pipe(done_) != 0) std::abort();
        pid_ = fork();
        if (pid_ == 0) run();
        ::close(enough_[0]);
        ::close(done_[1]);
    }
    ~Binder() {
        if (pid_ > 0) end();
        ::close(done_[0]);
    }
    Binder(const Binder&) = delete;
    Binder& operator=(const Binder&) = delete;

    pid_t pid() const { return pid_; }  // -1 when it has ended

    // It keeps what it has. Returns how many.
    int stop() {
        ::close(enough_[1]);
        int count = 0;
        EXPECT_EQ(read(done_[0], &count, sizeof(count)), static_cast<ssize_t>(sizeof(count)));
        return count;
    }
    void end() {
        kill(pid_, SIGKILL);
        waitpid(std::exchange(pid_, -1), nullptr, 0);
    }

  private:
    [[noreturn]] void run() {
        ::close(enough_[1]);
        std::list<Socket> kept;
        int count = 0;
        pollfd enough{.fd = enough_[0], .events = POLLIN, .revents = 0};
        for (; count < kMost && poll(&enough, 1, 25) == 0; ++count)
            kept.emplace_back(SOCK_DGRAM).bind(static_cast<std::uint16_t>(kFirst + count));
        (void)!write(done_[1], &count, sizeof(count));
        for (;;) pause();
    }

    int enough_[2] = {-1, -1};
    int done_[2] = {-1, -1};
    pid_t pid_ = -1;
};

TEST(WhileStarting, NothingIsMissedOrDoubled) {
    Binder binder;
    ChildProcess bindtrace({from_environment("BINDTRACE", "build/bindtrace"), "--json", "--events", "bind,release",
                            "--proto", "udp", "--port",
                            std::to_string(kFirst) + "-" + std::to_string(kFirst + kMost - 1), "--attach",
                            from_environment("BT_STRATEGY", "auto")});
    const auto meta = bindtrace.read_line();
    ASSERT_TRUE(meta);
    usleep(100'000);
    const int count = binder.stop();
    ASSERT_GT(count, 0);
    const auto is_asked_for = [&](int port) { return port % 10 == 0 || port == kFirst + count - 1; };
    for (int port = kFirst; port < kFirst + count; ++port) {
        if (!is_asked_for(port)) continue;
        const Socket late(SOCK_DGRAM);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(static_cast<std::uint16_t>(port));
        EXPECT_EQ(::bind(late.fd(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), -1);
    }
    std::map<int, int> bound, refused, released;
    for (int ended = 0; ended < count;) {
        const auto line = bindtrace.read_line();
        ASSERT_TRUE(line) << ended << " of " << count;
        const Json record = Json::parse(*line, nullptr, false);
        if (record["type"] == "loss") {
            ASSERT_EQ(record["reason"], "recursion") << record;  // of some run, at most
            continue;
        }
        const int port = record[record["type"] == "release" ? "local_port" : "port"].get<int>();
        if (record["type"] == "release") {
            ++released[port];
            ++ended;
        } else if (record["errno"] == 0) {
            ++bound[port];
        } else {
            ++refused[port];
            const Json& holders = record["conflict"]["holders"];
            ASSERT_EQ(holders.size(), 1u) << record;
            ASSERT_TRUE(holders[0]["process"].is_object()) << record;
            EXPECT_EQ(holders[0]["process"]["pid"], binder.pid()) << record;
            // Those of the last moment before the first event are remembered already, and not told.
            EXPECT_FALSE(bound.count(port) != 0 && holders[0]["held_ns"].is_null()) << record;
            if (port == kFirst + count - 1) binder.end();  // the last one: who has them all has been looked up
        }
    }
    bindtrace.signal(SIGINT);
    while (const auto line = bindtrace.read_line()) {
        const Json record = Json::parse(*line, nullptr, false);
        if (record["type"] == "release") ++released[record["local_port"].get<int>()];
    }
    EXPECT_EQ(bindtrace.wait(std::chrono::seconds(60)), 0) << bindtrace.errors();
    EXPECT_GT(bound.size(), 0u) << "it bound nothing after the start: this test shows nothing";
    EXPECT_LT(bound.size(), static_cast<std::size_t>(count)) << "it bound nothing before the start";
    for (int port = kFirst; port < kFirst + count; ++port) {
        EXPECT_LE(bound[port], 1) << port;
        EXPECT_EQ(refused[port], is_asked_for(port) ? 1 : 0) << port;
        EXPECT_EQ(released[port], 1) << port;
    }
}

}  // namespace
}  // namespace bindtrace
