// SPDX-License-Identifier: MIT
#include "registry/learn.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <set>
#include <string_view>
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

using Place = std::pair<std::uint16_t, std::uint16_t>;  // protocol, port

// Without privilege that is not known; then it is taken for the owner's choice.
bool is_port_of_kernels_choice(const HeldSocket& socket, const HeldSockets& held) {
    return held.with_processes && socket.holder.raw.explicit_port == 0;
}

// One place and who is there.
struct Listener {
    const HeldSocket* socket = nullptr;
    std::string owner;  // as the registry has it
};

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
    out += fmt::format("[[port]]\nport = {}\n", place.second);
    if (place.first == IPPROTO_UDP) out += "proto = \"udp\"\n";
    if (!address.empty()) out += "address = " + toml_string(address) + "\n";
    if (owners.size() == 1) {
        out += "owner = " + *owners.begin() + "\n";
        return;
    }
    std::string list;
    for (const std::string& owner : owners) list += (list.empty() ? "" : ", ") + owner;
    out += "owner = [" + list + "] # they share it\n";
}

// An entry for each address where these are apart and none is a wildcard for both families; else one for all.
void append_port(std::string& out, const Place& place, const std::vector<Listener>& listeners) {
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
    if (!apart) return append_entry(out, place, "", listeners);
    for (const auto& [address, there] : by_address) append_entry(out, place, address, there);
}

}  // namespace

std::string learned_registry(const HeldSockets& held, std::uint32_t netns, const std::string& host_name) {
    std::map<Place, std::vector<Listener>> ports;
    std::set<std::string> left_out;
    std::set<Place> nameless;
    for (const HeldSocket& socket : held.sockets) {
        const bt_holder& raw = socket.holder.raw;
        const bt_sock& sock = raw.sock;
        if (sock.netns != netns || is_connection(sock)) continue;
        const bool udp = has_ports_of(sock, IPPROTO_UDP);
        if (!udp && !has_ports_of(sock, IPPROTO_TCP)) continue;
        const std::string protocol = udp ? "udp" : "tcp";
        const auto owner = lasting_owner(socket);
        if (is_port_of_kernels_choice(socket, held)) {
            left_out.insert(fmt::format("{}, a port that the kernel chose: {}", protocol, comment(socket)));
        } else if (!owner || !has_toml_string(owner->name)) {
            left_out.insert(fmt::format("{} {}, whose owner has no name that would last: {}", protocol, sock.local_port,
                                        comment(socket)));
            nameless.insert({udp ? IPPROTO_UDP : IPPROTO_TCP, sock.local_port});
        } else {
            ports[{udp ? IPPROTO_UDP : IPPROTO_TCP, sock.local_port}].push_back({&socket, owners_text({*owner})});
        }
    }
    for (const Place& place : nameless) ports.erase(place);  // no entry of such a port would be true
    std::string name;
    append_text(name, host_name);
    std::string out = "# The ports of " + name + " and their owners, as bindtrace check --learn found them.\n";
    for (const auto& [place, listeners] : ports) append_port(out, place, listeners);
    if (!left_out.empty()) out += "\n# Not listed:\n";
    for (const std::string& line : left_out) out += "#   " + line + "\n";
    return out;
}

}  // namespace bindtrace
