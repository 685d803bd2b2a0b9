// SPDX-License-Identifier: MIT
#include "enrich/state_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string_view>

namespace bindtrace {

namespace {

FileStamp stamp_of(const struct stat& status) {
    // A file may be dated as somebody likes: within what 64 bits hold of nanoseconds.
    const auto ns = [](const timespec& time) {
        constexpr std::int64_t kMost = 9'000'000'000;
        return std::clamp<std::int64_t>(time.tv_sec, -kMost, kMost) * 1'000'000'000 + time.tv_nsec;
    };
    return {.device = status.st_dev,
            .inode = status.st_ino,
            .size = status.st_size,
            .modified_ns = ns(status.st_mtim),
            .changed_ns = ns(status.st_ctim)};
}

}  // namespace

std::optional<std::string> StateFiles::text(const std::string& path, std::size_t largest) const {
    auto file = read_at(AT_FDCWD, "", root_ + path, largest);
    return file ? std::optional(std::move(file->text)) : std::nullopt;
}

std::optional<StateFile> StateFiles::read(const StateFolder& folder, const std::string& name,
                                          std::size_t largest) const {
    return read_at(folder.fd.get(), folder.path + "/", name, largest);
}

std::optional<StateFiles::Opened> StateFiles::open(const std::string& path, std::size_t largest) const {
    return open_at(AT_FDCWD, "", root_ + path, largest);
}

std::optional<StateFiles::Opened> StateFiles::open_at(int folder, const std::string& above, const std::string& name,
                                                      std::size_t largest) const {
    // Not to wait for a writer where somebody has put a pipe there.
    UniqueFd file(openat(folder, name.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW));
    if (!file.valid()) {
        refused(above + name, errno);
        return std::nullopt;
    }
    struct stat status {};
    if (fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode) ||
        static_cast<std::size_t>(status.st_size) > largest)
        return std::nullopt;
    return Opened{.fd = std::move(file), .stamp = stamp_of(status)};
}

std::optional<StateFile> StateFiles::read_at(int folder, const std::string& above, const std::string& name,
                                             std::size_t largest) const {
    const auto file = open_at(folder, above, name, largest);
    if (!file) return std::nullopt;
    StateFile found{.text = std::string(static_cast<std::size_t>(file->stamp.size), '\0'), .stamp = file->stamp};
    const auto used = read(*file, found.text);
    if (!used) return std::nullopt;
    found.text.resize(*used);
    return found;
}

std::optional<std::size_t> StateFiles::read(const Opened& file, std::span<char> bytes) {
    std::size_t used = 0;
    while (used < bytes.size()) {
        const ssize_t got = ::read(file.fd.get(), bytes.data() + used, bytes.size() - used);
        if (got < 0) return std::nullopt;
        if (got == 0) break;
        used += static_cast<std::size_t>(got);
    }
    return used;
}

std::optional<FileStamp> StateFiles::stamp(const StateFolder& folder, const std::string& name) const {
    struct stat status {};
    if (fstatat(folder.fd.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0) return stamp_of(status);
    refused(folder.path + "/" + name, errno);
    return std::nullopt;
}

std::optional<nlohmann::json> StateFiles::json(const std::string& path) const {
    const std::optional<std::string> bytes = text(path);
    if (!bytes) return std::nullopt;
    nlohmann::json parsed = nlohmann::json::parse(*bytes, nullptr, false);
    if (parsed.is_discarded()) return std::nullopt;
    return parsed;
}

std::optional<StateFolder> StateFiles::folder(const std::string& path) const {
    StateFolder found{.path = root_ + path,
                      .fd = UniqueFd(::open((root_ + path).c_str(), O_RDONLY | O_CLOEXEC | O_DIRECTORY))};
    if (found.fd.valid() && faccessat(found.fd.get(), ".", R_OK | X_OK, AT_EACCESS) == 0) return found;
    refused(found.path, errno);
    return std::nullopt;
}

std::vector<std::string> StateFiles::names(const std::string& path) const {
    const auto found = folder(path);
    return found ? names(*found).value_or(std::vector<std::string>()) : std::vector<std::string>();
}

std::optional<std::vector<std::string>> StateFiles::names(const StateFolder& folder) {
    std::vector<std::string> found;
    // Opened anew: copies of a descriptor share the place up to which it is read.
    UniqueFd fd(openat(folder.fd.get(), ".", O_RDONLY | O_CLOEXEC | O_DIRECTORY));
    const std::unique_ptr<DIR, int (*)(DIR*)> entries(fdopendir(fd.get()), closedir);
    if (!entries) return std::nullopt;
    fd.release();  // now it is theirs
    while (found.size() < kEntries) {
        errno = 0;
        const dirent* entry = readdir(entries.get());
        if (entry == nullptr && errno != 0) return std::nullopt;
        if (entry == nullptr) break;
        const std::string_view name = entry->d_name;
        if (name != "." && name != "..") found.emplace_back(name);
    }
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
    return faccessat(AT_FDCWD, (root_ + folder).c_str(), R_OK | X_OK, AT_EACCESS) == 0;
}

void StateFiles::refused(const std::string& path, int error) const {
    if ((error != EACCES && error != EPERM) || warned_) return;
    warned_ = true;
    warn_("may not read " + path +
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
