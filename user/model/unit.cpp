// SPDX-License-Identifier: MIT
#include "model/unit.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace bindtrace {
namespace {

bool is_unit(std::string_view name) {
    constexpr std::array<std::string_view, 5> kSuffixes = {".service", ".scope", ".socket", ".mount", ".swap"};
    return std::ranges::any_of(
        kSuffixes, [&](std::string_view suffix) { return name.size() > suffix.size() && name.ends_with(suffix); });
}

// Takes the first part off. systemd puts '_' before a name that the kernel could take for a file of its own.
std::string_view take_part(std::string_view& path) {
    path.remove_prefix(std::min(path.find_first_not_of('/'), path.size()));
    std::string_view part = path.substr(0, path.find('/'));
    path.remove_prefix(part.size());
    if (part.starts_with('_')) part.remove_prefix(1);
    return part;
}

// "4" of ("session-4.scope", "session-", ".scope").
std::optional<std::string_view> between(std::string_view text, std::string_view prefix, std::string_view suffix) {
    if (text.size() <= prefix.size() + suffix.size() || !text.starts_with(prefix) || !text.ends_with(suffix))
        return std::nullopt;
    return text.substr(prefix.size(), text.size() - prefix.size() - suffix.size());
}

std::optional<std::uint32_t> number(std::optional<std::string_view> text) {
    if (!text) return std::nullopt;
    std::uint32_t value = 0;
    const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
    if (error != std::errc() || end != text->data() + text->size()) return std::nullopt;
    return value;
}

}  // namespace

std::optional<std::string_view> UnitPlace::type() const {
    if (!unit) return std::nullopt;
    return unit->substr(unit->rfind('.') + 1);
}

std::optional<std::string_view> UnitPlace::socket_unit() const {
    return unit && unit->ends_with(".socket") ? unit : std::nullopt;
}

UnitPlace place_of_cgroup(std::string_view path) {
    constexpr std::string_view kRootSlice = "-.slice";
    UnitPlace place;
    std::optional<std::string_view> slice;
    while (true) {
        const std::string_view part = take_part(path);
        if (part.size() > std::string_view(".slice").size() && part.ends_with(".slice")) {
            slice = part;
            if (const auto uid = number(between(part, "user-", ".slice")); uid && !place.unit) place.user = uid;
            continue;
        }
        if (part.empty() || !is_unit(part)) break;
        const auto manager_of = place.unit ? std::nullopt : number(between(part, "user@", ".service"));
        place.in_user_manager = place.unit.has_value();
        place.unit = part;
        place.slice = slice.value_or(kRootSlice);
        if (!manager_of) {
            if (!place.in_user_manager && place.user) place.session = between(part, "session-", ".scope");
            return place;
        }
        place.user = manager_of;  // what follows is the user manager's own
        slice.reset();
    }
    if (!place.unit) {
        place.slice = slice;  // in no unit, but in a slice
        place.user.reset();
    }
    return place;
}

std::optional<std::string> unit_of_cgroup(std::string_view path) {
    const auto unit = place_of_cgroup(path).unit;
    return unit ? std::optional<std::string>(*unit) : std::nullopt;
}

std::optional<std::string_view> instance_of(std::string_view unit) {
    const std::size_t at = unit.find('@'), dot = unit.rfind('.');
    if (at == std::string_view::npos || dot == std::string_view::npos || dot <= at + 1) return std::nullopt;
    return unit.substr(at + 1, dot - at - 1);
}

std::string unescape_unit(std::string_view name) {
    std::string plain;
    while (!name.empty()) {
        unsigned char byte = 0;
        if (name.size() >= 4 && name.starts_with("\\x")) {
            const auto [end, error] = std::from_chars(name.data() + 2, name.data() + 4, byte, 16);
            if (error == std::errc() && end == name.data() + 4) {
                plain += static_cast<char>(byte);
                name.remove_prefix(4);
                continue;
            }
        }
        plain += name.front();
        name.remove_prefix(1);
    }
    return plain;
}

}  // namespace bindtrace
