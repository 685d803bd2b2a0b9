// SPDX-License-Identifier: MIT
#include "registry/learn.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <set>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "bindtrace/rules.h"
#include "model/endpoint.h"
#include "model/names.h"
#include "registry/check.h"
#include "registry/owner_match.h"
#include "sink/escape.h"

namespace bindtrace {
namespace {

// A name that is the same after a restart: its container, or its unit, but for scopes and a person's own units, which
// are not; else its program; else its user. Nothing for a socket of the kernel's, and where nobody knows.
std::optional<OwnerRule> lasting_owner(const HeldSocket& socket) {
    using Kind = OwnerRule::Kind;
    if (const auto unit = system_socket_unit(socket.holder)) return OwnerRule{Kind::unit, *unit};
    const auto& container = socket.holder.container.container;
    if (container && container->name) return OwnerRule{Kind::container, *container->name};
    for (const Owner& user : socket.users) {
        const auto unit = system_unit_of(user);
        if (unit && unit->ends_with(".service") && !unit->starts_with("user@")) return OwnerRule{Kind::unit, *unit};
    }
    if (socket.users.empty()) return std::nullopt;
    const Owner& user = socket.users.front();
    if (user.process && user.process->exe) {
        std::string_view exe = *user.process->exe;
        constexpr std::string_view kDeleted = " (deleted)";
        if (exe.ends_with(kDeleted)) exe.remove_suffix(kDeleted.size());
        if (exe.size() > 1 && exe.starts_with('/')) return OwnerRule{Kind::exe, std::string(exe)};
    }
    if (user.user) return OwnerRule{Kind::user, *user.user};
    return OwnerRule{Kind::user, std::to_string(user.task.uid)};
}

struct Place {
    std::string netns;  // as the registry has it; empty = the own one
    std::uint16_t protocol = 0, port = 0;
    bool operator<(const Place& other) const {
        return std::tie(netns, protocol, port) < std::tie(other.netns, other.protocol, other.port);
    }
};

// Without privilege that is not known; then it is taken for the owner's choice.
bool is_port_of_kernels_choice(const HeldSocket& socket, const HeldSockets& held) {
    return held.with_processes && socket.holder.raw.explicit_port == 0;
}

// JSON's escapes are TOML's too.
std::string toml_string(std::string_view text) {
    std::string out;
    append_json_string(out, text);
    return out;
}

// But for surrogates; and bytes that are not UTF-8 would be another name.
bool has_toml_string(const std::string& text) {
    const std::string written = toml_string(text);
    return written.find("\xef\xbf\xbd") == std::string::npos && written.find("\\ud") == std::string::npos;
}

// By which a registry may speak of the socket's namespace; nothing where it has none.
std::optional<std::string> registry_name_of(const HeldSocket& socket, std::uint32_t own, const NetnsOfName& netns_of) {
    const std::uint32_t netns = socket.holder.raw.sock.netns;
    if (netns == own) return "";
    const auto& name = socket.holder.netns_name;
    const bool is_that =
        name && name->find('/') == std::string::npos && has_toml_string(*name) && netns_of(*name) == netns;
    return is_that ? name : std::nullopt;
}

// What is told of the others: the name of a container, a unit, or a process without its pid.
std::string words_of_netns(const HeldSocket& socket) {
    std::string name = socket.holder.netns_name.value_or("without a name");
    if (name.ends_with(']')) name.resize(std::min(name.rfind('['), name.size()));
    std::string text;
    append_text(text, name);
    return text;
}

// One place and who is there.
struct Listener {
    const HeldSocket* socket = nullptr;
    std::string owner;  // as the registry has it
};

// Who it was, in what will be the same at the next look: no pid, and no session.
std::string comment(const HeldSocket& socket) {
    std::string words;
    if (socket.users.empty()) {
        words = socket.holder.raw.of_kernel != 0 ? "the kernel" : fmt::format("uid {}", socket.holder.raw.uid);
    } else {
        const Owner& user = socket.users.front();
        words = std::string(user.task.comm, strnlen(user.task.comm, sizeof(user.task.comm)));
        if (user.process && user.process->exe) words += " (" + *user.process->exe + ")";
        words += ", user " + user.user.value_or(std::to_string(user.task.uid));
    }
    std::string text;
    append_text(text, words);
    return text;
}

bool is_wildcard(const bt_sock& sock) {
    return bt_reach_of(&sock).all_v6 != 0 || (bt_reach_of(&sock).has_v4 != 0 && bt_reach_of(&sock).v4 == 0);
}

std::string address_of(const bt_sock& sock) {
    std::string text;
    append_address(text, sock.family, sock.local_addr);
    return text;
}

void append_entry(std::string& out, const Place& place, const std::string& address,
                  const std::vector<Listener>& listeners) {
    std::set<std::string> owners, comments;
    for (const Listener& listener : listeners) {
        owners.insert(toml_string(listener.owner));
        comments.insert(comment(*listener.socket));
    }
    out += "\n";
    for (const std::string& line : comments) out += "# " + line + "\n";
    out += fmt::format("[[port]]\nport = {}\n", place.port);
    if (place.protocol == IPPROTO_UDP) out += "proto = \"udp\"\n";
    if (!address.empty()) out += "address = " + toml_string(address) + "\n";
    if (!place.netns.empty()) out += "netns = " + toml_string(place.netns) + "\n";
    if (owners.size() == 1) {
        out += "owner = " + *owners.begin() + "\n";
        return;
    }
    std::string list;
    for (const std::string& owner : owners) list += (list.empty() ? "" : ", ") + owner;
    out += "owner = [" + list + "] # they share it\n";
}

std::string words_of(const Place& place) {
    return fmt::format("{} {}{}{}", place.protocol == IPPROTO_UDP ? "udp" : "tcp", place.port,
                       place.netns.empty() ? "" : " of network namespace ", place.netns);
}

// `check` would call it free.
void append_if_served(std::string& out, const Place& place, const std::string& address,
                      const std::vector<Listener>& listeners, std::set<std::string>& left_out) {
    const auto serves = [](const Listener& listener) { return is_served(*listener.socket); };
    if (std::ranges::any_of(listeners, serves)) return append_entry(out, place, address, listeners);
    for (const Listener& one : listeners)
        left_out.insert(fmt::format("{}, bound and not listened on: {}", words_of(place), comment(*one.socket)));
}

// An entry for each address where these are apart and none is a wildcard for both families; else one for all.
void append_port(std::string& out, const Place& place, const std::vector<Listener>& listeners,
                 std::set<std::string>& left_out) {
    std::map<std::string, std::vector<Listener>> by_address;
    bool apart = true;
    for (const Listener& one : listeners) {
        const bt_sock& sock = one.socket->holder.raw.sock;
        const std::string address = address_of(sock);
        by_address[address].push_back(one);
        if (bt_reach_of(&sock).all_v6 != 0 && bt_reach_of(&sock).has_v4 != 0) apart = false;
        for (const Listener& other : listeners) {
            const bt_sock& theirs = other.socket->holder.raw.sock;
            const bool both_wild = is_wildcard(sock) && is_wildcard(theirs) && sock.family != theirs.family;
            if (address_of(theirs) != address &&
                (bt_addresses_overlap(&sock, &theirs) != 0 || (both_wild && one.owner == other.owner)))
                apart = false;
        }
    }
    if (!apart) return append_if_served(out, place, "", listeners, left_out);
    for (const auto& [address, there] : by_address) append_if_served(out, place, address, there, left_out);
}

}  // namespace

std::string learned_registry(const HeldSockets& held, std::uint32_t own_netns, const NetnsOfName& netns_of,
                             const std::string& host_name) {
    std::map<Place, std::vector<Listener>> ports;
    std::set<std::string> left_out;
    std::set<Place> nameless;
    std::map<std::string, std::set<Place>> elsewhere;
    for (const HeldSocket& socket : held.sockets) {
        const bt_sock& sock = socket.holder.raw.sock;
        if (is_connection(sock)) continue;
        const bool udp = has_ports_of(sock, IPPROTO_UDP);
        if (!udp && !has_ports_of(sock, IPPROTO_TCP)) continue;
        Place place;
        place.protocol = udp ? IPPROTO_UDP : IPPROTO_TCP;
        place.port = sock.local_port;
        const auto netns = registry_name_of(socket, own_netns, netns_of);
        if (!netns) {
            elsewhere[words_of_netns(socket)].insert(place);
            continue;
        }
        place.netns = *netns;
        const auto owner = lasting_owner(socket);
        if (is_port_of_kernels_choice(socket, held)) {
            left_out.insert(fmt::format("{}, a port that the kernel chose: {}", udp ? "udp" : "tcp", comment(socket)));
        } else if (!owner || !has_toml_string(owner->name)) {
            left_out.insert(
                fmt::format("{}, whose owner has no name that would last: {}", words_of(place), comment(socket)));
            nameless.insert(place);
        } else {
            ports[place].push_back({&socket, owners_text({*owner})});
        }
    }
    for (const Place& place : nameless) ports.erase(place);  // no entry of such a port would be true
    std::string name;
    append_text(name, host_name);
    std::string out = "# The ports of " + name + " and their owners, as bindtrace check --learn found them.\n";
    for (const auto& [place, listeners] : ports) append_port(out, place, listeners, left_out);
    for (const auto& [netns, places] : elsewhere)
        left_out.insert(fmt::format("{} port{} of a network namespace that has no name of `ip netns`: {}",
                                    places.size(), places.size() > 1 ? "s" : "", netns));
    if (!left_out.empty()) out += "\n# Not listed:\n";
    for (const std::string& line : left_out) out += "#   " + line + "\n";
    return out;
}

}  // namespace bindtrace
