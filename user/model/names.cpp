// SPDX-License-Identifier: MIT
#include "model/names.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <cstring>

namespace bindtrace {
namespace {

// Older C libraries lack these.
constexpr std::uint16_t kProtocolMptcp = 262;
constexpr std::uint16_t kProtocolUdpLite = 136;

constexpr std::array<std::string_view, 6> kKinds = {"", "bind", "listen", "autobind", "state", "release"};

constexpr std::array<std::string_view, 12> kOps = {"",         "bind",  "listen", "connect",  "sendto",   "sendmsg",
                                                   "sendmmsg", "close", "exit",   "shutdown", "io_uring", "kernel"};

constexpr std::array<std::string_view, 13> kTcpStates = {
    "",      "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2",   "TIME_WAIT",
    "CLOSE", "CLOSE_WAIT",  "LAST_ACK", "LISTEN",   "CLOSING",   "NEW_SYN_RECV"};

constexpr std::array<std::string_view, 5> kLossReasons = {"ring-buffer-full", "map-full", "recursion",
                                                          "kretprobe-missed", "decode"};

struct ProtocolWord {
    std::string_view name;
    bt_protocol_bit bit;
};
constexpr std::array<ProtocolWord, 7> kProtocols = {{{"tcp", BT_PROTO_TCP},
                                                     {"udp", BT_PROTO_UDP},
                                                     {"udplite", BT_PROTO_UDPLITE},
                                                     {"mptcp", BT_PROTO_MPTCP},
                                                     {"sctp", BT_PROTO_SCTP},
                                                     {"icmp", BT_PROTO_ICMP},
                                                     {"raw", BT_PROTO_RAW}}};

template <std::size_t N>
std::string_view word_at(const std::array<std::string_view, N>& words, std::size_t index) {
    return index < N ? words[index] : std::string_view();
}

}  // namespace

std::string errno_name(int error) {
    const char* name = error > 0 ? strerrorname_np(error) : nullptr;
    return name != nullptr ? std::string(name) : fmt::format("errno-{}", error);
}

std::string_view kind_name(std::uint32_t kind) {
    return word_at(kKinds, kind);
}

std::optional<bt_kind> kind_from_name(std::string_view name) {
    for (std::size_t kind = BT_KIND_BIND; kind < kKinds.size(); ++kind) {
        if (kKinds[kind] == name) return static_cast<bt_kind>(kind);
    }
    return std::nullopt;
}

std::string_view op_name(std::uint32_t op) {
    return word_at(kOps, op);
}

std::string_view protocol_name(std::uint16_t protocol, std::uint16_t type) {
    if (type == SOCK_RAW) return "raw";
    switch (protocol) {
        case IPPROTO_TCP:
            return "tcp";
        case IPPROTO_UDP:
            return "udp";
        case kProtocolUdpLite:
            return "udplite";
        case kProtocolMptcp:
            return "mptcp";
        case IPPROTO_SCTP:
            return "sctp";
        case IPPROTO_ICMP:
        case IPPROTO_ICMPV6:
            return type == SOCK_DGRAM ? "icmp" : "";
        default:
            return "";
    }
}

std::optional<bt_protocol_bit> protocol_bit(std::string_view name) {
    for (const ProtocolWord& word : kProtocols) {
        if (word.name == name) return word.bit;
    }
    return std::nullopt;
}

std::string_view tcp_state_name(std::uint8_t state) {
    return word_at(kTcpStates, state);
}

std::string_view loss_reason_name(LossReason reason) {
    return word_at(kLossReasons, static_cast<std::size_t>(reason));
}

}  // namespace bindtrace
