// SPDX-License-Identifier: MIT
// What Podman knows of a container and writes nowhere else: the ports of those of users, which no firewall notes, and
// with Debian 12's of root's too. Since 5.0 its database is SQLite; before that, and where an old one is still there,
// BoltDB.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "enrich/state_files.h"

namespace bindtrace {

// The configuration of a container (JSON), by the database in this storage folder. The file belongs to a user who may
// have put anything there: it is read as a whole and looked at in memory, without its views and triggers, and given up
// where that takes long.
std::optional<std::string> podman_config(const StateFiles& files, const std::string& storage, std::string_view id);

}  // namespace bindtrace
