// SPDX-License-Identifier: MIT
#include "sink/whole_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdio>
#include <filesystem>

namespace bindtrace {
namespace {

Error cannot_write(const std::string& path, int code) {
    std::string hint;
    if (code == ENOSPC) hint = "the disk is full; nothing was left there";
    if (code == EDQUOT) hint = "the quota is used up; nothing was left there";
    if (code == EFBIG) hint = "no larger file is allowed here (ulimit -f); nothing was left there";
    return {"cannot write " + path, code, hint};
}

}  // namespace

Result<WholeFile> WholeFile::at(const std::string& path, bool replace) {
    WholeFile file;
    const std::filesystem::path given(path);
    file.path_ = path;
    file.name_ = given.filename();
    file.replace_ = replace;
    if (file.name_.empty() || file.name_ == "." || file.name_ == "..") return Error{"'" + path + "' names no file"};
    const std::string parent = given.has_parent_path() ? given.parent_path() : ".";
    file.directory_ = UniqueFd(::open(parent.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!file.directory_.valid() || faccessat(file.directory_.get(), ".", W_OK | X_OK, AT_EACCESS) != 0)
        return Error{"cannot write to the directory " + parent, errno};
    if (Status free = file.is_free(); !free) return free.error();
    return file;
}

Status WholeFile::is_free() const {
    struct stat found {};
    if (fstatat(directory_.get(), name_.c_str(), &found, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ? Status() : Status(Error{"cannot look at " + path_, errno});
    if (!S_ISREG(found.st_mode))
        return Error{"'" + path_ + "' is there already and is no plain file, so it is left alone", 0,
                     "name another file"};
    if (!replace_) return Error{"'" + path_ + "' is there already", EEXIST, "name another file, or give --force"};
    return {};
}

Status WholeFile::write(std::string_view bytes) const {
    const std::string beside = "." + name_.substr(0, NAME_MAX - 16) + "." + std::to_string(getpid());
    Status done = write_beside(beside, bytes);
    if (done) done = move_here(beside);
    if (!done) unlinkat(directory_.get(), beside.c_str(), 0);
    return done;
}

Status WholeFile::write_beside(const std::string& beside, std::string_view bytes) const {
    const UniqueFd fd(
        openat(directory_.get(), beside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!fd.valid()) return cannot_write(path_, errno);
    while (!bytes.empty()) {
        const ssize_t written = ::write(fd.get(), bytes.data(), bytes.size());
        if (written >= 0)
            bytes.remove_prefix(static_cast<std::size_t>(written));
        else if (errno != EINTR)
            return cannot_write(path_, errno);
    }
    if (fsync(fd.get()) != 0) return cannot_write(path_, errno);
    return {};
}

// Some file systems cannot do both at once, to look and to move.
Status WholeFile::move_here(const std::string& beside) const {
    const int directory = directory_.get();
    if (!replace_) {
        if (renameat2(directory, beside.c_str(), directory, name_.c_str(), RENAME_NOREPLACE) == 0) return {};
        if (errno == EEXIST) return is_free();
        if (errno != EINVAL) return cannot_write(path_, errno);
    }
    if (Status free = is_free(); !free) return free;
    if (renameat(directory, beside.c_str(), directory, name_.c_str()) != 0) return cannot_write(path_, errno);
    return {};
}

}  // namespace bindtrace
