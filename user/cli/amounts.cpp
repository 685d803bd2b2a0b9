// SPDX-License-Identifier: MIT
#include "cli/amounts.h"

#include <charconv>
#include <initializer_list>
#include <system_error>
#include <utility>

namespace bindtrace {
namespace {

using Units = std::initializer_list<std::pair<std::string_view, std::uint64_t>>;

std::optional<std::uint64_t> parse_amount(std::string_view text, Units units) {
    std::uint64_t number = 0;
    const char* const last = text.data() + text.size();
    const auto [end, error] = std::from_chars(text.data(), last, number);
    if (error != std::errc() || number == 0) return std::nullopt;
    for (const auto& [unit, factor] : units)
        if (std::string_view(end, last) == unit && number <= (1ull << 62) / factor) return number * factor;
    return std::nullopt;
}

}  // namespace

std::optional<std::uint64_t> parse_time(std::string_view text) {
    constexpr std::uint64_t kSecond = 1'000'000'000;
    return parse_amount(
        text,
        {{"ms", kSecond / 1000}, {"s", kSecond}, {"m", 60 * kSecond}, {"h", 3600 * kSecond}, {"d", 86400 * kSecond}});
}

std::optional<std::uint64_t> parse_size(std::string_view text) {
    return parse_amount(text, {{"K", 1ull << 10}, {"M", 1ull << 20}, {"G", 1ull << 30}, {"T", 1ull << 40}});
}

}  // namespace bindtrace
