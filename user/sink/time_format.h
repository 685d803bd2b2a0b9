// SPDX-License-Identifier: MIT
// Times as the sinks print them: RFC 3339 in UTC for JSON, the wall clock for people, and spans of time.
//
// Records come in bursts within one second, so each formatter keeps the text of the last second it saw. The cache is by
// value: any time gives the right answer in any order.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

namespace bindtrace {

// "2026-11-21T20:53:08.123456789Z"
class UtcTimeFormat {
  public:
    static constexpr std::size_t kLength = 30;

    // Writes kLength bytes for a time since the epoch and gives the end.
    char* write(char* at, std::int64_t time_ns);

  private:
    static constexpr std::size_t kSecondLength = 20;  // up to and including the dot

    std::optional<std::int64_t> second_;
    std::array<char, kSecondLength> second_text_{};
};

enum class Zone { local, utc };  // local: of the process (TZ, /etc/localtime)

// "20:53:08.123"
class ClockTimeFormat {
  public:
    static constexpr std::size_t kLength = 12;

    explicit ClockTimeFormat(Zone zone = Zone::local) : zone_(zone) {}

    // Writes kLength bytes for a time since the epoch and gives the end.
    char* write(char* at, std::int64_t time_ns);

  private:
    static constexpr std::size_t kSecondLength = 9;

    Zone zone_;
    std::optional<std::int64_t> second_;
    std::array<char, kSecondLength> second_text_{};
};

// "850 us", "212 ms", "3.2 s", "4m12s", "3h05m", "50d03h": two steps of detail at most, cut and not rounded.
void append_duration(std::string& out, std::uint64_t duration_ns);

}  // namespace bindtrace
