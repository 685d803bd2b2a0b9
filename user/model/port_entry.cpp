// SPDX-License-Identifier: MIT
#include "model/port_entry.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "model/endpoint.h"
#include "model/names.h"

namespace bindtrace {

std::string owners_text(const std::vector<OwnerRule>& owners) {
    std::string text;
    for (const OwnerRule& owner : owners) {
        constexpr std::string_view kPrefixes[] = {"", "container:", "user:", "exe:"};
        if (!text.empty()) text += ", ";
        text += kPrefixes[static_cast<std::size_t>(owner.kind)];
        text += owner.name;
    }
    return text.empty() ? "free" : text;
}

std::string place_text(const PortEntry& entry) {
    std::string text(protocol_name(entry.protocol, entry.protocol == IPPROTO_UDP ? SOCK_DGRAM : SOCK_STREAM));
    text += ' ';
    if (entry.address)
        append_endpoint(text, entry.address->family, entry.address->local_addr, entry.first_port);
    else
        text += std::to_string(entry.first_port);
    if (entry.last_port != entry.first_port) text += fmt::format("-{}", entry.last_port);
    if (entry.netns) text += " netns " + *entry.netns;
    return text;
}

std::string reserve_command(const std::optional<std::string>& netns, std::string_view ports) {
    const std::string where = !netns ? "" : *netns == "host" ? "nsenter -t 1 -n " : "ip netns exec " + *netns + " ";
    return fmt::format("{}sysctl -w net.ipv4.ip_local_reserved_ports={}", where, ports);
}

}  // namespace bindtrace
