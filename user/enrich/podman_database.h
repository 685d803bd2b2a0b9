// SPDX-License-Identifier: MIT
// What Podman knows of a container and writes nowhere else: the ports of those of users, which no firewall notes, and
// with Debian 12's of root's too. Since 5.0 its database is SQLite; before that, and where an old one is still there,
// BoltDB.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/bounded_cache.h"
#include "enrich/state_files.h"

struct sqlite3;

namespace bindtrace {

// The files belong to users who may have put anything there: they are read as a whole and looked at in memory, without
// their views and triggers, and given up where that takes long. For as long as a file is the same one SQLite is given
// its new contents in the place of the old: to read anew what tables there are takes longer than all the rest.
class PodmanDatabases {
  public:
    // The configuration of a container (JSON), by the database in this storage folder.
    std::optional<std::string> config(const StateFiles& files, const std::string& storage, std::string_view id);

  private:
    struct Close {
        void operator()(sqlite3* database) const;
    };
    struct Opened {
        FileStamp stamp;          // as it was opened
        std::vector<char> bytes;  // of the file; must outlive the database
        std::unique_ptr<sqlite3, Close> database;

        void close();
    };
    static constexpr std::size_t kOpen = 4;

    static Opened open(const FileStamp& stamp);
    std::optional<std::string> in_sqlite(const StateFiles& files, const std::string& path, std::string_view id);

    BoundedCache<std::string, Opened> opened_{kOpen};  // by path
};

}  // namespace bindtrace
