// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "core/bounded_cache.h"
#include "core/unique_fd.h"

namespace bindtrace {

// cgroup id -> path in one hierarchy ("/system.slice/nginx.service"). The kernel side noted those that were made
// or removed while it traced. The id of the others is the inode of their directory, and the kernel opens a directory by
// it. A path once seen is remembered after its cgroup has gone.
class CgroupPaths {
  public:
    using Noted = std::function<std::optional<std::string>(std::uint64_t id)>;

    // Where that is mounted; without it nothing is known but what was noted.
    explicit CgroupPaths(
        const std::optional<std::string>& mount, Noted noted = [](std::uint64_t) { return std::nullopt; });

    // Lives until the cache forgets it, which it does not at the next call.
    std::optional<std::string_view> find(std::uint64_t id);

  private:
    static constexpr std::size_t kCapacity = 16384;

    std::optional<std::string> look_up(std::uint64_t id) const;

    Noted noted_;
    std::string mount_;
    UniqueFd root_;
    BoundedCache<std::uint64_t, std::string> paths_{kCapacity};
};

}  // namespace bindtrace
