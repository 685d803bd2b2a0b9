// SPDX-License-Identifier: MIT
#include "enrich/in_netns.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>

#include <string>
#include <system_error>
#include <thread>

#include "core/unique_fd.h"

namespace bindtrace {

bool in_netns(std::uint32_t netns, std::uint32_t tid, const std::function<void()>& body) {
    const UniqueFd file(open(("/proc/" + std::to_string(tid) + "/ns/net").c_str(), O_RDONLY | O_CLOEXEC));
    struct stat status {};
    if (!file.valid() || fstat(file.get(), &status) != 0 || status.st_ino != netns) return false;
    bool entered = false;
    try {  // the namespace is a thread's own, and this one does not come back
        std::thread([&] {
            entered = setns(file.get(), CLONE_NEWNET) == 0;
            if (entered) body();
        }).join();
    } catch (const std::system_error&) {  // there are no more threads to be had
    }
    return entered;
}

}  // namespace bindtrace
