// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace bindtrace {

// Network namespaces by inode number: "host" for init's, else the name `ip netns` gave it.
class NetnsNames {
  public:
    // host: inode number, 0 = not known.
    explicit NetnsNames(std::uint32_t host, std::string folder = "/run/netns");

    // Lives until the next call.
    std::optional<std::string_view> name(std::uint32_t inum);
    // Of the network namespace behind a path such as /proc/self/ns/net or /run/netns/NAME.
    static std::optional<std::uint32_t> inum_of(const std::string& path);

  private:
    void rescan();

    std::uint32_t host_;
    std::string folder_;
    std::chrono::steady_clock::time_point next_scan_{};
    std::unordered_map<std::uint32_t, std::string> names_;
};

}  // namespace bindtrace
