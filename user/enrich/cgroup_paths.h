// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/bounded_cache.h"
#include "core/unique_fd.h"

namespace bindtrace {

// cgroup id -> path in the v2 hierarchy ("/system.slice/nginx.service"). The id is the inode of the directory, and the
// kernel opens a directory by it; a path once seen is remembered after its cgroup has gone.
class CgroupPaths {
  public:
    // Where the v2 hierarchy is mounted; without it nothing is known.
    explicit CgroupPaths(const std::optional<std::string>& mount);

    // Lives until the cache forgets it, which it does not at the next call.
    std::optional<std::string_view> find(std::uint64_t id);

  private:
    static constexpr std::size_t kCapacity = 16384;

    std::optional<std::string> look_up(std::uint64_t id) const;

    std::string mount_;
    UniqueFd root_;
    BoundedCache<std::uint64_t, std::string> paths_{kCapacity};
};

}  // namespace bindtrace
