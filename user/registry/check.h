// SPDX-License-Identifier: MIT
// Does each port of the registry belong to whom it should?
//
//     entries + what is held + what the host says -> a status and risks for each entry
//
// Pure: it asks nobody. The status is that of the kernel's own view: whatever would refuse the owner its port is in the
// way, a client's source port as well as a listener. What could not be determined is `unknown`, and never passes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "registry/held_sockets.h"
#include "registry/owner_match.h"
#include "registry/port_sysctls.h"
#include "registry/registry.h"
#include "registry/unit_files.h"

namespace bindtrace {

enum class PortStatus : std::uint8_t { ok, free, taken, unknown };
std::string_view status_word(PortStatus status);

enum class RiskKind : std::uint8_t {
    range_overlap,
    privileged_port,
    socket_without_service,
    declared_twice,
    dual_stack_shadow,
    reuseport_shared,
    wildcard_exposed,
};
std::string_view risk_word(RiskKind kind);

struct Risk {
    RiskKind kind{};
    std::string summary;  // one sentence
    std::string fix;      // a command, or what to set
};

struct NetnsState {
    std::optional<std::uint32_t> inum;  // nothing: there is no such namespace, or it is not known
    PortSysctls sysctls;
};

struct HostState {
    HeldSockets held;
    std::map<std::string, NetnsState> netns;  // by the name in the registry; "" = the one bindtrace runs in
    UnitFiles units;
};

// A socket that an entry speaks of, and whether its owner has it.
struct Claim {
    const HeldSocket* socket = nullptr;
    MatchResult match;
};

struct CheckedEntry {
    const PortEntry* entry = nullptr;
    PortStatus status = PortStatus::unknown;
    std::string reason;  // why it is so, where that is not plain from the claims
    std::vector<Claim> claims;
    std::vector<Risk> risks;
    std::optional<std::uint32_t> netns;
};

// In the order of the entries; refers to them and to the host's sockets.
std::vector<CheckedEntry> check_ports(std::span<const PortEntry> entries, const HostState& host);

// "java[1312] of config-client.service", "the kernel", "nobody any more (TIME_WAIT)". Raw bytes.
std::string holder_words(const HeldSocket& socket);

}  // namespace bindtrace
