// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <cstdlib>
#include <ctime>

namespace bindtrace {

inline constexpr std::int64_t kNsPerSecond = 1'000'000'000;
inline constexpr std::int64_t kNsPerDay = 86'400 * kNsPerSecond;

inline std::int64_t clock_ns(clockid_t clock) {
    timespec now{};
    clock_gettime(clock, &now);
    return now.tv_sec * kNsPerSecond + now.tv_nsec;
}

inline std::uint64_t boot_ns() {
    return static_cast<std::uint64_t>(clock_ns(CLOCK_BOOTTIME));
}

// Turns the kernel's boot-time clock into UTC. The offset follows a step of the wall clock, but not the nanoseconds by
// which two readings always differ: an event's time must not depend on when it was printed.
class WallClock {
  public:
    WallClock() { offset_ns_ = measure(); }

    std::int64_t utc_ns(std::uint64_t ktime_ns) const { return static_cast<std::int64_t>(ktime_ns) + offset_ns_; }

    void refresh() {
        const std::int64_t now = measure();
        if (std::llabs(now - offset_ns_) > kStepNs) offset_ns_ = now;
    }

  private:
    static constexpr std::int64_t kStepNs = 1'000'000;

    static std::int64_t measure() { return clock_ns(CLOCK_REALTIME) - clock_ns(CLOCK_BOOTTIME); }

    std::int64_t offset_ns_ = 0;
};

}  // namespace bindtrace
