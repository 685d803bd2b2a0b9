// SPDX-License-Identifier: MIT
#include "report/moment.h"

#include <chrono>
#include <optional>
#include <string_view>

#include "core/clock.h"

namespace bindtrace {
namespace {

class Scanner {
  public:
    explicit Scanner(std::string_view text) : left_(text) {}

    bool take(std::string_view any_of) {
        if (left_.empty() || any_of.find(left_.front()) == std::string_view::npos) return false;
        left_.remove_prefix(1);
        return true;
    }
    // Exactly so many digits, up to `limit`.
    std::optional<unsigned> number(std::size_t digits, unsigned limit) {
        if (left_.size() < digits) return std::nullopt;
        unsigned value = 0;
        for (const char c : left_.substr(0, digits)) {
            if (c < '0' || c > '9') return std::nullopt;
            value = value * 10 + static_cast<unsigned>(c - '0');
        }
        if (value > limit) return std::nullopt;
        left_.remove_prefix(digits);
        return value;
    }
    // After the point; digits beyond nanoseconds are dropped.
    std::optional<std::int64_t> fraction() {
        std::int64_t ns = 0, weight = kNsPerSecond;
        bool has_digit = false;
        while (const auto digit = number(1, 9)) {
            has_digit = true;
            weight /= 10;
            ns += static_cast<std::int64_t>(*digit) * weight;
        }
        return has_digit ? std::optional(ns) : std::nullopt;
    }
    bool at_end() const { return left_.empty(); }
    bool at_time() const { return left_.size() > 2 && left_[2] == ':'; }

  private:
    std::string_view left_;
};

// Days since the epoch.
std::optional<std::int64_t> scan_date(Scanner& scanner) {
    const auto year = scanner.number(4, 9999);
    if (!year || !scanner.take("-")) return std::nullopt;
    const auto month = scanner.number(2, 12);
    if (!month || !scanner.take("-")) return std::nullopt;
    const auto day = scanner.number(2, 31);
    if (!day) return std::nullopt;
    const std::chrono::year_month_day date{std::chrono::year(static_cast<int>(*year)), std::chrono::month(*month),
                                           std::chrono::day(*day)};
    if (!date.ok() || *year < 1970 || *year > 2200) return std::nullopt;  // 64 bits of ns end in 2262
    return std::chrono::sys_days(date).time_since_epoch().count();
}

// Since midnight. Seconds may be left out.
std::optional<std::int64_t> scan_clock(Scanner& scanner) {
    const auto hour = scanner.number(2, 23);
    if (!hour || !scanner.take(":")) return std::nullopt;
    const auto minute = scanner.number(2, 59);
    if (!minute) return std::nullopt;
    std::int64_t ns = (static_cast<std::int64_t>(*hour) * 60 + *minute) * 60 * kNsPerSecond;
    if (!scanner.take(":")) return ns;
    const auto second = scanner.number(2, 60);
    if (!second) return std::nullopt;
    ns += static_cast<std::int64_t>(*second) * kNsPerSecond;
    if (!scanner.take(".")) return ns;
    const auto fraction = scanner.fraction();
    return fraction ? std::optional(ns + *fraction) : std::nullopt;
}

// "Z", "+01:00".
std::optional<std::int64_t> scan_offset(Scanner& scanner) {
    if (scanner.take("Zz")) return 0;
    const bool is_east = scanner.take("+");
    if (!is_east && !scanner.take("-")) return std::nullopt;
    const auto hours = scanner.number(2, 23);
    if (!hours || !scanner.take(":")) return std::nullopt;
    const auto minutes = scanner.number(2, 59);
    if (!minutes) return std::nullopt;
    const std::int64_t ns = (static_cast<std::int64_t>(*hours) * 60 + *minutes) * 60 * kNsPerSecond;
    return is_east ? ns : -ns;
}

std::optional<Moment> scan(std::string_view text) {
    Scanner scanner(text);
    Moment moment;
    if (!scanner.at_time()) {
        const auto day = scan_date(scanner);
        if (!day || !scanner.take("Tt ")) return std::nullopt;
        moment = {.has_date = true, .ns = *day * kNsPerDay};
    }
    const auto clock = scan_clock(scanner);
    if (!clock) return std::nullopt;
    moment.ns += *clock;
    if (moment.has_date) {
        const auto offset = scan_offset(scanner);
        if (!offset) return std::nullopt;
        moment.ns -= *offset;
    }
    return scanner.at_end() ? std::optional(moment) : std::nullopt;
}

}  // namespace

Result<Moment> parse_moment(const std::string& text) {
    const auto moment = scan(text);
    if (moment) return *moment;
    return Error{"--at: '" + text + "' is not a time", 0,
                 "such as 20:53:08 (UTC, of the day of the recording) or 2026-11-21T20:53:08Z"};
}

std::int64_t utc_of(const Moment& moment, std::int64_t begin_ns, std::int64_t end_ns) {
    if (moment.has_date) return moment.ns;
    const std::int64_t today = begin_ns - begin_ns % kNsPerDay + moment.ns;
    const std::int64_t tomorrow = today + kNsPerDay;
    return today < begin_ns && tomorrow <= end_ns ? tomorrow : today;
}

}  // namespace bindtrace
