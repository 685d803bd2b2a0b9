// SPDX-License-Identifier: MIT
#pragma once

#include <sys/stat.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace bindtrace {

// uid -> name from the passwd file. Not getpwuid(): a directory service that is down must not stop the pipeline, and
// during an incident it often is.
class Users {
  public:
    explicit Users(std::string passwd_path = "/etc/passwd");

    std::optional<std::string_view> name(std::uint32_t uid);
    std::optional<std::uint32_t> uid(std::string_view name);

  private:
    void reload_if_changed();

    std::string path_;
    timespec modified_{};
    std::chrono::steady_clock::time_point next_check_{};
    std::unordered_map<std::uint32_t, std::string> names_;
};

}  // namespace bindtrace
