// SPDX-License-Identifier: MIT
#include "enrich/local_addresses.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>

#include <cstring>
#include <map>
#include <memory>
#include <utility>

#include "enrich/in_netns.h"
#include "enrich/vrfs.h"

namespace bindtrace {

std::optional<std::vector<LocalAddress>> addresses_here() {
    ifaddrs* first = nullptr;
    if (getifaddrs(&first) != 0) return std::nullopt;
    const std::unique_ptr<ifaddrs, decltype(&freeifaddrs)> list(first, freeifaddrs);
    const std::map<std::uint32_t, Vrf> vrfs = vrfs_here();
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
        local.index = if_nametoindex(entry->ifa_name);
        if (const auto vrf = vrfs.find(local.index); vrf != vrfs.end()) {
            local.vrf = vrf->second.index;
            local.vrf_name = vrf->second.name;
        }
        found.push_back(std::move(local));
    }
    return found;
}

std::optional<std::vector<LocalAddress>> local_addresses(std::uint32_t netns, std::uint32_t tid) {
    std::optional<std::vector<LocalAddress>> found;
    in_netns(netns, tid, [&found] { found = addresses_here(); });
    return found;
}

}  // namespace bindtrace
