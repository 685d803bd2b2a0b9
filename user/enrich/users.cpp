// SPDX-License-Identifier: MIT
#include "enrich/users.h"

#include <pwd.h>

#include <cstdio>
#include <memory>

namespace bindtrace {

Users::Users(std::string passwd_path) : path_(std::move(passwd_path)) {
    reload_if_changed();
}

std::optional<std::string_view> Users::name(std::uint32_t uid) {
    auto found = names_.find(uid);
    if (found == names_.end()) {
        reload_if_changed();
        found = names_.find(uid);
    }
    if (found == names_.end()) return std::nullopt;
    return found->second;
}

std::optional<std::uint32_t> Users::uid(std::string_view name) {
    for (const auto& [uid, known] : names_)
        if (known == name) return uid;
    return std::nullopt;
}

void Users::reload_if_changed() {
    const auto now = std::chrono::steady_clock::now();
    if (now < next_check_) return;
    next_check_ = now + std::chrono::seconds(1);
    struct stat status {};
    if (stat(path_.c_str(), &status) != 0) return;
    if (status.st_mtim.tv_sec == modified_.tv_sec && status.st_mtim.tv_nsec == modified_.tv_nsec) return;
    const std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen(path_.c_str(), "re"), std::fclose);
    if (!file) return;
    modified_ = status.st_mtim;
    names_.clear();
    while (const passwd* entry = fgetpwent(file.get())) names_.emplace(entry->pw_uid, entry->pw_name);
}

}  // namespace bindtrace
