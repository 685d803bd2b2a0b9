// SPDX-License-Identifier: MIT
#include "diagnose/advice_about_request.h"

#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <string_view>

#include "diagnose/holder_words.h"
#include "diagnose/not_local.h"
#include "model/known_program.h"
#include "model/names.h"

namespace bindtrace {
namespace {

constexpr int kWidest = 65535 - 1024;  // no range is wider

// A capability on an interpreter would be one for all scripts.
bool is_interpreter(std::string_view exe) {
    const KnownProgram* known = known_program(exe.substr(exe.rfind('/') + 1));
    return known != nullptr && known->kind == ProgramKind::interpreter;
}

void advise_privilege(const Case& about, std::vector<std::string>& advice) {
    if (about.context.place.in_user_manager) return;  // which has no such capability to give away
    if (about.unit && about.unit->ends_with(".service"))
        advice.push_back("AmbientCapabilities=CAP_NET_BIND_SERVICE in a drop-in of " + *about.unit);
    else if (about.context.process != nullptr && about.context.process->exe &&
             !is_interpreter(*about.context.process->exe))
        advice.push_back("setcap cap_net_bind_service=+ep " + *about.context.process->exe);
}

// A cgroup's program says EPERM, unless it was written to say something else; a security module mostly EACCES.
void advise_about_policy(const Case& about, std::vector<std::string>& advice) {
    const std::string unit = about.unit ? *about.unit : "the unit";
    const std::string look =
        about.unit ? fmt::format(" ({} cat {})",
                                 systemctl_of(about.context.place, about.context.user, about.event.task.uid), unit)
                   : "";
    advice.push_back(fmt::format("look for SocketBindDeny= in {}{}, and allow the port there: SocketBindAllow={}", unit,
                                 look, about.port()));
    advice.push_back(fmt::format(
        "allow {} port {} where it is denied: journalctl -k tells of SELinux and AppArmor; Landlock's rules are "
        "made by the program itself, or by what starts it",
        protocol_name(about.event.sock.protocol, about.event.sock.type), about.port()));
    if (about.event.error == EACCES) std::ranges::reverse(advice);
}

// Then nobody has one that could be given up.
bool is_all_reserved(const Case& about) {
    return about.reserved_of_range() != 0 && about.verdict.range->taken == 0;
}

// A bound of the socket's own holds however wide the namespace's range is, and beyond that range it does not count.
void advise_wider_range(const Case& about, std::vector<std::string>& advice) {
    const Refusal* const refusal = about.refusal;
    const bool is_own = refusal != nullptr && refusal->has_own_range();
    if (is_own)
        advice.push_back(fmt::format("give the socket a wider IP_LOCAL_PORT_RANGE within {}-{}, or none",
                                     refusal->ephemeral_first, refusal->ephemeral_last));
    const bool is_all = !is_own || (refusal->searched_first() == refusal->ephemeral_first &&
                                    refusal->searched_last() == refusal->ephemeral_last);
    if (refusal == nullptr || (is_all && refusal->ephemeral_last - refusal->ephemeral_first < kWidest))
        advice.push_back("widen net.ipv4.ip_local_port_range " + where_to_set(about));
}

}  // namespace

void advise_about_request(const Case& about, std::vector<std::string>& advice) {
    const std::string port = about.port();
    switch (about.verdict.cause) {
        case Cause::address_not_local:
            advise_about_address(about, advice);
            break;
        case Cause::privileged_port:
            advise_privilege(about, advice);
            advice.push_back("take a port from " + std::to_string(about.refusal->unprivileged_start) + " on");
            break;
        case Cause::denied:
            advise_about_policy(about, advice);
            break;
        case Cause::exhausted:
            if (about.event.kind == BT_KIND_AUTOBIND && about.event.sock.type == SOCK_STREAM && !is_all_reserved(about))
                advice.emplace_back("have clients keep connections open instead of making a new one each time");
            if (about.reserved_of_range() != 0)
                advice.push_back("take out of net.ipv4.ip_local_reserved_ports what no server needs " +
                                 where_to_set(about));
            advise_wider_range(about, advice);
            break;
        case Cause::already_bound:
            advice.emplace_back("a socket binds once: make a new one for the second address");
            break;
        case Cause::no_memory:
            if ((about.event.sock.opts & BT_OPT_REUSEPORT) != 0)
                advice.emplace_back(
                    "listen with fewer SO_REUSEPORT sockets on the port: the kernel has room for 32,768");
            advice.emplace_back("look for memory limits of the cgroup (memory.max) and in dmesg");
            break;
        case Cause::bad_request:
            advice.emplace_back("the call itself is wrong: strace -e trace=network shows it");
            break;
        default:
            break;
    }
}

std::string where_to_set(const Case& about) {
    return about.context.netns_name == "host"
               ? "(sysctl -w, and in /etc/sysctl.d)"
               : "(sysctl -w in its network namespace: ip netns exec, nsenter -n, or --sysctl of the container)";
}

}  // namespace bindtrace
