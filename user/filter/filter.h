// SPDX-License-Identifier: MIT
// What the operator asked to see. Most of it is applied in the kernel (kernel_config()); the rest costs more there than
// it saves and is applied to the record (matches()).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/result.h"
#include "model/endpoint.h"
#include "model/record.h"

namespace bindtrace {

inline constexpr std::uint32_t kDefaultKinds =
    1u << BT_KIND_BIND | 1u << BT_KIND_LISTEN | 1u << BT_KIND_AUTOBIND | 1u << BT_KIND_RELEASE;

struct Filter {
    std::vector<std::pair<std::uint16_t, std::uint16_t>> ports;  // inclusive ranges; empty = all
    std::uint32_t protocols = 0;                                 // enum bt_protocol_bit; 0 = all
    std::optional<Cidr> address;
    std::optional<std::uint32_t> pid;
    std::optional<std::string> comm;
    std::optional<std::uint32_t> uid;
    std::optional<std::string> cgroup;         // with its descendants, relative to the root: "/system.slice/x.service"
    std::optional<std::string> parent_cgroup;  // the directory above it, absolute; unset where that is the root
    bool counts_sockets = false;               // the cgroup is a socket unit's: so are sockets that were made there
    std::optional<std::uint32_t> netns;
    // What may start later, by name: compared with what each event is found to belong to.
    std::optional<std::string> unit;
    std::optional<std::string> container;  // its id, the first digits of it, or its name
    std::optional<std::string> netns_name;
    std::uint32_t kinds = kDefaultKinds;  // bits 1 << bt_kind
    bool failed_only = false;
    bool no_ephemeral = false;

    bt_config kernel_config() const;

    // The part that the kernel leaves to us: address, comm, names, and which cgroup below the parent. (A unit's cgroup
    // is made anew each time the unit starts, so the kernel is told of the one above, which stays.) A cgroup whose path
    // is not known passes: it went away before we could look, which is what a unit that fails at once does.
    bool matches(const Event& event, const Context& context) const;

    // Is the event's cgroup known to be in no container of that name?
    bool is_elsewhere(const Context& context) const;
};

// Sets those from `first` to `last` in the ports of a bt_config.
void set_ports(__u64 (&bits)[BT_PORT_WORDS], std::uint16_t first, std::uint16_t last);

// "8080,9000-9100". Ports are 1-65535.
Result<std::vector<std::pair<std::uint16_t, std::uint16_t>>> parse_ports(std::string_view text);

// "tcp,udp" as bits.
Result<std::uint32_t> parse_protocols(std::string_view text);

// "bind,listen" as bits 1 << bt_kind.
Result<std::uint32_t> parse_kinds(std::string_view text);

// One word of `who`: "8080", "9000-9100/tcp".
struct Question {
    std::uint16_t first_port = 0, last_port = 0;
    std::string protocol;  // empty = any
    std::string text;      // as asked
};
Result<Question> parse_question(const std::string& text);

}  // namespace bindtrace
