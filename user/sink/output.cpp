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
        Status written = write_out(bytes);
        bytes.clear();
        lock.lock();
        writing_ = false;
        spare_.push_back(std::move(bytes));
        if (!written) status_ = std::move(written);
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

Status Output::write_out(const std::string& bytes) const {
    std::size_t written = 0;
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
