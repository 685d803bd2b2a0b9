// SPDX-License-Identifier: MIT
// What could not be delivered is counted to the last event. The consumer is stopped while more is made than the ring
// buffer holds.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <fstream>
#include <list>
#include <string>
#include <vector>

#include "bindtrace/event.h"
#include "live_bindtrace.h"
#include "live_bpf.h"
#include "live_netns.h"
#include "unit/wait_until.h"

namespace bindtrace {
namespace {

constexpr std::uint64_t kRing = 1u << 20;
constexpr std::uint64_t kRecord = sizeof(bt_event) + 8;  // with the ring buffer's own header
constexpr std::uint64_t kMade = 8000;
static_assert(kMade * kRecord > kRing + kRing / 4);

char state_of(pid_t pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
    std::string text;
    std::getline(file, text);
    const std::size_t end = text.rfind(") ");
    return end == std::string::npos ? '?' : text[end + 2];
}

struct Counted {
    std::uint64_t events = 0;
    std::uint64_t ring_full = 0;
    std::uint64_t recursion = 0;
    std::uint64_t map_full = 0;
    std::uint64_t other = 0;
};

Counted count(const std::vector<Line>& lines) {
    Counted counted;
    for (const Line& line : lines) {
        EXPECT_TRUE(line.json.is_object()) << line.text;
        const std::string type = word_of(line.json, "type");
        if (type == "bind") ++counted.events;
        if (type != "loss") continue;
        EXPECT_TRUE(line.json["ktime_ns"].is_number_unsigned()) << line.text;
        const std::string reason = word_of(line.json, "reason");
        const auto number = line.json["count"].get<std::uint64_t>();
        (reason == "ring-buffer-full" ? counted.ring_full
         : reason == "recursion"      ? counted.recursion
         : reason == "map-full"       ? counted.map_full
                                      : counted.other) += number;
    }
    return counted;
}

class Loss : public testing::Test {
  protected:
    Bindtrace::Output overflow(Words words) {
        words.insert(words.begin(), {"--netns", netns_.inum_text(), "--ring-size", "1", "--events", "bind"});
        Bindtrace bindtrace(words);
        EXPECT_TRUE(bindtrace.attached());
        bindtrace.signal(SIGSTOP);
        EXPECT_TRUE(wait_until([&] { return state_of(bindtrace.pid()) == 'T'; }));
        netns_.run([] {
            for (std::uint64_t i = 0; i < kMade; ++i)
                EXPECT_EQ(bind_and_close("127.0.0.1", static_cast<std::uint16_t>(10000 + i)), 0);
        });
        bindtrace.signal(SIGCONT);
        // In the stream while it goes on, not only at the end.
        const auto is_loss = [](const Line& line) { return line.text.find("ring") != std::string::npos; };
        EXPECT_NE(bindtrace.wait_for(is_loss), nullptr) << "no loss is told";
        return bindtrace.stop(SIGTERM);
    }

    Netns netns_;
};

// What the kernel leaves out needs no room: as much of it as would have been lost.
TEST_F(Loss, IsNoneOfWhatIsOutsideOfTheContainer) {
    Bindtrace bindtrace({"--json", "--netns", netns_.inum_text(), "--ring-size", "1", "--events", "bind", "--container",
                         "no-such-container"});
    ASSERT_TRUE(bindtrace.attached());
    EXPECT_TRUE(wait_until([&] {  // user space has seen whose it is
        const std::uint64_t before = events_submitted(bindtrace.pid());
        netns_.run([] { EXPECT_EQ(bind_and_close("127.0.0.1", 8080), 0); });
        return events_submitted(bindtrace.pid()) == before;
    }));
    bindtrace.signal(SIGSTOP);
    ASSERT_TRUE(wait_until([&] { return state_of(bindtrace.pid()) == 'T'; }));
    netns_.run([] {
        for (std::uint64_t i = 0; i < kMade; ++i)
            EXPECT_EQ(bind_and_close("127.0.0.1", static_cast<std::uint16_t>(10000 + i)), 0);
    });
    bindtrace.signal(SIGCONT);
    const Counted counted = count(bindtrace.stop(SIGTERM).lines);
    EXPECT_EQ(counted.events, 0u);
    EXPECT_EQ(counted.ring_full, 0u);
}

TEST_F(Loss, IsCountedExactly) {
    const auto output = overflow({"--json"});
    EXPECT_EQ(output.code, 0) << "without --fail-on-loss it is fine";
    const Counted counted = count(output.lines);
    EXPECT_GE(counted.events, kRing / kRecord - 1) << "the ring buffer was not used to its end";
    EXPECT_GE(counted.ring_full, 1000u);
    EXPECT_EQ(counted.map_full + counted.other, 0u);
    // A run that the kernel skipped may have been one of ours, or any other system call of the machine.
    EXPECT_LE(counted.events + counted.ring_full, kMade);
    EXPECT_GE(counted.events + counted.ring_full + counted.recursion, kMade);
    if (counted.recursion == 0) {
        EXPECT_EQ(counted.events + counted.ring_full, kMade);
    }

    const auto totals = totals_of(output.errors);
    ASSERT_TRUE(totals) << output.errors;
    EXPECT_EQ(totals->events, counted.events);
    EXPECT_EQ(totals->lost, counted.ring_full + counted.recursion);
    EXPECT_EQ(totals->failures, 0u);
}

TEST_F(Loss, FailsWhereThatWasAskedFor) {
    const auto output = overflow({"--json", "--fail-on-loss"});
    EXPECT_EQ(output.code, 4) << output.errors;
    EXPECT_GE(count(output.lines).ring_full, 1000u);
}

TEST_F(Loss, IsToldInWordsToo) {
    const auto output = overflow({});
    std::string told;
    for (const Line& line : output.lines)
        if (line.text.find(" lost: ") != std::string::npos) told = line.text;
    EXPECT_NE(told.find("ring buffer full"), std::string::npos) << told;
}

// More ports held than can be remembered; by several processes, since one may not have so many descriptors everywhere.
TEST_F(Loss, CountsTheClaimsThatFindNoRoom) {
    constexpr std::uint64_t kRemembered = 65'536 + 32'768, kMore = 2000;  // at most, see bpf/claim_store.bpf.h
    constexpr int kProcesses = 6, kEach = static_cast<int>(kRemembered + kMore) / kProcesses + 1;
    Bindtrace bindtrace({"--json", "--netns", netns_.inum_text(), "--failed"});
    ASSERT_TRUE(bindtrace.attached());
    netns_.run([] {
        std::array<int, 2> ready{}, end{};
        std::vector<pid_t> pids;
        ASSERT_EQ(pipe2(ready.data(), O_CLOEXEC), 0);
        ASSERT_EQ(pipe2(end.data(), O_CLOEXEC), 0);
        for (int process = 1; process <= kProcesses; ++process) {
            const pid_t pid = fork();
            pids.push_back(pid);
            if (pid != 0) continue;
            ::close(end[1]);
            std::list<Socket> sockets;
            int bound = 0;
            for (int i = 0; i < kEach; ++i)
                bound += sockets.emplace_back(Kind::udp).bind("127.0.0." + std::to_string(process),
                                                              static_cast<std::uint16_t>(2000 + i)) == 0;
            char told = bound == kEach ? 'x' : '-';
            (void)!write(ready[1], &told, 1);
            (void)!read(end[0], &told, 1);
            _exit(0);
        }
        for (int process = 1; process <= kProcesses; ++process) {
            char told = 0;
            EXPECT_EQ(read(ready[0], &told, 1), 1);
            EXPECT_EQ(told, 'x') << "not all are bound";
        }
        for (const int fd : {ready[0], ready[1], end[0], end[1]}) ::close(fd);
        for (const pid_t pid : pids) waitpid(pid, nullptr, 0);
    });
    const Counted counted = count(bindtrace.stop(SIGTERM).lines);
    EXPECT_GE(counted.map_full + counted.recursion, kMore);
    EXPECT_GE(counted.map_full, kMore / 2);
}

// The strategy that does not see the end of TIME_WAIT keeps the last ones: others may still be there.
TEST_F(Loss, CountsWhatIsInTimeWaitAndForgotten) {
    constexpr std::uint64_t kRemembered = 8192, kMore = 500;
    Bindtrace bindtrace({"--json", "--netns", netns_.inum_text(), "--attach", "tracepoint", "--failed"});
    ASSERT_TRUE(bindtrace.attached());
    const auto connect_and_close = [&](std::uint64_t times, std::uint16_t first_port) {
        netns_.run([times, first_port] {
            Socket server(Kind::tcp);
            ASSERT_EQ(server.bind("127.0.0.1", 80), 0);
            ASSERT_EQ(server.listen(), 0);
            for (std::uint64_t i = 0; i < times; ++i) {
                Socket client(Kind::tcp);
                if (i == 0) {
                    ASSERT_EQ(client.bind("127.0.0.1", first_port), 0);
                }
                ASSERT_EQ(client.connect("127.0.0.1", 80), 0);
                const int accepted = accept4(server.fd(), nullptr, nullptr, SOCK_CLOEXEC);
                client.close();
                ::close(accepted);
            }
        });
    };
    connect_and_close(kRemembered - kMore, 28080);
    netns_.run([] { EXPECT_EQ(bind_and_close("127.0.0.1", 28080), EADDRINUSE); });
    const Line* refused =
        bindtrace.wait_for([](const Line& line) { return line.text.find("EADDRINUSE") != std::string::npos; });
    ASSERT_NE(refused, nullptr);
    const Json& holder = refused->json["conflict"]["holders"][0];
    EXPECT_EQ(holder["state"], "TIME_WAIT");
    ASSERT_TRUE(holder["last_process"].is_object()) << "the first one is forgotten: " << holder;
    EXPECT_EQ(holder["last_process"]["pid"], getpid());
    connect_and_close(2 * kMore, 28081);
    const Counted counted = count(bindtrace.stop(SIGTERM).lines);
    EXPECT_GE(counted.map_full + counted.recursion, kMore);
    EXPECT_GE(counted.map_full, kMore / 2);
}

TEST_F(Loss, IsNotToldWhereThereIsNone) {
    Bindtrace bindtrace({"--json", "--netns", netns_.inum_text(), "--fail-on-loss"});
    ASSERT_TRUE(bindtrace.attached());
    netns_.run([] {
        for (int i = 0; i < 100; ++i) EXPECT_EQ(bind_and_close("127.0.0.1", 18080), 0);
    });
    const auto output = bindtrace.stop(SIGTERM);
    const auto totals = totals_of(output.errors);
    ASSERT_TRUE(totals) << output.errors;
    EXPECT_EQ(output.code, totals->lost == 0 ? 0 : 4);
    EXPECT_EQ(totals->events, 200u);
}

}  // namespace
}  // namespace bindtrace
