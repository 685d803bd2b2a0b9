// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "core/bounded_cache.h"
#include "model/record.h"

namespace bindtrace {

// What is known about a process beyond the event. The kernel side described it while it was running, so that a process
// that binds and exits at once is named too; /proc serves for those that were there before bindtrace.
class Processes {
  public:
    using Describe = std::function<std::optional<bt_process>(const bt_process_key&)>;

    explicit Processes(Describe describe, std::string proc = "/proc");

    // Null where neither knows it. Lives until the next call.
    const Process* find(const bt_process_key& key);

    // Is it still there? Not to be asked of what must be fast.
    bool is_alive(const bt_process_key& key) const;

  private:
    static constexpr std::size_t kCapacity = 8192;

    struct KeyHash {
        std::size_t operator()(const bt_process_key& key) const;
    };
    struct Key : bt_process_key {
        bool operator==(const Key& other) const {
            return start_ns == other.start_ns && pid == other.pid && exec_id == other.exec_id;
        }
    };

    std::optional<Process> read_proc(const bt_process_key& key) const;

    Describe describe_;
    std::string proc_;
    BoundedCache<Key, Process, KeyHash> cache_{kCapacity};
};

// The parts of the kernel's description as a Process. Lengths are checked against the arrays.
Process process_from_kernel(const bt_process& raw);

}  // namespace bindtrace
