// SPDX-License-Identifier: MIT
// Who holds which port, by what a recording tells: the ports held at its start, and the claims and releases since. It
// is what a checkpoint says, so that a reader who wants to know who held what at some time need not begin at the start.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "capture/task_cache.h"
#include "model/receiver.h"

namespace bindtrace {

class HolderTable {
    struct Claim;

  public:
    static constexpr std::size_t kCapacity = 65536;  // as many as the kernel side remembers

    // `tasks` is shared with who else copies tasks.
    explicit HolderTable(TaskCache& tasks) : tasks_(tasks) {}

    // Forgets what there was. Of a reader's checkpoint, or the look at a recording's start.
    void restart(const std::vector<HeldPort>& ports, bool complete, std::uint64_t ktime_ns);

    void apply(const Event& event, const Context& context);

    // Oldest claim first.
    Checkpoint checkpoint(std::int64_t time_ns, std::uint64_t ktime_ns) const;

    // The same one by one: copies of them all take far more memory than this table, which shares their texts.
    std::vector<const Claim*> in_order(std::uint64_t ktime_ns) const;
    static HeldPort port_of(const Claim& claim);
    bool is_complete() const { return complete_; }

  private:
    static constexpr std::uint64_t kTimeWaitNs = 60'000'000'000;  // TCP_TIMEWAIT_LEN
    static constexpr std::size_t kTexts = 8192;

    using Text = std::shared_ptr<const std::string>;
    // A HeldPort that shares its texts.
    struct Claim {
        bt_holder raw{};
        std::optional<std::int64_t> since_ns;
        Text cgroup_path, netns_name;
        std::shared_ptr<const Owner> process, last_process;
        bool last_process_exited = false;
        std::shared_ptr<const ContainerFacts> container{};
        std::optional<Published> published{};
        std::size_t processes = 0;
    };

    Text shared(const std::optional<std::string_view>& text);
    std::shared_ptr<const Owner> shared(const std::optional<Owner>& owner);
    std::shared_ptr<const ContainerFacts> shared(const ContainerFacts& facts);
    static std::uint64_t place_of(const bt_sock& sock);
    void claim(const Event& event, const Context& context);
    void forget_nameless(const bt_sock& sock);

    TaskCache& tasks_;
    std::unordered_map<std::uint64_t, Claim> by_cookie_;
    std::unordered_multimap<std::uint64_t, Claim> nameless_;  // held before the start: their sockets had no cookie yet
    std::unordered_map<std::string_view, Text> texts_;
    std::unordered_map<std::string, std::shared_ptr<const ContainerFacts>> containers_;  // by id
    bool complete_ = true;
    std::uint64_t begun_ns_ = 0;  // boot-time clock
};

}  // namespace bindtrace
