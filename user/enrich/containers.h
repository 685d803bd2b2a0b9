// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/bounded_cache.h"
#include "enrich/state_files.h"
#include "model/container.h"

namespace bindtrace {

// cgroup -> container and pod, by the cgroup's path and by what the runtime has written down. No runtime is asked: it
// may be what hangs. A container that its runtime has not written down yet is told by its id, and looked for again.
class Containers {
  public:
    explicit Containers(StateFiles::Warn warn, std::string root = "") : files_(std::move(root), std::move(warn)) {}

    // Null where the path is of no container. Lives until the cache forgets it, which it does not at the next call.
    const ContainerFacts* find(std::uint64_t cgroup_id, std::string_view path);

    // The same, not cached.
    std::optional<ContainerFacts> look_up(std::string_view path) const;

    const StateFiles& files() const { return files_; }

  private:
    static constexpr std::size_t kCapacity = 16384;
    // A container that is never written down is asked for less and less often: its files may be large.
    static constexpr std::chrono::seconds kFirstPause{1}, kLongestPause{64};

    struct Known {
        ContainerFacts facts;
        bool is_container = false;
        bool complete = false;  // nothing more will be found
        std::chrono::seconds pause{};
        std::chrono::steady_clock::time_point retry;
    };

    StateFiles files_;
    BoundedCache<std::uint64_t, Known> known_{kCapacity};
};

}  // namespace bindtrace
