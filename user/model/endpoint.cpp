// SPDX-License-Identifier: MIT
#include "model/endpoint.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace bindtrace {
namespace {

constexpr std::array<std::uint8_t, 12> kMappedPrefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
constexpr std::uint8_t kMappedBits = 96;

bool is_mapped(const std::uint8_t* address) {
    return std::memcmp(address, kMappedPrefix.data(), kMappedPrefix.size()) == 0;
}

char* write_decimal(char* at, unsigned value) {
    const fmt::format_int digits(value);
    std::memcpy(at, digits.data(), digits.size());
    return at + digits.size();
}

char* write_hex_group(char* at, unsigned group) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    if (group >= 0x1000) *at++ = kDigits[group >> 12];
    if (group >= 0x100) *at++ = kDigits[(group >> 8) & 0xf];
    if (group >= 0x10) *at++ = kDigits[(group >> 4) & 0xf];
    *at++ = kDigits[group & 0xf];
    return at;
}

char* write_ipv4(char* at, const std::uint8_t* address) {
    for (int i = 0; i < 4; ++i) {
        if (i != 0) *at++ = '.';
        at = write_decimal(at, address[i]);
    }
    return at;
}

char* write_ipv6(char* at, const std::uint8_t* address) {
    std::array<unsigned, 8> groups{};
    for (std::size_t i = 0; i < groups.size(); ++i) {
        groups[i] = static_cast<unsigned>(address[2 * i]) << 8 | address[2 * i + 1];
    }

    // The first of the longest runs of two or more zero groups becomes "::".
    std::size_t zeros_begin = groups.size();
    std::size_t zeros = 1;
    for (std::size_t i = 0; i < groups.size();) {
        std::size_t end = i;
        while (end < groups.size() && groups[end] == 0) ++end;
        if (end - i > zeros) {
            zeros_begin = i;
            zeros = end - i;
        }
        i = end + 1;
    }

    // As inet_ntop: the IPv4-mapped and the old IPv4-compatible addresses end in dotted form.
    const bool dotted = zeros_begin == 0 && (zeros == 6 || (zeros == 5 && groups[5] == 0xffff));
    const std::size_t hex_groups = dotted ? 6 : groups.size();

    for (std::size_t i = 0; i < hex_groups;) {
        if (i == zeros_begin) {
            *at++ = ':';
            if (i == 0) *at++ = ':';
            i += zeros;
            continue;
        }
        at = write_hex_group(at, groups[i]);
        if (++i < groups.size()) *at++ = ':';
    }
    return dotted ? write_ipv4(at, address + 12) : at;
}

}  // namespace

char* write_address(char* at, std::uint16_t family, const std::uint8_t* address) {
    if (family == AF_INET) return write_ipv4(at, address);
    if (family == AF_INET6) return write_ipv6(at, address);
    return at;
}

void append_address(std::string& out, std::uint16_t family, const std::uint8_t* address) {
    std::array<char, kAddressLength> text;
    out.append(text.data(), write_address(text.data(), family, address));
}

void append_endpoint(std::string& out, std::uint16_t family, const std::uint8_t* address, std::uint16_t port) {
    std::array<char, kEndpointLength> text;
    char* at = text.data();
    if (family == AF_INET6) *at++ = '[';
    at = write_address(at, family, address);
    if (family == AF_INET6) *at++ = ']';
    *at++ = ':';
    at = write_decimal(at, port);
    out.append(text.data(), at);
}

std::optional<Cidr> Cidr::parse(std::string_view text) {
    const std::size_t slash = text.find('/');
    const std::string host(text.substr(0, slash));  // inet_pton wants a NUL
    if (host.find('\0') != std::string::npos) return std::nullopt;

    Cidr cidr;
    if (inet_pton(AF_INET, host.c_str(), cidr.address.data()) == 1) {
        cidr.family = AF_INET;
        cidr.prefix = 32;
    } else if (inet_pton(AF_INET6, host.c_str(), cidr.address.data()) == 1) {
        cidr.family = AF_INET6;
        cidr.prefix = 128;
    } else {
        return std::nullopt;
    }

    if (slash != std::string_view::npos) {
        const std::string_view bits = text.substr(slash + 1);
        std::uint8_t prefix = 0;
        const auto [end, error] = std::from_chars(bits.data(), bits.data() + bits.size(), prefix);
        if (error != std::errc() || end != bits.data() + bits.size() || prefix > cidr.prefix) return std::nullopt;
        cidr.prefix = prefix;
    }

    if (cidr.family == AF_INET6 && cidr.prefix >= kMappedBits && is_mapped(cidr.address.data())) {
        cidr.family = AF_INET;
        cidr.prefix = static_cast<std::uint8_t>(cidr.prefix - kMappedBits);
        std::copy_n(cidr.address.begin() + kMappedPrefix.size(), 4, cidr.address.begin());
        std::fill(cidr.address.begin() + 4, cidr.address.end(), std::uint8_t{0});
    }
    for (std::size_t bit = cidr.prefix; bit < 8 * cidr.address.size(); ++bit) {
        cidr.address[bit / 8] = static_cast<std::uint8_t>(cidr.address[bit / 8] & ~(0x80u >> (bit % 8)));
    }
    return cidr;
}

bool Cidr::matches(std::uint16_t family_of_candidate, const std::uint8_t* candidate) const {
    if (family == AF_INET && family_of_candidate == AF_INET6 && is_mapped(candidate)) {
        candidate += kMappedPrefix.size();
    } else if (family != family_of_candidate) {
        return false;
    }
    const std::size_t whole = prefix / 8;
    if (std::memcmp(candidate, address.data(), whole) != 0) return false;
    const unsigned rest = prefix % 8;
    if (rest == 0) return true;
    const unsigned mask = 0xffu << (8 - rest) & 0xffu;
    return (candidate[whole] & mask) == address[whole];
}

}  // namespace bindtrace
