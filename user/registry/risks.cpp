// SPDX-License-Identifier: MIT
#include "registry/risks.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "bindtrace/rules.h"
#include "model/endpoint.h"

namespace bindtrace {
namespace {

constexpr std::uint16_t kNodePortFirst = 30000, kNodePortLast = 32767;

void add(CheckedEntry& checked, RiskKind kind, std::string summary, std::string fix) {
    checked.risks.push_back({kind, std::move(summary), std::move(fix)});
}

std::string name_of(const PortEntry& entry) {
    return entry.owners.empty() ? "nobody" : owners_text(entry.owners);
}

bool is_wildcard(const bt_sock& sock) {
    const auto* end = sock.local_addr + (sock.family == AF_INET6 ? 16 : 4);
    return std::all_of(sock.local_addr, end, [](std::uint8_t byte) { return byte == 0; });
}

std::string endpoint_of(const bt_sock& sock) {
    std::string text;
    append_endpoint(text, sock.family, sock.local_addr, sock.local_port);
    return text;
}

// One line for all entries of a namespace: whoever sets it sets all of it.
void add_range_overlaps(std::span<CheckedEntry> entries, const HostState& host) {
    std::set<std::uint32_t> seen;  // "" and "host" may be one
    for (const auto& named : host.netns) {
        const std::string& name = named.first;
        const NetnsState& netns = named.second;
        if (!netns.sysctls.reserved || !netns.inum || !seen.insert(*netns.inum).second) continue;
        PortSet wanted = *netns.sysctls.reserved;
        const auto is_here = [&](const CheckedEntry& checked) { return checked.netns == netns.inum; };
        for (const CheckedEntry& checked : entries) {
            if (is_here(checked)) wanted |= exposed_ports(*checked.entry, netns.sysctls);
        }
        const std::string fix =
            reserve_command(name.empty() ? std::nullopt : std::optional(name), port_set_text(wanted));
        for (CheckedEntry& checked : entries) {
            const PortEntry& entry = *checked.entry;
            const PortSet exposed = is_here(checked) ? exposed_ports(entry, netns.sysctls) : PortSet();
            if (exposed.none()) continue;
            const bool node_ports = entry.first_port <= kNodePortFirst && entry.last_port >= kNodePortLast;
            add(checked, RiskKind::range_overlap,
                fmt::format("{}{} lie{} in net.ipv4.ip_local_port_range ({}-{}) and {} not reserved: a client may be "
                            "given {} as its source port",
                            node_ports ? "of the NodePorts " : "", port_set_text(exposed),
                            exposed.count() > 1 ? "" : "s", netns.sysctls.ephemeral->first,
                            netns.sysctls.ephemeral->second, exposed.count() > 1 ? "are" : "is",
                            exposed.count() > 1 ? "one" : "it"),
                fix);
        }
    }
}

bool declares(const SocketUnit& unit, const PortEntry& entry) {
    return std::ranges::any_of(unit.places, [&](const bt_sock& place) {
        return place.protocol == entry.protocol && place.local_port >= entry.first_port &&
               place.local_port <= entry.last_port && covers_address(entry, place);
    });
}

// In the host's own namespace, where the units are.
bool is_of_units(const CheckedEntry& checked, const HostState& host) {
    const auto first = host.netns.find("host");
    return first == host.netns.end() || !first->second.inum || checked.netns == first->second.inum;
}

void add_privileged(CheckedEntry& checked, const HostState& host) {
    const PortEntry& entry = *checked.entry;
    const auto start = host.netns.at(entry.netns.value_or("")).sysctls.unprivileged_start;
    const bool could_bind =
        std::ranges::count(checked.claims, Match::yes, [](const Claim& claim) { return claim.match.match; }) > 0;
    if (!start || entry.first_port >= *start || could_bind) return;
    for (const OwnerRule& owner : entry.owners) {
        const std::string why =
            fmt::format("{} is below net.ipv4.ip_unprivileged_port_start ({})", entry.first_port, *start);
        if (owner.kind == OwnerRule::Kind::user && owner.name != "root" && owner.name != "0")
            add(checked, RiskKind::privileged_port,
                fmt::format("{}: user {} needs CAP_NET_BIND_SERVICE", why, owner.name),
                "setcap cap_net_bind_service=+ep PROGRAM, for the program that is to bind it");
        if (owner.kind != OwnerRule::Kind::unit || !owner.name.ends_with(".service")) continue;
        const std::string name = host.units.canonical(owner.name);
        const auto unit = host.units.service(name);
        const bool gets_it_from_socket = std::ranges::any_of(host.units.sockets(), [&](const SocketUnit& socket) {
            return socket.service == name && declares(socket, entry);
        });
        if (!unit || unit->may_bind_low() || gets_it_from_socket) continue;
        add(checked, RiskKind::privileged_port,
            unit->is_bounded
                ? fmt::format("{}, and CapabilityBoundingSet= of {} leaves CAP_NET_BIND_SERVICE out", why, name)
                : fmt::format("{}, and {} runs as {} without CAP_NET_BIND_SERVICE", why, name, unit->user),
            fmt::format("systemctl edit {}: [Service]{}{}", name,
                        unit->is_bounded ? " CapabilityBoundingSet=CAP_NET_BIND_SERVICE" : "",
                        unit->may_once_unbounded() ? "" : " AmbientCapabilities=CAP_NET_BIND_SERVICE"));
    }
}

void add_socket_without_service(CheckedEntry& checked, const HostState& host) {
    for (const Claim& claim : checked.claims) {
        const HeldSocket& socket = *claim.socket;
        const auto unit = system_socket_unit(socket.holder);
        const auto is_systemd = [](const Owner& user) { return user.task.key.pid == 1; };
        if (!unit || socket.users.empty() || !std::ranges::all_of(socket.users, is_systemd)) continue;
        const SocketUnit* file = host.units.socket(*unit);
        if (file != nullptr && file->per_connection) continue;
        const std::string service = file != nullptr ? file->service : unit->substr(0, unit->rfind('.')) + ".service";
        add(checked, RiskKind::socket_without_service,
            fmt::format("{} holds {} and {} does not run: clients connect and wait", *unit,
                        endpoint_of(socket.holder.raw.sock), service),
            claim.match.match == Match::no
                ? fmt::format("systemctl disable --now {}", *unit)
                : fmt::format("systemctl start {} (systemctl status {} tells why it stopped)", service, service));
        return;
    }
}

bool is_owner(const PortEntry& entry, const SocketUnit& unit, const UnitFiles& units) {
    return std::ranges::any_of(entry.owners, [&](const OwnerRule& owner) {
        if (owner.kind != OwnerRule::Kind::unit) return false;
        const std::string name = units.canonical(owner.name);
        return name == unit.name || name == unit.service || template_of(name) == unit.service ||
               name == template_of(unit.name) || name == template_of(unit.service);
    });
}

// Or that it is to be free.
bool names_unit(const PortEntry& entry) {
    return entry.owners.empty() || std::ranges::count(entry.owners, OwnerRule::Kind::unit, &OwnerRule::kind) > 0;
}

void add_declared_twice(CheckedEntry& checked, const HostState& host) {
    const PortEntry& entry = *checked.entry;
    if (!is_of_units(checked, host)) return;
    std::vector<const SocketUnit*> all;
    for (const SocketUnit& unit : host.units.sockets()) {
        if (declares(unit, entry)) all.push_back(&unit);
    }
    // The owner's own first.
    std::stable_partition(all.begin(), all.end(),
                          [&](const SocketUnit* unit) { return is_owner(entry, *unit, host.units); });
    for (const SocketUnit* unit : all) {
        if (unit == all.front() && is_owner(entry, *unit, host.units)) continue;
        if (all.size() == 1 && !names_unit(entry)) continue;  // a user or a program may well be run by that unit
        add(checked, RiskKind::declared_twice,
            unit == all.front()
                ? fmt::format("{} declares {}, which the registry gives to {}: whichever starts second fails",
                              unit->name, place_text(entry), name_of(entry))
                : fmt::format("{} and {} both declare {}: whichever starts second fails", all.front()->name, unit->name,
                              place_text(entry)),
            "systemctl disable --now " + unit->name);
    }
}

// The one address family is served by another than the other.
void add_dual_stack(CheckedEntry& checked) {
    for (const Claim& claim : checked.claims) {
        const bt_sock& sock = claim.socket->holder.raw.sock;
        if (claim.match.match != Match::no || is_connection(sock) || sock.family != AF_INET6) continue;
        const bool covers_ipv4 = bt_reach_of(&sock).has_v4 != 0 && bt_reach_of(&sock).all_v6 != 0;
        const auto owner = std::ranges::find_if(checked.claims, [&](const Claim& other) {
            return other.match.match == Match::yes && other.socket->holder.raw.sock.family == AF_INET &&
                   other.socket->holder.raw.sock.local_port == sock.local_port;
        });
        if (!covers_ipv4 && owner == checked.claims.end()) continue;
        const std::string who = holder_words(*claim.socket);
        if (owner == checked.claims.end())
            add(checked, RiskKind::dual_stack_shadow,
                fmt::format("{} of {} takes IPv4 too, so a bind of 0.0.0.0:{} is refused", endpoint_of(sock), who,
                            sock.local_port),
                fmt::format("give {} IPV6_V6ONLY (in a socket unit BindIPv6Only=ipv6-only), or an IPv6 address of its "
                            "own",
                            who));
        else
            add(checked, RiskKind::dual_stack_shadow,
                fmt::format("over IPv6 port {} is that of {}: who connects to a name may reach either", sock.local_port,
                            who),
                fmt::format("stop {}, or let {} bind [::]:{} itself", who, name_of(*checked.entry), sock.local_port));
        return;
    }
}

void add_shared(CheckedEntry& checked) {
    for (const Claim& mine : checked.claims) {
        const bt_sock& own = mine.socket->holder.raw.sock;
        if (mine.match.match != Match::yes || is_connection(own)) continue;
        for (const Claim& other : checked.claims) {
            const bt_sock& sock = other.socket->holder.raw.sock;
            const bool shares = (own.opts & sock.opts & (BT_OPT_REUSEPORT | BT_OPT_REUSEADDR)) != 0;
            if (other.match.match != Match::no || is_connection(sock) || sock.local_port != own.local_port || !shares ||
                bt_addresses_overlap(&own, &sock) == 0)
                continue;
            const std::string who = holder_words(*other.socket);
            const char* option = (own.opts & sock.opts & BT_OPT_REUSEPORT) != 0 ? "SO_REUSEPORT" : "SO_REUSEADDR";
            add(checked, RiskKind::reuseport_shared,
                fmt::format("{} shares {} with {} by {}: it gets a part of the traffic", who, endpoint_of(sock),
                            name_of(*checked.entry), option),
                fmt::format("stop {}, or name it in the registry as an owner too; without {} on its socket {} would "
                            "have refused it",
                            who, option, name_of(*checked.entry)));
            return;
        }
    }
}

void add_wildcard(CheckedEntry& checked) {
    const PortEntry& entry = *checked.entry;
    if (!entry.address || is_wildcard(*entry.address)) return;
    for (const Claim& claim : checked.claims) {
        const bt_sock& sock = claim.socket->holder.raw.sock;
        if (claim.match.match != Match::yes || is_connection(sock) || !is_wildcard(sock)) continue;
        bt_sock wanted = *entry.address;
        wanted.local_port = sock.local_port;
        const auto unit = system_socket_unit(claim.socket->holder);
        add(checked, RiskKind::wildcard_exposed,
            fmt::format("{} is bound to {}, on every address, where the registry says {}", name_of(entry),
                        endpoint_of(sock), endpoint_of(wanted)),
            unit ? fmt::format("systemctl edit {0}: [Socket] {1}= and {1}={2}", *unit,
                               entry.protocol == IPPROTO_UDP ? "ListenDatagram" : "ListenStream", endpoint_of(wanted))
                 : fmt::format("have {} bind {}", name_of(entry), endpoint_of(wanted)));
        return;
    }
}

}  // namespace

void add_risks(std::span<CheckedEntry> entries, const HostState& host) {
    add_range_overlaps(entries, host);
    for (CheckedEntry& checked : entries) {
        add_privileged(checked, host);
        add_socket_without_service(checked, host);
        add_declared_twice(checked, host);
        add_dual_stack(checked);
        add_shared(checked);
        add_wildcard(checked);
    }
}

}  // namespace bindtrace
