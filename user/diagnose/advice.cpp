// SPDX-License-Identifier: MIT
#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <string_view>
#include <vector>

#include "bindtrace/rules.h"
#include "diagnose/advice_about_request.h"
#include "diagnose/holder_words.h"
#include "diagnose/in_the_way.h"
#include "diagnose/words.h"
#include "model/container.h"
#include "model/names.h"
#include "model/port_entry.h"
#include "model/unit.h"

namespace bindtrace {
namespace {

std::string restart(const Case& about) {
    if (about.for_container()) return ", then start the container again";
    if (!about.unit || about.unit->ends_with(".scope")) return ", then start it again";
    return fmt::format(", then {} restart {}",
                       systemctl_of(about.context.place, about.context.user, about.event.task.uid), *about.unit);
}

// The command is whole: with the port alone it would set free what is reserved already.
std::string reserve(const Case& about) {
    const std::string& ports = about.verdict.to_reserve;
    if (ports.empty())
        return fmt::format("add {} to net.ipv4.ip_local_reserved_ports {}", about.port(), where_to_set(about));
    if (about.context.netns_name == "host") return reserve_command(std::nullopt, ports) + " (and in /etc/sysctl.d)";
    return reserve_command(std::nullopt, ports) +
           " (in its network namespace: ip netns exec, nsenter -n, or --sysctl of the container)";
}

// Where the kernel chose the port: so that it does not do so again.
void advise_reserving(const Case& about, std::vector<std::string>& advice) {
    if (!about.may_be_given_out_again()) return;
    advice.push_back(
        fmt::format("keep clients off it: {}, {}{}", reserve(about), steps_of(about, let_go), restart(about)));
}

// Once is enough: it was chosen before it was reserved, or from another range.
void advise_waiting(const Case& about, std::vector<std::string>& advice) {
    advice.push_back(fmt::format(
        "{}{}{}", steps_of(about, let_go), restart(about),
        about.refusal->port_reserved ? "; the port is reserved by now: no other client will be given it" : ""));
}

void advise_reuseaddr(const Case& about, std::vector<std::string>& advice) {
    if (would_share(about, BT_OPT_REUSEADDR))
        advice.emplace_back("set SO_REUSEADDR on the socket before bind: the holder's has it already");
}

// Of IPv4 also 127.255.255.255 and the like, which the socket's interface alone could tell for sure.
bool is_for_many(const bt_sock& sock) {
    if (sock.family == AF_INET6) return sock.local_addr[0] == 0xff;
    return (sock.local_addr[0] & 0xf0) == 0xe0 || sock.local_addr[3] == 0xff;
}

// At a price: of two TCP sockets one alone may listen, and of two UDP sockets the one that was bound last gets what is
// sent to a single address.
void advise_sharing_at_a_price(const Case& about, std::vector<std::string>& advice) {
    if (about.verdict.cause != Cause::udp_holder) return advise_reuseaddr(about, advice);
    if (!would_share(about, BT_OPT_REUSEADDR)) return;
    const bt_reach reach = bt_reach_of(&about.refusal->claimant);
    if (reach.has_v6 != 0 ? reach.all_v6 != 0 : reach.v4 == 0)
        advice.emplace_back(
            "where it is for multicast or broadcast alone, set SO_REUSEADDR on the socket before bind: the holder's "
            "has "
            "it already");
}

void advise_reuseport(const Case& about, std::vector<std::string>& advice) {
    if (would_share(about, BT_OPT_REUSEPORT))
        advice.emplace_back("to share the port, set SO_REUSEPORT on this socket too, as the holder's does");
    else if (about.has(Factor::reuseport_missing_holder) && would_share(about, 0, BT_OPT_REUSEPORT))
        advice.emplace_back("to share the port, set SO_REUSEPORT on the holder's socket too, before it binds");
}

void advise_stopping(const Case& about, std::vector<std::string>& advice) {
    if (stop_holder(*about.holder()).empty()) return;
    advice.push_back(fmt::format("{}{}, or {}", steps_of(about, stop_holder), restart(about),
                                 is_one_owner(about) ? "give one of the two another port" : "take another port"));
}

void advise_about_closing(const Case& about, std::vector<std::string>& advice) {
    advise_reuseaddr(about, advice);
    if (!advice.empty()) return;
    const char* later =
        would_share(about, BT_OPT_REUSEADDR, BT_OPT_REUSEADDR) ? "set SO_REUSEADDR on both sockets; until then, " : "";
    advice.push_back(later + steps_of(about, let_go) + restart(about));
}

// An earlier instance of what failed. With KillMode=process nobody ends what the unit's main process has left behind.
void advise_ending(const Case& about, std::vector<std::string>& advice) {
    const bool in_unit = about.unit && !about.unit->ends_with(".scope");
    const std::string end =
        in_unit ? fmt::format("end it: {} kill {}",
                              systemctl_of(about.context.place, about.context.user, about.event.task.uid), *about.unit)
                : stop_holder(*about.holder());
    advice.push_back(fmt::format("an earlier {} is still there: wait for it to end, or {}{}",
                                 in_unit ? "instance of " + *about.unit : "run of the same program", end,
                                 restart(about)));
}

// A published port is changed where its container is made.
void advise_unpublishing(const Case& about, std::vector<std::string>& advice) {
    const Holder& holder = *about.holder();
    const Published& published = *holder.published;
    if (published.container_gone) {
        std::string left;  // one for each family
        for (const Holder& other : about.verdict.holders)
            if (other.published && other.published->container_gone && other.process)
                left += fmt::format(" {}", other.process->task.key.pid);
        advice.push_back(
            fmt::format("kill{}: what it led to has gone, and dockerd has forgotten it{}", left, restart(about)));
        return;
    }
    const std::string words = container_words(holder.container);
    const std::string inside = published.container_port ? std::to_string(*published.container_port) : "PORT";
    const auto unit = unit_of_container(holder);
    const std::string file = unit ? fmt::format("PublishPort=OTHER:{} in the .container file of {}", inside, *unit)
                                  : "another ports: entry in its compose file";
    advice.push_back(fmt::format("publish {} on another port: {} run -p OTHER:{}, or {}",
                                 words.empty() ? "the container" : words, published.runtime, inside, file));
    if (!stop_container(holder).empty()) advice.push_back(steps_of(about, stop_holder) + restart(about));
}

// IPv4 and IPv6 each on a socket of its own.
void advise_apart(const Case& about, std::vector<std::string>& advice) {
    if (would_share(about, BT_OPT_V6ONLY)) {
        advice.emplace_back("set IPV6_V6ONLY on the IPv6 socket before bind, so that each family has its own");
    } else if (would_share(about, 0, BT_OPT_V6ONLY)) {
        if (const auto unit = socket_unit(*about.holder()))
            advice.push_back("BindIPv6Only=ipv6-only in a drop-in of " + *unit + ", so that it takes IPv6 alone");
        else
            advice.push_back(fmt::format(
                "set IPV6_V6ONLY on the holder's IPv6 socket before {}, so that each family has its own",
                is_unmarked(about.refusal->claimant, about.holder()->raw.sock) ? "bind or connect" : "bind"));
    }
}

// A client that bound its own end, and has a connection from there already.
void advise_another_source(const Case& about, std::vector<std::string>& advice) {
    advice.emplace_back(
        "connect without bind before, or bind port 0 with IP_BIND_ADDRESS_NO_PORT: then the kernel finds a source port "
        "that is free");
    advice.push_back(steps_of(about, let_go) + ", then connect again");
}

// Their listener has gone, or somebody else's they are.
void advise_about_old_connections(const Case& about, std::vector<std::string>& advice) {
    if (would_share(about, BT_OPT_REUSEADDR)) return;  // advised already
    if (would_share(about, 0, BT_OPT_REUSEADDR))
        advice.emplace_back("have the server set SO_REUSEADDR before bind: then its old connections block nobody");
    else if (would_share(about, BT_OPT_REUSEADDR, BT_OPT_REUSEADDR))
        advice.emplace_back("set SO_REUSEADDR on both sockets before bind: then old connections block nobody");
}

// That has made all the sockets in the way.
std::optional<std::string> one_socket_unit(const Case& about) {
    const auto unit = socket_unit(*about.holder());
    const auto& holders = about.verdict.holders;
    return std::ranges::all_of(holders, [&](const Holder& other) { return socket_unit(other) == unit; }) ? unit
                                                                                                         : std::nullopt;
}

// Its service keeps the socket it was given, and a socket unit is not started again while its service runs.
void advise_moving(const Case& about, const std::string& unit, std::vector<std::string>& advice) {
    const char* setting = about.verdict.cause == Cause::udp_holder ? "ListenDatagram" : "ListenStream";
    const std::string services = steps_of(about, stop_service);
    advice.push_back(fmt::format(
        "keep the unit and move its port: {0}= and then {0}=OTHER in a drop-in (systemctl edit {1}){2}", setting, unit,
        services.empty() ? "" : fmt::format(", then {}, systemctl restart {}", services, unit)));
}

void advise_about_open_socket(const Case& about, std::vector<std::string>& advice) {
    const Holder& holder = *about.holder();
    const bool one_owner = is_one_owner(about);
    if (one_owner && is_own(holder, about.event) && !about.for_container()) {
        advise_apart(about, advice);
        advice.emplace_back("the process has this port open already: let it bind once, or close the first socket");
        return;
    }
    if (holder.published) return advise_unpublishing(about, advice);
    advise_reserving(about, advice);
    const bool earlier = one_owner && is_earlier_instance(holder, about.event, about.context, about.unit);
    if (earlier) advise_ending(about, advice);
    const auto unit = one_socket_unit(about);
    if (unit) {
        advise_stopping(about, advice);
        advise_moving(about, *unit, advice);
    }
    advise_reuseport(about, advice);
    const bool is_connection = about.verdict.cause == Cause::bound && holder.raw.sock.remote_port != 0;
    const bool shares_well = is_connection || is_for_many(holder.raw.sock);
    if (shares_well) advise_reuseaddr(about, advice);
    if (is_connection) advise_about_old_connections(about, advice);
    advise_apart(about, advice);
    if (holder.raw.of_kernel != 0)
        advice.emplace_back("see what of the kernel uses it: ip -d link (vxlan, geneve, wireguard), or NFS");
    if (!unit && !earlier && (!one_owner || !about.may_be_given_out_again())) advise_stopping(about, advice);
    if (!shares_well) advise_sharing_at_a_price(about, advice);
}

void advise_about_holder(const Case& about, std::vector<std::string>& advice) {
    if (about.event.kind == BT_KIND_AUTOBIND) return advise_another_source(about, advice);
    switch (about.verdict.cause) {
        case Cause::ephemeral:
            advise_reserving(about, advice);
            if (advice.empty()) advise_waiting(about, advice);
            break;
        case Cause::time_wait:
        case Cause::closing:
            advise_about_closing(about, advice);
            advise_reserving(about, advice);
            break;
        default:
            advise_about_open_socket(about, advice);
            break;
    }
}

}  // namespace

std::vector<std::string> advice_for(const Case& about) {
    std::vector<std::string> advice;
    if (about.holder() != nullptr)
        advise_about_holder(about, advice);
    else
        advise_about_request(about, advice);
    return advice;
}

}  // namespace bindtrace
