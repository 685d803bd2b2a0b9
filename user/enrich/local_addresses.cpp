// SPDX-License-Identifier: MIT
#include "enrich/local_addresses.h"

#include <fcntl.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/stat.h>

#include <cstring>
#include <memory>
#include <string>
#include <system_error>
#include <thread>

#include "core/unique_fd.h"

namespace bindtrace {
namespace {

std::optional<std::vector<LocalAddress>> addresses_here() {
    ifaddrs* first = nullptr;
    if (getifaddrs(&first) != 0) return std::nullopt;
    const std::unique_ptr<ifaddrs, decltype(&freeifaddrs)> list(first, freeifaddrs);
    std::vector<LocalAddress> found;
    for (const ifaddrs* entry = first; entry != nullptr; entry = entry->ifa_next) {
        if (entry->ifa_addr == nullptr) continue;
        LocalAddress local{.interface = entry->ifa_name, .family = entry->ifa_addr->sa_family};
        if (local.family == AF_INET) {
            const auto* four = reinterpret_cast<const sockaddr_in*>(entry->ifa_addr);
            std::memcpy(local.address.data(), &four->sin_addr, sizeof(four->sin_addr));
        } else if (local.family == AF_INET6) {
            const auto* six = reinterpret_cast<const sockaddr_in6*>(entry->ifa_addr);
            std::memcpy(local.address.data(), &six->sin6_addr, sizeof(six->sin6_addr));
        } else {
            continue;
        }
        found.push_back(local);
    }
    return found;
}

}  // namespace

std::optional<std::vector<LocalAddress>> local_addresses(std::uint32_t netns, std::uint32_t tid) {
    const UniqueFd file(open(("/proc/" + std::to_string(tid) + "/ns/net").c_str(), O_RDONLY | O_CLOEXEC));
    struct stat status {};
    if (!file.valid() || fstat(file.get(), &status) != 0 || status.st_ino != netns) return std::nullopt;
    std::optional<std::vector<LocalAddress>> found;
    try {  // the namespace is a thread's own, and this one does not come back
        std::thread([&] {
            if (setns(file.get(), CLONE_NEWNET) == 0) found = addresses_here();
        }).join();
    } catch (const std::system_error&) {  // there are no more threads to be had
    }
    return found;
}

}  // namespace bindtrace
