// SPDX-License-Identifier: MIT
#include "core/clock.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace bindtrace {
namespace {

constexpr std::int64_t kClockSecond = 1'000'000'000;

std::uint64_t boot_ns() {
    return static_cast<std::uint64_t>(clock_ns(CLOCK_BOOTTIME));
}

TEST(ClockNs, CountsNanosecondsSinceTheEpoch) {
    const std::int64_t before = std::int64_t{time(nullptr)};
    const std::int64_t now = clock_ns(CLOCK_REALTIME);
    EXPECT_GE(now / kClockSecond, before);
    EXPECT_LE(now / kClockSecond, std::int64_t{time(nullptr)} + 1);  // time() may be a tick behind
}

TEST(ClockNs, NeverRunsBackwards) {
    std::int64_t last = clock_ns(CLOCK_BOOTTIME);
    for (int i = 0; i < 1000; ++i) {
        const std::int64_t now = clock_ns(CLOCK_BOOTTIME);
        EXPECT_GE(now, last);
        last = now;
    }
}

TEST(WallClock, TurnsBootTimeIntoUtc) {
    const WallClock clock;
    const std::int64_t before = clock_ns(CLOCK_REALTIME);
    const std::int64_t told = clock.utc_ns(boot_ns());
    const std::int64_t after = clock_ns(CLOCK_REALTIME);
    constexpr std::int64_t kTolerance = 100'000'000;  // between the two readings in its constructor; a busy machine
    EXPECT_GE(told, before - kTolerance);
    EXPECT_LE(told, after + kTolerance);
}

TEST(WallClock, KeepsDistances) {
    const WallClock clock;
    const std::uint64_t now = boot_ns();
    EXPECT_EQ(clock.utc_ns(now + 1) - clock.utc_ns(now), 1);
    EXPECT_EQ(clock.utc_ns(now) - clock.utc_ns(now - 5 * kClockSecond), 5 * kClockSecond);
}

// Two records of one event must carry the same time, however many refreshes lie between them.
TEST(WallClock, RefreshDoesNotMoveAnEventWhileTheClockIsNotStepped) {
    WallClock clock;
    const std::uint64_t event = boot_ns();
    std::int64_t told = clock.utc_ns(event);
    int moves = 0;
    for (int i = 0; i < 2000; ++i) {
        clock.refresh();
        moves += clock.utc_ns(event) != told;
        told = clock.utc_ns(event);
    }
    // A move needs an interruption of a millisecond right between two readings; without the threshold, nearly every
    // refresh would be one.
    EXPECT_LE(moves, 100);
}

}  // namespace
}  // namespace bindtrace
