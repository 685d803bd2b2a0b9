// SPDX-License-Identifier: MIT
// IP addresses as an event holds them (network order bytes, AF_INET in the first four) into the text people know, and
// CIDR filters.
//
// IPv6 follows RFC 5952 and, where that leaves a choice, inet_ntop(3), so that an address can be searched for in what
// ss and the logs print: "::1", "2001:db8::1", "::ffff:10.0.0.1". Formatting writes into the caller's memory and never
// allocates, because every record has up to three of them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace bindtrace {

inline constexpr std::size_t kAddressLength = 45;                   // longest address, no NUL
inline constexpr std::size_t kEndpointLength = kAddressLength + 8;  // with "[]:" and a port

// Writes at most kAddressLength bytes and gives the end of what was written. A family other than AF_INET and AF_INET6
// writes nothing. `address` has 4 or 16 bytes.
char* write_address(char* at, std::uint16_t family, const std::uint8_t* address);

// "10.0.0.1", "::1".
void append_address(std::string& out, std::uint16_t family, const std::uint8_t* address);

// "0.0.0.0:80", "[::]:80".
void append_endpoint(std::string& out, std::uint16_t family, const std::uint8_t* address, std::uint16_t port);

// A network such as 10.0.0.0/8; a plain address is a network of one. An IPv4 network also matches the IPv4-mapped IPv6
// addresses in it, since that is how a dual-stack socket names the same place.
struct Cidr {
    std::uint16_t family = 0;
    std::uint8_t prefix = 0;                 // bits that count
    std::array<std::uint8_t, 16> address{};  // bits beyond prefix are zero

    // Host bits may be set ("10.1.2.3/8"). A network inside ::ffff:0:0/96 becomes the IPv4 network it stands for.
    static std::optional<Cidr> parse(std::string_view text);

    bool matches(std::uint16_t family_of_candidate, const std::uint8_t* candidate) const;
};

}  // namespace bindtrace
