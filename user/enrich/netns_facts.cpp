// SPDX-License-Identifier: MIT
#include "enrich/netns_facts.h"

#include <algorithm>
#include <fstream>
#include <utility>

#include "enrich/in_netns.h"
#include "enrich/local_addresses.h"

namespace bindtrace {
namespace {

constexpr const char* kSysctls[] = {"net.ipv4.ip_local_port_range",
                                    "net.ipv4.ip_local_reserved_ports",
                                    "net.ipv4.ip_unprivileged_port_start",
                                    "net.ipv4.ip_nonlocal_bind",
                                    "net.ipv6.ip_nonlocal_bind",
                                    "net.ipv6.bindv6only",
                                    "net.ipv4.tcp_fin_timeout",
                                    "net.ipv4.tcp_tw_reuse",
                                    "net.ipv4.ip_autobind_reuse"};

}  // namespace

std::optional<NetnsFacts> netns_facts(std::uint32_t netns, std::uint32_t tid, std::optional<std::string> name) {
    NetnsFacts facts{.inum = netns, .name = std::move(name), .sysctls = {}, .addresses = {}};
    const bool looked = in_netns(netns, tid, [&facts] {
        for (const char* const sysctl : kSysctls) {
            std::string path = sysctl;
            std::ranges::replace(path, '.', '/');
            std::ifstream file("/proc/sys/" + path);  // shows those of the reader's namespace
            std::string value;
            if (std::getline(file, value)) facts.sysctls.emplace_back(sysctl, value);
        }
        facts.addresses = addresses_here();
    });
    if (!looked) return std::nullopt;
    return facts;
}

}  // namespace bindtrace
