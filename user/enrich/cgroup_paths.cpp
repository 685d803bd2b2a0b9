// SPDX-License-Identifier: MIT
#include "enrich/cgroup_paths.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <climits>
#include <cstring>
#include <memory>

namespace bindtrace {
namespace {

constexpr int kKernfsHandle = 0xfe;  // FILEID_KERNFS: eight bytes, the id

}  // namespace

CgroupPaths::CgroupPaths(const std::optional<std::string>& mount, Noted noted) : noted_(std::move(noted)) {
    if (!mount) return;
    mount_ = *mount;
    root_ = UniqueFd(open(mount_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

std::optional<std::string_view> CgroupPaths::find(std::uint64_t id) {
    if (id == 0) return std::nullopt;
    if (const std::string* known = paths_.find(id)) return *known;
    std::optional<std::string> path = noted_(id);
    if (!path) path = look_up(id);
    if (!path) path = noted_(id);    // it went meanwhile
    if (!path) return std::nullopt;  // not remembered: a cgroup id is never used again, but may be early
    return paths_.insert(id, std::move(*path));
}

std::optional<std::string> CgroupPaths::look_up(std::uint64_t id) const {
    if (!root_.valid()) return std::nullopt;
    alignas(file_handle) std::array<char, sizeof(file_handle) + sizeof(id)> storage{};
    auto* handle = reinterpret_cast<file_handle*>(storage.data());
    handle->handle_bytes = sizeof(id);
    handle->handle_type = kKernfsHandle;
    std::memcpy(handle->f_handle, &id, sizeof(id));
    const UniqueFd directory(open_by_handle_at(root_.get(), handle, O_PATH | O_CLOEXEC));
    if (!directory.valid()) return std::nullopt;
    std::array<char, PATH_MAX> target{};
    const std::string link = "/proc/self/fd/" + std::to_string(directory.get());
    const ssize_t length = readlink(link.c_str(), target.data(), target.size());
    if (length <= 0) return std::nullopt;
    std::string_view path(target.data(), static_cast<std::size_t>(length));
    if (path == mount_) return "/";
    if (!path.starts_with(mount_ + '/')) return std::nullopt;
    path.remove_prefix(mount_.size());
    struct stat status {};
    const bool deleted = fstat(directory.get(), &status) == 0 && status.st_nlink == 0;
    constexpr std::string_view kDeleted = " (deleted)";  // what the kernel adds then; a name may end like that too
    if (deleted && path.ends_with(kDeleted)) path.remove_suffix(kDeleted.size());
    return std::string(path);
}

}  // namespace bindtrace
