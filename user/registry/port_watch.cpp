// SPDX-License-Identifier: MIT
#include "registry/port_watch.h"

#include <algorithm>
#include <utility>

#include "bindtrace/rules.h"

namespace bindtrace {
namespace {

constexpr std::chrono::seconds kUnitsKept{1};  // before a claim that is not the owner's makes us read them again

WarningReason reason_of(const HeldSocket& claim, const MatchResult& match) {
    if (match.match == Match::unknown) return WarningReason::unknown_owner;
    if ((claim.holder.raw.flags & BT_EVENT_EPHEMERAL) != 0) return WarningReason::ephemeral;
    return claim.holder.published ? WarningReason::container_published : WarningReason::other_owner;
}

}  // namespace

PortWatch::PortWatch(std::vector<PortEntry> entries, Asked asked)
    : entries_(std::move(entries)),
      asked_(std::move(asked)),
      units_(asked_.units()),
      units_until_(std::chrono::steady_clock::now() + kUnitsKept) {}

const PortEntry* PortWatch::entry_of(const bt_sock& sock) const {
    const auto found = std::ranges::find_if(entries_, [&](const PortEntry& entry) {
        if (sock.local_port < entry.first_port || sock.local_port > entry.last_port) return false;
        const auto netns = asked_.inum(entry.netns.value_or(""));
        return netns && concerns(entry, sock, *netns);
    });
    return found == entries_.end() ? nullptr : &*found;
}

MatchResult PortWatch::match(const PortEntry& entry, const HeldSocket& claim) {
    MatchResult result = match_owners(entry.owners, claim, units_);
    const auto now = std::chrono::steady_clock::now();
    if (result.match == Match::yes || now < units_until_) return result;
    units_ = asked_.units();
    units_until_ = now + kUnitsKept;
    return match_owners(entry.owners, claim, units_);
}

// One line for all entries of the namespace: whoever sets it sets all of it.
std::string PortWatch::reserved(const PortEntry& entry, std::uint16_t port) const {
    const PortSysctls sysctls = asked_.sysctls(entry.netns.value_or(""));
    PortSet ports;
    for (const PortEntry& other : entries_)
        if (same_netns(entry, other, asked_.inum)) ports |= exposed_ports(other, sysctls);
    return ports.test(port) ? port_set_text(ports | *sysctls.reserved) : "";
}

std::optional<Warning> PortWatch::judge(const PortEntry& entry, const HeldSocket& claim) {
    const MatchResult result = match(entry, claim);
    if (result.match == Match::yes) return std::nullopt;
    const bool is_ephemeral = (claim.holder.raw.flags & BT_EVENT_EPHEMERAL) != 0;
    return Warning{.reason = reason_of(claim, result),
                   .claim = claim.holder,
                   .entry = entry,
                   .unknown = result.why,
                   .reserved = is_ephemeral ? reserved(entry, claim.holder.raw.sock.local_port) : ""};
}

bool PortWatch::is_joined(const PortEntry& entry, const HeldSocket& claim, const HeldSocket& other) const {
    const bt_sock &mine = claim.holder.raw.sock, &theirs = other.holder.raw.sock;
    return (mine.opts & theirs.opts & BT_OPT_REUSEPORT) != 0 && mine.cookie != theirs.cookie &&
           !is_connection(theirs) && concerns(entry, theirs, mine.netns) && mine.local_port == theirs.local_port &&
           bt_addresses_overlap(&mine, &theirs) != 0 && match_owners(entry.owners, other, units_).match == Match::yes;
}

}  // namespace bindtrace
