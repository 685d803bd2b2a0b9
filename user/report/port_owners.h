// SPDX-License-Identifier: MIT
// Who has bound each port by number, one after the other: from that, the ports that changed hands, and those that went
// to a client between two runs of their server.
#pragma once

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <unordered_map>

#include "report/summary.h"
#include "report/top.h"

namespace bindtrace {

PortPlace place_of(const bt_sock& sock, std::size_t recording, std::optional<std::string_view> netns_name);

// Recording, network namespace, protocol and port, to begin a key with.
std::string key_of(const PortPlace& place);

bool is_before(const Race& one, const Race& other);
bool is_before(const HandOver& one, const HandOver& other);

class PortOwners {
  public:
    // A port that is held when the recording begins.
    void held(const HeldPort& port, std::size_t recording);

    // Of a claim that succeeded, or a release.
    void apply(const Event& event, const Context& context, std::size_t recording);

    Top<Race>& races() { return races_; }
    const Top<HandOver>& hand_overs() const { return hand_overs_; }
    std::uint64_t not_followed() const { return not_followed_; }

  private:
    static constexpr std::size_t kCapacity = 65536;

    struct Key {
        std::size_t recording;
        std::uint32_t netns;
        std::uint16_t protocol, port;
        bool operator==(const Key&) const = default;
    };
    struct KeyHash {
        std::size_t operator()(const Key& key) const {
            return (key.recording << 48 ^ std::uint64_t{key.netns} << 24 ^ std::uint64_t{key.protocol} << 16 ^
                    key.port) *
                   0x9e3779b97f4a7c15;
        }
    };
    struct Use {
        Party owner;                                // that bound it last
        std::uint32_t claims = 0;                   // by number, not given back yet
        std::optional<std::int64_t> released_ns{};  // by the last of them
    };

    static Key key_of(const bt_sock& sock, std::size_t recording);
    Use* use_of(const bt_sock& sock, std::size_t recording);
    void bound(const Event& event, const Context& context, std::size_t recording);
    void chosen(const Event& event, const Context& context, std::size_t recording);
    void released(const Event& event, const Context& context, std::size_t recording);

    std::unordered_map<Key, Use, KeyHash> uses_;
    std::bitset<65536> bound_ports_;  // most events are of other ports
    Top<Race> races_;
    Top<HandOver> hand_overs_;
    std::uint64_t not_followed_ = 0;
};

}  // namespace bindtrace
