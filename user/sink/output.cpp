// SPDX-License-Identifier: MIT
#include "sink/output.h"

#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <iterator>

namespace bindtrace {

namespace {

bool is_regular_file(int fd) {
    struct stat status {};
    return fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
}

}  // namespace

Output::Output(int fd, int signals) : fd_(fd), signals_(signals), may_block_(!is_regular_file(fd)) {}

// A pipe that is ready takes PIPE_BUF bytes without blocking.
Status Output::wait_until_writable() const {
    pollfd ready[] = {{.fd = fd_, .events = POLLOUT, .revents = 0}, {.fd = signals_, .events = POLLIN, .revents = 0}};
    poll(ready, std::size(ready), -1);
    if (ready[0].revents != 0 || ready[1].revents == 0) return {};
    if (poll(ready, 1, kPatienceMs) > 0) return {};
    return Error{"stdout is blocked, and what was left to write is lost", 0};
}

Status Output::flush() {
    std::size_t written = 0;
    while (written < buffer_.size()) {
        if (may_block_) {
            if (Status writable = wait_until_writable(); !writable) {
                buffer_.clear();
                return writable;
            }
        }
        const std::size_t left = buffer_.size() - written;
        const ssize_t result =
            write(fd_, buffer_.data() + written, may_block_ ? std::min<std::size_t>(left, PIPE_BUF) : left);
        if (result >= 0) {
            written += static_cast<std::size_t>(result);
            continue;
        }
        if (errno == EINTR || errno == EAGAIN) continue;
        const int code = errno;
        buffer_.clear();
        if (code == EPIPE) return Error{"stdout was closed by its reader", code};
        return Error{"cannot write to stdout", code, code == ENOSPC ? "the disk is full" : ""};
    }
    buffer_.clear();
    return {};
}

}  // namespace bindtrace
