// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace bindtrace {

// The systemd unit of a cgroup path, by systemd's own rules: the first part that is no slice; under user@UID.service
// the unit of the user's own manager. "/system.slice/nginx.service/worker" -> "nginx.service". A path that systemd did
// not make has none.
std::optional<std::string> unit_of_cgroup(std::string_view path);

}  // namespace bindtrace
