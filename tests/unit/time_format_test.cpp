// SPDX-License-Identifier: MIT
#include "sink/time_format.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <ctime>
#include <limits>
#include <optional>
#include <string>

namespace bindtrace {
namespace {

constexpr std::int64_t kFormatSecond = 1'000'000'000;

class TimeZone {
  public:
    explicit TimeZone(const char* zone) {
        if (const char* before = std::getenv("TZ")) before_ = before;
        setenv("TZ", zone, 1);
        tzset();
    }
    ~TimeZone() {
        before_ ? setenv("TZ", before_->c_str(), 1) : unsetenv("TZ");
        tzset();
    }
    TimeZone(const TimeZone&) = delete;
    TimeZone& operator=(const TimeZone&) = delete;

  private:
    std::optional<std::string> before_;
};

std::string utc(UtcTimeFormat& format, std::int64_t time_ns) {
    std::string out(UtcTimeFormat::kLength, '?');
    EXPECT_EQ(format.write(out.data(), time_ns), out.data() + out.size());
    return out;
}

std::string local(ClockTimeFormat& format, std::int64_t time_ns) {
    std::string out(ClockTimeFormat::kLength, '?');
    EXPECT_EQ(format.write(out.data(), time_ns), out.data() + out.size());
    return out;
}

std::string duration(std::uint64_t ns) {
    std::string out;
    append_duration(out, ns);
    return out;
}

TEST(UtcTime, IsRfc3339WithNanoseconds) {
    UtcTimeFormat format;
    EXPECT_EQ(utc(format, 1'795'294'388 * kFormatSecond + 123'456'789), "2026-11-21T20:53:08.123456789Z");
    EXPECT_EQ(utc(format, 0), "1970-01-01T00:00:00.000000000Z");
    EXPECT_EQ(utc(format, 951'827'696 * kFormatSecond), "2000-02-29T12:34:56.000000000Z");
}

TEST(UtcTime, HoldsAtTheEndsOfItsRange) {
    UtcTimeFormat format;
    EXPECT_EQ(utc(format, -1), "1969-12-31T23:59:59.999999999Z");
    EXPECT_EQ(utc(format, std::numeric_limits<std::int64_t>::max()), "2262-04-11T23:47:16.854775807Z");
    EXPECT_EQ(utc(format, std::numeric_limits<std::int64_t>::min()), "1677-09-21T00:12:43.145224192Z");
}

TEST(UtcTime, CacheFollowsTimesInAnyOrder) {
    UtcTimeFormat format;
    EXPECT_EQ(utc(format, 1'795'294'388 * kFormatSecond), "2026-11-21T20:53:08.000000000Z");
    EXPECT_EQ(utc(format, 1'795'294'388 * kFormatSecond + 1), "2026-11-21T20:53:08.000000001Z");
    EXPECT_EQ(utc(format, 1'795'294'389 * kFormatSecond), "2026-11-21T20:53:09.000000000Z");
    EXPECT_EQ(utc(format, 1'795'294'388 * kFormatSecond), "2026-11-21T20:53:08.000000000Z");
}

TEST(LocalTime, FollowsTheZoneAndItsSummerTime) {
    const TimeZone zone("CET-1CEST,M3.5.0,M10.5.0/3");
    ClockTimeFormat format;
    EXPECT_EQ(local(format, 1'795'294'388 * kFormatSecond + 123'999'999), "21:53:08.123");
    EXPECT_EQ(local(format, 1'795'294'388 * kFormatSecond + 999'999'999), "21:53:08.999");
    EXPECT_EQ(local(format, 1'782'000'000 * kFormatSecond), "02:00:00.000");
}

TEST(Duration, PicksAUnitThatFits) {
    constexpr std::uint64_t kMinute = 60ull * kFormatSecond;
    constexpr std::uint64_t kHour = 60 * kMinute;
    EXPECT_EQ(duration(0), "<1 us");
    EXPECT_EQ(duration(999), "<1 us");
    EXPECT_EQ(duration(850'000), "850 us");
    EXPECT_EQ(duration(999'999), "999 us");
    EXPECT_EQ(duration(1'000'000), "1 ms");
    EXPECT_EQ(duration(212'999'999), "212 ms");
    EXPECT_EQ(duration(kFormatSecond), "1.0 s");
    EXPECT_EQ(duration(3'290'000'000), "3.2 s");
    EXPECT_EQ(duration(kMinute - 1), "59.9 s");
    EXPECT_EQ(duration(kMinute), "1m00s");
    EXPECT_EQ(duration(4 * kMinute + 12ull * kFormatSecond), "4m12s");
    EXPECT_EQ(duration(kHour), "1h00m");
    EXPECT_EQ(duration(47 * kHour + 59 * kMinute), "47h59m");
    EXPECT_EQ(duration(50 * 24 * kHour + 3 * kHour), "50d03h");
    EXPECT_EQ(duration(std::numeric_limits<std::uint64_t>::max()), "213503d23h");
}

}  // namespace
}  // namespace bindtrace
