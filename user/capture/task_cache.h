// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <unordered_map>

#include "model/conflict.h"
#include "model/record.h"

namespace bindtrace {

// A task and what was looked up for it: of an event (Event::task and its Context) as well as an Owner.
struct TaskView {
    const bt_task& task;
    const Process* process = nullptr;
    std::optional<std::int64_t> start_time_ns{};
    std::optional<std::string_view> user{};
    std::optional<std::string_view> cgroup_path{};
};

TaskView task_view(const Event& event, const Context& context);
TaskView task_view(const Owner& owner);
Owner owner_of(const TaskView& view);

// The tasks seen lately, each copied once however many events it has, and again when something about it has changed.
class TaskCache {
  public:
    struct Known {
        std::shared_ptr<const Owner> owner;
        std::uint64_t block = 0;   // the last that defines it; for the encoder
        std::uint64_t number = 0;  // in that block
    };

    // Lives until the next call.
    Known& find(const TaskView& view);

    // A number that no other block has, for `Known::block`.
    std::uint64_t next_block() { return ++blocks_; }

  private:
    static constexpr std::size_t kCapacity = 8192;

    // With and without what was looked up: both occur in one failure.
    struct Key {
        bt_process_key process{};
        std::uint32_t tid = 0;
        bool described = false;
        bool operator==(const Key& other) const {
            return process.start_ns == other.process.start_ns && process.pid == other.process.pid &&
                   process.exec_id == other.process.exec_id && tid == other.tid && described == other.described;
        }
    };
    struct KeyHash {
        std::size_t operator()(const Key& key) const {
            return std::hash<std::uint64_t>()((key.process.start_ns ^ std::uint64_t{key.tid} << 32 ^
                                               key.process.exec_id ^ std::uint64_t{key.described}) *
                                              0x9e3779b97f4a7c15);
        }
    };

    std::unordered_map<Key, Known, KeyHash> known_;
    std::uint64_t blocks_ = 0;
};

}  // namespace bindtrace
