// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace bindtrace {

// What systemd's own rules read from a cgroup path. The views are parts of that path; nothing is looked up. A path that
// systemd did not make has none of it.
struct UnitPlace {
    std::optional<std::string_view> unit;     // "nginx.service"; under user@UID.service the user manager's own unit
    std::optional<std::string_view> slice;    // that the unit is in: "system.slice", or "-.slice" at the root
    std::optional<std::string_view> session;  // "4" of session-4.scope, as loginctl calls it
    std::optional<std::uint32_t> user;        // whose session or user manager it is

    // "service", "scope" ...
    std::optional<std::string_view> type() const;
    // The unit, where it is a socket unit.
    std::optional<std::string_view> socket_unit() const;
    // The unit belongs to a user's own manager (systemctl --user).
    bool in_user_manager = false;
};

UnitPlace place_of_cgroup(std::string_view path);

// The first part that is no slice; under user@UID.service the unit of the user's own manager.
// "/system.slice/nginx.service/worker" -> "nginx.service".
std::optional<std::string> unit_of_cgroup(std::string_view path);

// "tty1" of "getty@tty1.service", still escaped; nothing where the unit is no instance of a template.
std::optional<std::string_view> instance_of(std::string_view unit);

// systemd's escaping undone: "web\x2d1" -> "web-1". What is no escape stays as it is.
std::string unescape_unit(std::string_view name);

}  // namespace bindtrace
