// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "bindtrace/event.h"
#include "core/bounded_cache.h"
#include "enrich/netns_processes.h"

namespace bindtrace {

// Network namespaces by inode number: "host" for init's, else the name `ip netns` gave it, else what those are called
// that are in it.
class NetnsNames {
  public:
    // Given the processes in one, the oldest first and at least one.
    using NameOf = std::function<std::optional<std::string>(const NetnsProcesses&)>;

    // All that are in that one, the oldest first.
    using Look = std::function<NetnsProcesses(std::uint32_t inum)>;

    // host: inode number, 0 = not known. Without a `look` of its own it looks into /proc.
    explicit NetnsNames(
        std::uint32_t host, NameOf name_of = [](const auto&) { return std::nullopt; },
        std::string folder = "/run/netns", std::string proc = "/proc", Look look = {});

    // Lives until the next call. seen_in_it: the process that has just done something there, if it is known.
    std::optional<std::string_view> name(std::uint32_t inum, const bt_process_key& seen_in_it = {});
    // Of the network namespace behind a path such as /proc/self/ns/net or /run/netns/NAME.
    static std::optional<std::uint32_t> inum_of(const std::string& path);

  private:
    using Clock = std::chrono::steady_clock;

    // By the processes in it.
    struct ByProcess {
        std::optional<std::string> name;  // nothing: there were none
        std::uint32_t pid = 0;            // the oldest
        std::array<bt_process_key, 8> seen{};
        std::size_t next_seen = 0;
        Clock::time_point looked{}, checked{};
    };
    static constexpr std::size_t kByProcess = 1024;

    void rescan(Clock::time_point now);
    std::optional<std::string_view> given_name(std::uint32_t inum) const;
    bool is_still_right(ByProcess& known, std::uint32_t inum, const bt_process_key& seen_in_it, Clock::time_point now);
    ByProcess& look_at(std::uint32_t inum, Clock::time_point now);

    std::uint32_t host_;
    NameOf name_of_;
    std::string folder_, proc_;
    Look look_;
    Clock::time_point next_scan_{}, next_look_{};
    std::unordered_map<std::uint32_t, std::string> names_;
    BoundedCache<std::uint32_t, ByProcess> by_process_{kByProcess};
};

}  // namespace bindtrace
