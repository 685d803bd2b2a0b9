// SPDX-License-Identifier: MIT
#include "registry/small_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "core/unique_fd.h"

namespace bindtrace {

Result<std::string> read_small_file(const std::string& path) {
    constexpr std::size_t kMost = 16u << 20;
    const UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file.valid()) return Error{"cannot open " + path, errno};
    std::string content;
    std::array<char, 16384> piece;
    while (true) {
        const ssize_t size = read(file.get(), piece.data(), piece.size());
        if (size < 0 && errno == EINTR) continue;
        if (size < 0) return Error{"cannot read " + path, errno};
        if (size == 0) return content;
        content.append(piece.data(), static_cast<std::size_t>(size));
        if (content.size() > kMost) return Error{"cannot read " + path + ": it is larger than 16 MiB"};
    }
}

}  // namespace bindtrace
