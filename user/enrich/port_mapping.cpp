// SPDX-License-Identifier: MIT
#include "enrich/port_mapping.h"

#include <netinet/in.h>

#include <algorithm>

#include "model/endpoint.h"

namespace bindtrace {
namespace {

bool is_all_addresses(std::string_view text) {
    return text.empty() || text == "0.0.0.0" || text == "::";
}

bool is_all_addresses(const bt_sock& sock) {
    return std::ranges::all_of(sock.local_addr, [](std::uint8_t byte) { return byte == 0; });
}

Fit fit_of(const PortMapping& mapping, const bt_sock& sock) {
    if (mapping.host_port != sock.local_port || mapping.protocol != protocol_of(sock)) return Fit::none;
    const auto address = Cidr::parse(mapping.host_address);
    if (address && address->matches(sock.family, sock.local_addr)) return Fit::exact;
    return is_all_addresses(mapping.host_address) && is_all_addresses(sock) ? Fit::all_addresses : Fit::none;
}

}  // namespace

std::string_view protocol_of(const bt_sock& sock) {
    return sock.protocol == IPPROTO_UDP ? "udp" : sock.protocol == IPPROTO_SCTP ? "sctp" : "tcp";
}

MappingMatch match_of(std::span<const PortMapping> mappings, const bt_sock& sock) {
    MappingMatch best;
    for (const PortMapping& mapping : mappings) {
        const Fit fit = fit_of(mapping, sock);
        if (fit == Fit::none || fit < best.fit) continue;
        if (fit > best.fit)
            best = {.fit = fit, .container_port = mapping.container_port};
        else if (best.container_port != mapping.container_port)
            best.container_port = std::nullopt;
    }
    return best;
}

}  // namespace bindtrace
