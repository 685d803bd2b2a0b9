// SPDX-License-Identifier: MIT
#include "sink/time_format.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <iterator>

namespace bindtrace {
namespace {

constexpr std::int64_t kNsPerSecond = 1'000'000'000;

struct SplitTime {
    std::int64_t second;  // rounded down, also before 1970
    std::uint32_t nanosecond;
};

SplitTime split(std::int64_t time_ns) {
    std::int64_t second = time_ns / kNsPerSecond;
    std::int64_t nanosecond = time_ns % kNsPerSecond;
    if (nanosecond < 0) {
        nanosecond += kNsPerSecond;
        --second;
    }
    return {second, static_cast<std::uint32_t>(nanosecond)};
}

// `value` in exactly `digits` decimal digits.
char* write_padded(char* at, std::uint32_t value, int digits) {
    for (int i = digits - 1; i >= 0; --i) {
        at[i] = static_cast<char>('0' + value % 10);
        value /= 10;
    }
    return at + digits;
}

char* write_clock(char* at, std::uint32_t hour, std::uint32_t minute, std::uint32_t second) {
    at = write_padded(at, hour, 2);
    *at++ = ':';
    at = write_padded(at, minute, 2);
    *at++ = ':';
    return write_padded(at, second, 2);
}

}  // namespace

char* UtcTimeFormat::write(char* at, std::int64_t time_ns) {
    const SplitTime time = split(time_ns);
    if (second_ != time.second) {
        const std::chrono::sys_seconds point{std::chrono::seconds(time.second)};
        const auto day = std::chrono::floor<std::chrono::days>(point);
        const std::chrono::year_month_day date(day);
        const auto in_day = static_cast<std::uint32_t>((point - day).count());

        char* to = second_text_.data();
        to = write_padded(to, static_cast<std::uint32_t>(static_cast<int>(date.year())), 4);
        *to++ = '-';
        to = write_padded(to, static_cast<unsigned>(date.month()), 2);
        *to++ = '-';
        to = write_padded(to, static_cast<unsigned>(date.day()), 2);
        *to++ = 'T';
        to = write_clock(to, in_day / 3600, in_day / 60 % 60, in_day % 60);
        *to = '.';
        second_ = time.second;
    }
    at = std::copy(second_text_.begin(), second_text_.end(), at);
    at = write_padded(at, time.nanosecond, 9);
    *at++ = 'Z';
    return at;
}

char* ClockTimeFormat::write(char* at, std::int64_t time_ns) {
    const SplitTime time = split(time_ns);
    if (second_ != time.second) {
        const std::time_t second = time.second;
        std::tm local{};
        zone_ == Zone::utc ? gmtime_r(&second, &local) : localtime_r(&second, &local);
        char* to = write_clock(second_text_.data(), static_cast<std::uint32_t>(local.tm_hour),
                               static_cast<std::uint32_t>(local.tm_min), static_cast<std::uint32_t>(local.tm_sec));
        *to = '.';
        second_ = time.second;
    }
    at = std::copy(second_text_.begin(), second_text_.end(), at);
    return write_padded(at, time.nanosecond / 1'000'000, 3);
}

void append_duration(std::string& out, std::uint64_t duration_ns) {
    const auto to = std::back_inserter(out);
    const std::uint64_t us = duration_ns / 1'000;
    const std::uint64_t ms = us / 1'000;
    const std::uint64_t seconds = ms / 1'000;
    const std::uint64_t minutes = seconds / 60;
    const std::uint64_t hours = minutes / 60;
    if (us == 0) {
        out.append("<1 us");
    } else if (ms == 0) {
        fmt::format_to(to, "{} us", us);
    } else if (seconds == 0) {
        fmt::format_to(to, "{} ms", ms);
    } else if (minutes == 0) {
        fmt::format_to(to, "{}.{} s", seconds, ms % 1'000 / 100);
    } else if (hours == 0) {
        fmt::format_to(to, "{}m{:02}s", minutes, seconds % 60);
    } else if (hours < 48) {
        fmt::format_to(to, "{}h{:02}m", hours, minutes % 60);
    } else {
        fmt::format_to(to, "{}d{:02}h", hours / 24, hours % 24);
    }
}

}  // namespace bindtrace
