// SPDX-License-Identifier: MIT
// From values to the records of one block. What repeats (strings, cgroups, tasks, the unchanging part of an event) is
// defined at its first use in the block and referred to by number afterwards; times, cookies and inodes are stored as
// differences from the one before.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "capture/format.h"
#include "capture/task_cache.h"
#include "capture/wire.h"
#include "model/receiver.h"
#include "model/warning.h"

namespace bindtrace {

class BlockEncoder {
  public:
    // `tasks` is shared with who else copies tasks.
    explicit BlockEncoder(TaskCache& tasks) : tasks_(tasks), block_(tasks.next_block()) {}

    void meta(const Meta& meta);
    void host(const Host& host);
    void netns(const NetnsFacts& netns);
    void event(const Event& event, const Context& context, const Findings* findings);
    void loss(const Loss& loss);
    void warning(const Warning& warning);
    // So many calls of held() are to follow.
    void checkpoint(std::int64_t time_ns, std::uint64_t ktime_ns, std::size_t ports, bool complete);
    void held(const HeldPort& port);
    void end(const RecordingEnd& end);

    const std::string& records() const { return records_.out(); }
    std::uint32_t count() const { return count_; }
    std::uint64_t first_ns() const { return first_ns_; }  // the lowest time, boot-time clock; 0 where there is none
    std::uint64_t last_ns() const { return last_ns_; }

    // For the next block, which refers to nothing of this one.
    void clear();

  private:
    // What a socket shares with many others, and an event with many of its kind.
    struct Shape {
        std::uint32_t kind = 0, flags = 0, op = 0;
        std::int32_t error = 0;
        std::uint32_t addr_family = 0, family = 0, protocol = 0, type = 0;
        std::uint32_t opts = 0, bound_dev = 0, netns = 0;  // netns: its number
        std::uint32_t state = 0, old_state = 0;
        bool operator==(const Shape&) const = default;
    };
    struct Pair {
        std::uint64_t id = 0, text = 0;  // text: a string's number
        bool operator==(const Pair&) const = default;
    };
    struct Hash {
        std::size_t operator()(const Shape& shape) const;
        std::size_t operator()(const Pair& pair) const;
    };
    // Which of the two are there, and the strings of both.
    using ContainerParts = std::array<std::uint64_t, 9>;
    using Pairs = std::unordered_map<Pair, std::uint64_t, Hash>;
    // The numbers of what a socket refers to: they are to be had before its record is begun.
    struct SocketParts {
        std::uint64_t shape = 0, cgroup = 0, local = 0, remote = 0;
    };

    void write(RecordKind kind, const WireWriter& body);
    void note_time(std::uint64_t ktime_ns);
    void set_clock(std::int64_t time_ns, std::uint64_t ktime_ns);
    std::int64_t beside_clock(std::int64_t time_ns, std::uint64_t ktime_ns) const;

    std::uint64_t string(std::string_view text);
    std::uint64_t string_if(const std::optional<std::string_view>& text) { return text ? string(*text) : 0; }
    std::uint64_t address(const std::uint8_t* bytes);
    std::uint64_t pair(RecordKind kind, Pairs& known, std::uint64_t id, std::optional<std::string_view> text);
    std::uint64_t task(const TaskView& view);
    std::uint64_t container(const ContainerFacts* facts);
    WireWriter published(const Published& published);
    std::uint64_t owner(const std::optional<Owner>& owner) { return owner ? task(task_view(*owner)) : 0; }
    std::uint64_t number_of(const Shape& shape);
    SocketParts parts_of(const bt_sock& sock, Shape shape, std::optional<std::string_view> cgroup_path,
                         std::optional<std::string_view> netns_name);

    void put_socket(WireWriter& to, const bt_sock& sock, const SocketParts& parts);
    void put_event(WireWriter& to, const Event& event, const Context& context);
    void put_findings(WireWriter& to, const Findings& findings);
    WireWriter refusal(const Refusal& refusal);
    WireWriter holder(const Holder& holder);
    WireWriter range(const RangeUse& range);
    WireWriter addresses(const std::vector<LocalAddress>& addresses);

    TaskCache& tasks_;
    std::uint64_t block_;
    WireWriter records_;
    WireWriter event_;  // kept for its memory
    std::uint32_t count_ = 0;
    std::uint64_t first_ns_ = 0, last_ns_ = 0;

    // What the differences are from.
    std::optional<std::int64_t> clock_ns_;
    std::uint64_t ktime_ns_ = 0, cookie_ = 0, inode_ = 0;

    std::uint64_t task_count_ = 0;
    std::deque<std::string> kept_;  // what the keys of strings_ point into
    std::unordered_map<std::string_view, std::uint64_t> strings_;
    Pairs cgroups_, netns_;
    std::map<ContainerParts, std::uint64_t> containers_;
    std::unordered_map<Shape, std::uint64_t, Hash> shapes_;
};

}  // namespace bindtrace
