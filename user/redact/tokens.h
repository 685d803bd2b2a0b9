// SPDX-License-Identifier: MIT
// Words that stand for others: the same for the same, and of no use to who does not have the key, which is random and
// forgotten with the object.
//
// A keyed hash (BLAKE2b) and not a table, so that memory does not grow with what a capture has in it, and nothing can
// be guessed back by trying names. Tokens of words have 40 bits. An address becomes one that is nobody's, so that
// programs still read it: IPv4 in 240.0.0.0/4 (28 bits, so that of some ten thousand addresses two may get one token),
// IPv6 in 2001:db8::/32, link-local ones in fe80::/64. Loopback, wildcard, multicast and broadcast addresses stay.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/result.h"

namespace bindtrace {

class Tokens {
  public:
    static Result<Tokens> make();

    // "KIND-0123456789". The part behind the dash is the same whatever the kind; empty stays empty.
    std::string word(std::string_view kind, std::string_view original) const;

    // 4 or 16 bytes in network order, in place; of another family nothing is left.
    void replace_address(std::uint16_t family, std::uint8_t* address) const;

    // The same as text; what is no address becomes a word.
    std::string address(const std::string& text) const;

    // A path in the cgroup hierarchy: each part by itself, with its ending (".service"), so that it still says what it
    // is. What systemd calls alike everywhere stays: system.slice, user-1000.slice, session-4.scope.
    std::string cgroup_path(std::string_view path) const;

  private:
    Tokens() = default;
    std::array<std::uint8_t, 16> hash(std::string_view bytes) const;
    std::string cgroup_part(std::string_view part) const;

    std::array<std::uint8_t, 32> key_{};
};

}  // namespace bindtrace
