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

namespace {

// Not valid where it is in another one.
UniqueFd netns_of(const std::string& thread, std::uint32_t netns) {
    UniqueFd file(open(("/proc/" + thread + "/ns/net").c_str(), O_RDONLY | O_CLOEXEC));
    struct stat status {};
    if (file.valid() && fstat(file.get(), &status) == 0 && status.st_ino == netns) return file;
    return {};
}

}  // namespace

bool in_netns(std::uint32_t netns, std::uint32_t tid, const std::function<void()>& body) {
    UniqueFd file = netns_of(std::to_string(tid), netns);
    if (!file.valid()) file = netns_of("thread-self", netns);  // the one that was refused may have gone
    if (!file.valid()) return false;
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
