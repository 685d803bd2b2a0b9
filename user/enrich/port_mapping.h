// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "bindtrace/event.h"

namespace bindtrace {

// A port that a runtime's own files, or a helper's arguments, say is published.
struct PortMapping {
    std::string protocol;  // "tcp"
    std::uint16_t host_port = 0;
    std::uint16_t container_port = 0;
    std::string host_address;  // as written; empty: all of the host's
};

// "tcp", "udp", "sctp".
std::string_view protocol_of(const bt_sock& sock);

// How well a mapping fits a socket of the host. A port may be published once for each address, to other containers or
// other ports of the same one: -p 127.0.0.1:8080:80 -p 10.0.0.1:8080:81. For all addresses there may be one socket of
// IPv6 for both families, or one for each, however it is written.
enum class Fit : std::uint8_t { none, all_addresses, exact };

struct MappingMatch {
    Fit fit = Fit::none;
    std::optional<std::uint16_t> container_port;  // none where two that fit as well lead to different ones
};

// The best of them.
MappingMatch match_of(std::span<const PortMapping> mappings, const bt_sock& sock);

}  // namespace bindtrace
