// SPDX-License-Identifier: MIT
#include "enrich/vrfs.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <array>
#include <cstring>
#include <optional>
#include <string_view>

#include "core/unique_fd.h"

namespace bindtrace {
namespace {

struct Link {
    std::string name;
    std::uint32_t master = 0;
    bool is_vrf = false;
};

std::string_view text_of(rtattr* attribute) {
    const auto* text = static_cast<const char*>(RTA_DATA(attribute));
    return {text, strnlen(text, RTA_PAYLOAD(attribute))};
}

template <typename Take>
void for_each(rtattr* attribute, int size, Take take) {
    for (; RTA_OK(attribute, size); attribute = RTA_NEXT(attribute, size)) take(attribute);
}

Link link_of(nlmsghdr* message) {
    Link link;
    auto* info = static_cast<ifinfomsg*>(NLMSG_DATA(message));
    for_each(IFLA_RTA(info), static_cast<int>(IFLA_PAYLOAD(message)), [&](rtattr* attribute) {
        if (attribute->rta_type == IFLA_IFNAME) link.name = text_of(attribute);
        if (attribute->rta_type == IFLA_MASTER) std::memcpy(&link.master, RTA_DATA(attribute), sizeof link.master);
        if (attribute->rta_type != IFLA_LINKINFO) return;
        for_each(static_cast<rtattr*>(RTA_DATA(attribute)), static_cast<int>(RTA_PAYLOAD(attribute)),
                 [&](rtattr* part) {
                     if (part->rta_type == IFLA_INFO_KIND) link.is_vrf = text_of(part) == "vrf";
                 });
    });
    return link;
}

// Gives false at the end, and where there is none to be had.
bool take_answer(int netlink, std::map<std::uint32_t, Link>& links) {
    alignas(nlmsghdr) std::array<char, 32768> answer{};
    auto left = recv(netlink, answer.data(), answer.size(), 0);
    if (left <= 0) return false;
    for (auto* message = reinterpret_cast<nlmsghdr*>(answer.data()); NLMSG_OK(message, static_cast<unsigned>(left));
         message = NLMSG_NEXT(message, left)) {
        if (message->nlmsg_type != RTM_NEWLINK) return false;
        const auto* info = static_cast<const ifinfomsg*>(NLMSG_DATA(message));
        links[static_cast<std::uint32_t>(info->ifi_index)] = link_of(message);
    }
    return true;
}

std::map<std::uint32_t, Link> links_here() {
    std::map<std::uint32_t, Link> links;
    const UniqueFd netlink(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
    struct {
        nlmsghdr head;
        ifinfomsg info;
    } request{};
    request.head.nlmsg_len = sizeof request;
    request.head.nlmsg_type = RTM_GETLINK;
    request.head.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    if (!netlink.valid() || send(netlink.get(), &request, sizeof request, 0) < 0) return links;
    while (take_answer(netlink.get(), links)) {
    }
    return links;
}

}  // namespace

std::map<std::uint32_t, Vrf> vrfs_here() {
    const std::map<std::uint32_t, Link> links = links_here();
    std::map<std::uint32_t, Vrf> vrfs;
    for (const auto& [index, link] : links) {
        const auto above = link.is_vrf ? links.find(index) : links.find(link.master);
        if (above != links.end() && above->second.is_vrf) vrfs[index] = {above->first, above->second.name};
    }
    return vrfs;
}

}  // namespace bindtrace
