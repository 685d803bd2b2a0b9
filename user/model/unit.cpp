// SPDX-License-Identifier: MIT
#include "model/unit.h"

#include <algorithm>
#include <array>

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

}  // namespace

std::optional<std::string> unit_of_cgroup(std::string_view path) {
    std::optional<std::string> manager;
    while (true) {
        const std::string_view part = take_part(path);
        if (part.empty()) return manager;
        if (part.ends_with(".slice")) continue;
        if (!is_unit(part)) return manager;
        if (manager || !(part.starts_with("user@") && part.ends_with(".service"))) return std::string(part);
        manager = part;  // what follows is the user manager's own
    }
}

}  // namespace bindtrace
