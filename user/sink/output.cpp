// SPDX-License-Identifier: MIT
#include "sink/output.h"

#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <iterator>
#include <utility>

namespace bindtrace {

namespace {

bool is_regular_file(int fd) {
    struct stat status {};
    return fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
}

}  // namespace

Output::Output(int fd, int signals, std::string name)
    : fd_(fd), signals_(signals), name_(std::move(name)), may_block_(!is_regular_file(fd)), writer_([this] {
          write_all();
      }) {}

Output::~Output() {
    {
        const std::lock_guard lock(mutex_);
        ended_ = true;
    }
    changed_.notify_all();
    writer_.join();
}

bool Output::has_room() {
    const std::lock_guard lock(mutex_);
    return waiting_.size() < kWaiting && status_;
}

Status Output::flush() {
    std::unique_lock lock(mutex_);
    if (!buffer_.empty()) {
        changed_.wait(lock, [this] { return waiting_.size() < kWaiting || !status_; });
        if (!status_) {
            lose(buffer_);
            buffer_.clear();
            return status_;
        }
        waiting_.push_back(std::move(buffer_));
        buffer_.clear();
        if (!spare_.empty()) {
            buffer_ = std::move(spare_.back());
            spare_.pop_back();
        }
        changed_.notify_all();
    }
    return status_;
}

Status Output::finish() {
    if (Status status = flush(); !status) return status;
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return (waiting_.empty() && !writing_) || !status_; });
    return status_;
}

std::uint64_t Output::lost() {
    const std::lock_guard lock(mutex_);
    return lost_;
}

// A record begins a line; those that explain it are indented.
void Output::lose(std::string_view bytes) {
    for (std::size_t at = 0; at < bytes.size();) {
        if (bytes[at] != ' ') ++lost_;
        const std::size_t end = bytes.find('\n', at);
        if (end == std::string_view::npos) return;
        at = end + 1;
    }
}

// The writer's life. After a failure it writes nothing more.
void Output::write_all() {
    std::unique_lock lock(mutex_);
    for (;;) {
        changed_.wait(lock, [this] { return !waiting_.empty() || ended_; });
        if (waiting_.empty() || !status_) return;
        std::string bytes = std::move(waiting_.front());
        waiting_.pop_front();
        writing_ = true;
        lock.unlock();
        std::size_t written = 0;
        Status status = write_out(bytes, written);
        lock.lock();
        writing_ = false;
        if (!status) {
            status_ = std::move(status);
            const std::size_t cut = written == 0 ? std::string::npos : bytes.rfind('\n', written - 1);
            lose(std::string_view(bytes).substr(cut + 1));  // npos + 1 = 0
            for (const std::string& waiting : waiting_) lose(waiting);
        }
        bytes.clear();
        spare_.push_back(std::move(bytes));
        changed_.notify_all();
        if (!status_) return;
    }
}

// A pipe that is ready takes PIPE_BUF bytes without blocking.
Status Output::wait_until_writable() const {
    pollfd ready[] = {{.fd = fd_, .events = POLLOUT, .revents = 0}, {.fd = signals_, .events = POLLIN, .revents = 0}};
    poll(ready, std::size(ready), -1);
    if (ready[0].revents != 0 || ready[1].revents == 0) return {};
    if (poll(ready, 1, kPatienceMs) > 0) return {};
    return Error{name_ + " is blocked, and what was left to write is lost", 0};
}

// `written` is how many of the bytes have been.
Status Output::write_out(const std::string& bytes, std::size_t& written) const {
    while (written < bytes.size()) {
        if (may_block_) {
            if (Status writable = wait_until_writable(); !writable) return writable;
        }
        const std::size_t left = bytes.size() - written;
        const ssize_t result =
            write(fd_, bytes.data() + written, may_block_ ? std::min<std::size_t>(left, PIPE_BUF) : left);
        if (result >= 0) {
            written += static_cast<std::size_t>(result);
            continue;
        }
        if (errno == EINTR || errno == EAGAIN) continue;
        const int code = errno;
        if (code == EPIPE) return Error{name_ + " was closed by its reader", code};
        return Error{"cannot write to " + name_, code, code == ENOSPC ? "the disk is full" : ""};
    }
    return {};
}

}  // namespace bindtrace
