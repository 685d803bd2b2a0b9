// SPDX-License-Identifier: MIT
#include "capture/capture_files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <filesystem>
#include <iterator>
#include <utility>

#include "core/clock.h"

namespace bindtrace {
namespace {

constexpr unsigned kParts = 8;
constexpr std::uint64_t kLeastFileNs = 1'000'000'000;
constexpr int kPatienceMs = 1000;

std::string hint_for(int code) {
    if (code == ENOSPC) return "the disk is full; what was written until now can be read";
    if (code == EDQUOT) return "the quota is used up; what was written until now can be read";
    if (code == EFBIG) return "no larger file is allowed here (ulimit -f); what was written until now can be read";
    return "";
}

}  // namespace

CapturePlace keep_for(std::string path, std::uint64_t ns) {
    return {.path = std::move(path), .file_ns = std::max(ns / kParts, kLeastFileNs), .earlier_files = kParts};
}

CapturePlace keep_bytes(std::string path, std::uint64_t bytes) {
    return {.path = std::move(path), .file_bytes = bytes / kParts, .earlier_files = kParts - 1};
}

Result<std::unique_ptr<CaptureFiles>> CaptureFiles::open(CapturePlace place, int signals) {
    std::unique_ptr<CaptureFiles> files(new CaptureFiles(std::move(place), signals));
    if (files->place_.path == "-") {
        files->file_ = UniqueFd(fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3));
        if (!files->file_.valid()) return Error{"cannot write to stdout", errno};
        return files;
    }
    if (Status opened = files->open_first(); !opened) return opened.error();
    return files;
}

Status CaptureFiles::open_first() {
    const std::filesystem::path path(place_.path);
    name_ = path.filename();
    if (name_.empty() || name_ == "." || name_ == "..") return Error{"'" + place_.path + "' names no file"};
    const std::string parent = path.has_parent_path() ? path.parent_path() : ".";
    directory_ = UniqueFd(::open(parent.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!directory_.valid()) return Error{"cannot write to the directory " + parent, errno};
    for (unsigned back = 0; back <= place_.earlier_files; ++back)
        if (Status clear = clear_the_way(back == 0 ? name_ : earlier_name(back)); !clear) return clear;
    return make_file();
}

Status CaptureFiles::clear_the_way(const std::string& name) const {
    struct stat found {};
    if (fstatat(directory_.get(), name.c_str(), &found, AT_SYMLINK_NOFOLLOW) != 0) {
        if (errno == ENOENT) return {};
        return Error{"cannot look at " + name, errno};
    }
    if (!S_ISREG(found.st_mode))
        return Error{"'" + name + "' is there already and is no plain file, so it is left alone", 0,
                     "name another file; -o - writes to stdout"};
    if (!place_.replace) return Error{"'" + name + "' is there already", EEXIST, "name another file, or give --force"};
    if (unlinkat(directory_.get(), name.c_str(), 0) != 0) return Error{"cannot remove '" + name + "'", errno};
    return {};
}

Status CaptureFiles::make_file() {
    file_ =
        UniqueFd(openat(directory_.get(), name_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!file_.valid()) return Error{"cannot create " + place_.path, errno, hint_for(errno)};
    flock(file_.get(), LOCK_EX | LOCK_NB);  // tells a reader that more is to come
    written_ = 0;
    begun_ns_ = static_cast<std::uint64_t>(clock_ns(CLOCK_BOOTTIME));
    return {};
}

Status CaptureFiles::next_file() {
    for (unsigned back = place_.earlier_files; back > 0; --back) {
        const std::string from = back == 1 ? name_ : earlier_name(back - 1);
        const std::string to = earlier_name(back);
        if (renameat(directory_.get(), from.c_str(), directory_.get(), to.c_str()) != 0 && errno != ENOENT)
            return Error{fmt::format("cannot rename {} to {}", from, to), errno};
    }
    return make_file();
}

bool CaptureFiles::is_full(std::size_t bytes) const {
    if (place_.file_bytes != 0 && written_ + bytes > place_.file_bytes) return true;
    const auto now = static_cast<std::uint64_t>(clock_ns(CLOCK_BOOTTIME));
    return place_.file_ns != 0 && now - begun_ns_ >= place_.file_ns;
}

std::size_t CaptureFiles::goal() const {
    return std::min(kBlockGoal, share());
}

std::size_t CaptureFiles::share() const {
    return place_.file_bytes == 0 ? kBlockLimit : std::min<std::size_t>(kBlockLimit, place_.file_bytes / 4);
}

Status CaptureFiles::look_after() const {
    struct stat found {};
    if (name_.empty() || fstat(file_.get(), &found) != 0 || found.st_nlink != 0) return {};
    return Error{place_.path + " was deleted, or its directory", 0, "what would be recorded could not be found"};
}

Status CaptureFiles::write(std::string_view block) {
    if (name_.empty()) return write_to_pipe(block);
    std::size_t done = 0;
    while (done < block.size()) {
        const ssize_t result = ::write(file_.get(), block.data() + done, block.size() - done);
        if (result >= 0) {
            done += static_cast<std::size_t>(result);
        } else if (errno != EINTR) {
            const int code = errno;
            // A quota may forbid that too (btrfs): then a reader says that the last block is cut off.
            static_cast<void>(ftruncate(file_.get(), static_cast<off_t>(written_)) == 0);
            return Error{"cannot write to " + place_.path, code, hint_for(code)};
        }
    }
    written_ += block.size();
    return {};
}

// A pipe that is ready takes PIPE_BUF bytes without blocking.
Status CaptureFiles::write_to_pipe(std::string_view block) const {
    while (!block.empty()) {
        pollfd ready[] = {{.fd = file_.get(), .events = POLLOUT, .revents = 0},
                          {.fd = signals_, .events = POLLIN, .revents = 0}};
        poll(ready, std::size(ready), -1);
        if (ready[0].revents == 0 && ready[1].revents != 0 && poll(ready, 1, kPatienceMs) == 0)
            return Error{"stdout is blocked, and what was left to write is lost"};
        const ssize_t result = ::write(file_.get(), block.data(), std::min<std::size_t>(block.size(), PIPE_BUF));
        if (result >= 0) {
            block.remove_prefix(static_cast<std::size_t>(result));
        } else if (errno == EPIPE) {
            return Error{"stdout was closed by its reader", errno};
        } else if (errno != EINTR && errno != EAGAIN) {
            return Error{"cannot write to stdout", errno, hint_for(errno)};
        }
    }
    return {};
}

}  // namespace bindtrace
