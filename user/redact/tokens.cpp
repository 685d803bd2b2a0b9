// SPDX-License-Identifier: MIT
#include "redact/tokens.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sodium.h>

#include <algorithm>
#include <cstring>

#include "model/endpoint.h"

namespace bindtrace {
namespace {

constexpr std::array<std::uint8_t, 12> kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

bool is_number(std::string_view text) {
    return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

// "c1" is one that systemd-logind numbered itself.
bool is_session(std::string_view text) {
    return is_number(text) || (text.starts_with('c') && is_number(text.substr(1)));
}

// `before` NAME `after`, where NAME tells nothing.
template <typename Harmless>
bool is_numbered(std::string_view part, std::string_view before, std::string_view after, Harmless is_harmless) {
    return part.size() > before.size() + after.size() && part.starts_with(before) && part.ends_with(after) &&
           is_harmless(part.substr(before.size(), part.size() - before.size() - after.size()));
}

bool is_alike_everywhere(std::string_view part) {
    constexpr std::string_view kNames[] = {"system.slice",
                                           "user.slice",
                                           "machine.slice",
                                           "-.slice",
                                           "init.scope",
                                           "app.slice",
                                           "background.slice",
                                           "session.slice",
                                           "kubepods.slice",
                                           "kubepods",
                                           "docker",
                                           "lxc",
                                           "libpod_parent",
                                           "payload",
                                           "supervisor",
                                           "container",
                                           "runtime",
                                           "kubepods-burstable.slice",
                                           "kubepods-besteffort.slice"};
    return std::ranges::find(kNames, part) != std::end(kNames) || is_numbered(part, "user-", ".slice", is_number) ||
           is_numbered(part, "user@", ".service", is_number) || is_numbered(part, "session-", ".scope", is_session);
}

}  // namespace

Result<Tokens> Tokens::make() {
    if (sodium_init() < 0) return Error{"cannot make a random key: libsodium does not start"};
    Tokens tokens;
    randombytes_buf(tokens.key_.data(), tokens.key_.size());
    return tokens;
}

std::array<std::uint8_t, 16> Tokens::hash(std::string_view bytes) const {
    std::array<std::uint8_t, 16> digest{};
    crypto_generichash(digest.data(), digest.size(), reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(),
                       key_.data(), key_.size());
    return digest;
}

std::string Tokens::word(std::string_view kind, std::string_view original) const {
    if (original.empty()) return "";
    const auto digest = hash(original);
    return fmt::format("{}-{:02x}{:02x}{:02x}{:02x}{:02x}", kind, digest[0], digest[1], digest[2], digest[3],
                       digest[4]);
}

void Tokens::replace_address(std::uint16_t family, std::uint8_t* address) const {
    const auto is_zero = [](const std::uint8_t* bytes, std::size_t count) {
        return std::all_of(bytes, bytes + count, [](std::uint8_t byte) { return byte == 0; });
    };
    const auto is_full = [](std::uint8_t byte) { return byte == 0xff; };  // also the start of IPv6 multicast
    const auto digest_of = [&](std::size_t size) { return hash({reinterpret_cast<const char*>(address), size}); };
    if (family == AF_INET) {
        const bool is_for_many = (address[0] & 0xf0) == 0xe0 || std::all_of(address, address + 4, is_full);
        if (is_zero(address, 4) || address[0] == 127 || is_for_many) return;
        const auto digest = digest_of(4);
        std::memcpy(address, digest.data(), 4);
        address[0] |= 0xf0;
    } else if (family == AF_INET6) {
        if (is_zero(address, 16) || (is_zero(address, 15) && address[15] == 1) || is_full(address[0])) return;
        if (std::memcmp(address, kMapped.data(), kMapped.size()) == 0) return replace_address(AF_INET, address + 12);
        const auto digest = digest_of(16);
        if (address[0] == 0xfe && (address[1] & 0xc0) == 0x80) {
            std::memset(address + 2, 0, 6);
            std::memcpy(address + 8, digest.data(), 8);
        } else {
            constexpr std::uint8_t kDocumentation[] = {0x20, 0x01, 0x0d, 0xb8};
            std::memcpy(address, kDocumentation, sizeof(kDocumentation));
            std::memcpy(address + 4, digest.data(), 12);
        }
    } else {
        std::memset(address, 0, 16);
    }
}

std::string Tokens::address(const std::string& text) const {
    std::array<std::uint8_t, 16> bytes{};
    for (const int family : {AF_INET, AF_INET6}) {
        if (inet_pton(family, text.c_str(), bytes.data()) != 1) continue;
        std::string out;
        replace_address(static_cast<std::uint16_t>(family), bytes.data());
        append_address(out, static_cast<std::uint16_t>(family), bytes.data());
        return out;
    }
    return word("addr", text);
}

std::string Tokens::cgroup_part(std::string_view part) const {
    if (part.empty() || is_alike_everywhere(part)) return std::string(part);
    for (const std::string_view type : {".service", ".scope", ".socket", ".slice", ".mount", ".swap"})
        if (part.ends_with(type)) return word("unit", part) + std::string(type);
    return word("cgroup", part);
}

std::string Tokens::cgroup_path(std::string_view path) const {
    std::string out;
    while (true) {
        const std::size_t slash = path.find('/');
        out += cgroup_part(path.substr(0, slash));
        if (slash == std::string_view::npos) return out;
        out += '/';
        path.remove_prefix(slash + 1);
    }
}

}  // namespace bindtrace
