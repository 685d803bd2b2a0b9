// SPDX-License-Identifier: MIT
#include "enrich/state_files.h"

#include <fcntl.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <system_error>

#include "core/unique_fd.h"

namespace bindtrace {

std::optional<std::string> StateFiles::text(const std::string& path, std::size_t largest) const {
    // Not to wait for a writer where somebody has put a pipe there.
    const UniqueFd file(open((root_ + path).c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW));
    if (!file.valid()) {
        refused(path, errno);
        return std::nullopt;
    }
    struct stat status {};
    if (fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode) ||
        static_cast<std::size_t>(status.st_size) > largest)
        return std::nullopt;
    std::string text(static_cast<std::size_t>(status.st_size), '\0');
    std::size_t used = 0;
    while (used < text.size()) {
        const ssize_t got = read(file.get(), text.data() + used, text.size() - used);
        if (got <= 0) break;
        used += static_cast<std::size_t>(got);
    }
    text.resize(used);
    return text;
}

std::optional<nlohmann::json> StateFiles::json(const std::string& path) const {
    const std::optional<std::string> bytes = text(path);
    if (!bytes) return std::nullopt;
    nlohmann::json parsed = nlohmann::json::parse(*bytes, nullptr, false);
    if (parsed.is_discarded()) return std::nullopt;
    return parsed;
}

std::vector<std::string> StateFiles::names(const std::string& folder) const {
    std::vector<std::string> found;
    std::error_code error;
    std::filesystem::directory_iterator entry(root_ + folder, error), end;
    refused(folder, error.value());
    for (; !error && entry != end && found.size() < kEntries; entry.increment(error))
        found.push_back(entry->path().filename());
    std::ranges::sort(found);
    return found;
}

std::optional<std::string> StateFiles::home(std::uint32_t uid) const {
    const std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen((root_ + "/etc/passwd").c_str(), "re"), std::fclose);
    if (!file) return std::nullopt;
    while (const passwd* entry = fgetpwent(file.get())) {
        if (entry->pw_uid == uid && entry->pw_dir[0] == '/') return entry->pw_dir;
    }
    return std::nullopt;
}

bool StateFiles::can_read(const std::string& folder) const {
    return access((root_ + folder).c_str(), R_OK | X_OK) == 0;
}

void StateFiles::refused(const std::string& path, int error) const {
    if ((error != EACCES && error != EPERM) || warned_) return;
    warned_ = true;
    warn_("may not read " + root_ + path +
          ": containers are told by their ids alone (run as root, or with cap_dac_read_search)");
}

std::optional<std::string> name_of(const nlohmann::json& value) {
    constexpr std::size_t kLongest = 1024;
    if (!value.is_string()) return std::nullopt;
    const auto& text = value.get_ref<const std::string&>();
    return text.empty() || text.size() > kLongest ? std::nullopt : std::optional(text);
}

std::optional<std::string> string_in(const nlohmann::json& object, const char* key) {
    if (!object.is_object()) return std::nullopt;
    const auto found = object.find(key);
    return found == object.end() ? std::nullopt : name_of(*found);
}

const nlohmann::json& object_in(const nlohmann::json& object, const char* key) {
    static const nlohmann::json kNone = nlohmann::json::object();
    if (!object.is_object()) return kNone;
    const auto found = object.find(key);
    return found != object.end() && found->is_object() ? *found : kNone;
}

}  // namespace bindtrace
