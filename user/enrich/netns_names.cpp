// SPDX-License-Identifier: MIT
#include "enrich/netns_names.h"

#include <sys/stat.h>

#include <filesystem>
#include <system_error>

namespace bindtrace {

NetnsNames::NetnsNames(std::uint32_t host, std::string folder) : host_(host), folder_(std::move(folder)) {
    rescan();
}

std::optional<std::uint32_t> NetnsNames::inum_of(const std::string& path) {
    struct stat status {};
    if (stat(path.c_str(), &status) != 0) return std::nullopt;
    return static_cast<std::uint32_t>(status.st_ino);
}

std::optional<std::string_view> NetnsNames::name(std::uint32_t inum) {
    rescan();
    const auto found = names_.find(inum);
    if (found == names_.end()) return std::nullopt;
    return found->second;
}

// At most once a second, but then always: the number of a namespace that has gone is soon used for another one.
void NetnsNames::rescan() {
    const auto now = std::chrono::steady_clock::now();
    if (now < next_scan_) return;
    next_scan_ = now + std::chrono::seconds(1);
    names_.clear();
    std::error_code ignored;
    std::filesystem::directory_iterator entry(folder_, ignored), end;
    for (; !ignored && entry != end; entry.increment(ignored))
        if (const auto inum = inum_of(entry->path())) names_[*inum] = entry->path().filename();
    if (host_ != 0) names_[host_] = "host";
}

}  // namespace bindtrace
