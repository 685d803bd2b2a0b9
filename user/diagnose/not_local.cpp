// SPDX-License-Identifier: MIT
#include "diagnose/not_local.h"

#include <fmt/format.h>
#include <netinet/in.h>

#include <algorithm>
#include <cerrno>

#include "bindtrace/rules.h"
#include "model/endpoint.h"

namespace bindtrace {
namespace {

// Is it one that several links may have, each its own?
bool is_of_one_link(const LocalAddress& local) {
    const auto* const address = reinterpret_cast<const in6_addr*>(local.address.data());
    return local.family == AF_INET6 && (IN6_IS_ADDR_LINKLOCAL(address) || IN6_IS_ADDR_LOOPBACK(address));
}

// The interface or the VRF that the socket was bound to; null where that has no address.
const LocalAddress* device_of(const Case& about) {
    const std::uint32_t device = about.event.sock.bound_dev;
    const LocalAddress* in_vrf = nullptr;
    for (const LocalAddress& local : *about.verdict.local_addresses) {
        if (local.index == device) return &local;
        if (local.vrf == device) in_vrf = &local;
    }
    return in_vrf;
}

// Does the kernel look there for an address, given the device of the socket? Yes where that is not known.
bool is_reachable(const Case& about, const LocalAddress& local) {
    const std::uint32_t device = about.event.sock.bound_dev;
    if (local.index == 0) return true;  // an older recording
    if (device == 0) return local.vrf == 0;
    if (is_of_one_link(local)) return local.index == device;
    const LocalAddress* const asked_on = device_of(about);
    return (asked_on != nullptr ? asked_on->vrf : 0) == local.vrf;
}

// The address that was asked for, if an interface has it by now; or null.
const LocalAddress* found_at(const Case& about) {
    if (!about.verdict.local_addresses) return nullptr;
    const LocalAddress* found = nullptr;
    for (const LocalAddress& local : *about.verdict.local_addresses) {
        if (bt_same_address(local.family, local.address.data(), about.event.addr_family, about.event.addr) == 0)
            continue;
        if (found == nullptr || is_reachable(about, local)) found = &local;
    }
    return found;
}

// Is it there, but where the interface or the VRF that it was asked for on has no part in it?
bool is_elsewhere(const Case& about) {
    const LocalAddress* const local = found_at(about);
    return local != nullptr && !is_reachable(about, *local);
}

std::string elsewhere_summary(const Case& about, const std::string& asked) {
    const LocalAddress& local = *found_at(about);
    const std::uint32_t device = about.event.sock.bound_dev;
    const LocalAddress* const asked_on = device != 0 ? device_of(about) : nullptr;
    std::string where = device == 0 ? "outside of it" : fmt::format("on interface {}", device);
    if (asked_on != nullptr) where = "on " + (asked_on->index == device ? asked_on->interface : asked_on->vrf_name);
    return fmt::format("{} is on {}{}, but was asked for {}", asked, local.interface,
                       local.vrf != 0 ? " in VRF " + local.vrf_name : "", where);
}

// It is there, or may be, but not on the interface that was asked for. IP_FREEBIND would help with none of it.
void advise_about_interface(const Case& about, std::vector<std::string>& advice) {
    const LocalAddress* const there = found_at(about);
    std::string address;
    append_address(address, about.event.addr_family, about.event.addr);
    if (there == nullptr)
        advice.emplace_back(
            "ask for it on an interface that is there and has it: ip addr shows both; the scope is its number");
    else if (is_of_one_link(*there))
        advice.push_back(
            fmt::format("ask for {0}%{1}: scope {2}, or SO_BINDTODEVICE {1}", address, there->interface, there->index));
    else if (there->vrf != 0)
        advice.push_back(
            fmt::format("set SO_BINDTODEVICE {0} on the socket before bind, or run it in the VRF: ip vrf exec {0}",
                        there->vrf_name));
    else
        advice.push_back(fmt::format("bind without SO_BINDTODEVICE: {} is in no VRF", there->interface));
}

}  // namespace

std::string summary_of_address(const Case& about) {
    std::string asked;
    append_address(asked, about.event.addr_family, about.event.addr);
    if (about.event.error == ENODEV)
        return fmt::format("{} was asked for on interface {}, which is not there", asked, about.event.sock.bound_dev);
    if (is_elsewhere(about)) return elsewhere_summary(about, asked);
    if (const LocalAddress* late = found_at(about))
        return fmt::format("{} came to {} only after this, or was not yet ready", asked, late->interface);
    std::string text = "no interface of this network namespace has " + asked;
    if (!about.verdict.local_addresses) return text;
    const bt_reach asked_for = bt_reach_of_address(about.event.addr_family, about.event.addr, 1);
    constexpr std::size_t kNamed = 4;
    std::string others;
    std::size_t count = 0;
    for (const LocalAddress& local : *about.verdict.local_addresses) {
        const bt_reach there = bt_reach_of_address(local.family, local.address.data(), 1);
        if (there.has_v6 != asked_for.has_v6) continue;
        if (++count > kNamed) continue;
        others += count == 1 ? "" : ", ";
        append_address(others, local.family, local.address.data());
        others += " (" + local.interface + ")";
    }
    if (count == 0) return text + ", nor any of that family";
    if (count > kNamed) others += fmt::format(" and {} more", count - kNamed);
    return text + "; it has " + others;
}

const char* rule_of_address(const Case& about) {
    if (is_elsewhere(about))
        return is_of_one_link(*found_at(about)) ? "an address of a link is bound on the interface that has it"
                                                : "a socket takes the addresses of its VRF alone: of the one "
                                                  "that it, or its device, is bound to";
    return about.event.error == ENODEV
               ? "an address of a link is bound on an interface, and there is none of that number"
               : "an address of another host may be bound only with IP_FREEBIND, IP_TRANSPARENT or "
                 "net.ipv4.ip_nonlocal_bind (net.ipv6 for IPv6), and none of them is set";
}

void advise_about_address(const Case& about, std::vector<std::string>& advice) {
    if (about.event.error == ENODEV || is_elsewhere(about)) return advise_about_interface(about, advice);
    advice.push_back(fmt::format("add the address to an interface (ip addr{}), or bind 0.0.0.0 or [::]",
                                 about.context.netns_name == "host" ? "" : " in its network namespace"));
    advice.emplace_back("if it comes later: After=network-online.target in the unit, or IP_FREEBIND on the socket");
    if (found_at(about) != nullptr) std::ranges::reverse(advice);
}

}  // namespace bindtrace
