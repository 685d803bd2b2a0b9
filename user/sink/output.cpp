// SPDX-License-Identifier: MIT
#include "sink/output.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>

namespace bindtrace {

Status Output::flush() {
    std::size_t written = 0;
    while (written < buffer_.size()) {
        const ssize_t result = write(fd_, buffer_.data() + written, buffer_.size() - written);
        if (result >= 0) {
            written += static_cast<std::size_t>(result);
            continue;
        }
        if (errno == EINTR) continue;
        if (errno == EAGAIN) {  // a terminal or pipe somebody made non-blocking
            pollfd ready{.fd = fd_, .events = POLLOUT, .revents = 0};
            poll(&ready, 1, -1);
            continue;
        }
        const int code = errno;
        buffer_.clear();
        if (code == EPIPE) return Error{"stdout was closed by its reader", code};
        return Error{"cannot write to stdout", code, code == ENOSPC ? "the disk is full" : ""};
    }
    buffer_.clear();
    return {};
}

}  // namespace bindtrace
