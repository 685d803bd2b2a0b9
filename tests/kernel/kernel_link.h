// SPDX-License-Identifier: MIT
// Network devices for tests, made by rtnetlink: the guests have no ip(8) that knows their kinds.
#pragma once

#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "core/unique_fd.h"

namespace bindtrace {

// A request for a network device that grows at its end; nested attributes are closed by the caller.
class LinkRequest {
  public:
    explicit LinkRequest(std::uint16_t type = RTM_NEWLINK) : bytes_(NLMSG_SPACE(sizeof(ifinfomsg))) {
        header()->nlmsg_type = type;
        header()->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
        if (type == RTM_NEWLINK) header()->nlmsg_flags |= NLM_F_CREATE | NLM_F_EXCL;
        auto* link = static_cast<ifinfomsg*>(NLMSG_DATA(header()));
        link->ifi_family = AF_UNSPEC;
        link->ifi_flags = link->ifi_change = IFF_UP;
    }

    std::size_t add(std::uint16_t type, const void* data = nullptr, std::size_t size = 0) {
        const std::size_t at = bytes_.size();
        bytes_.resize(at + RTA_SPACE(size));
        auto* attribute = reinterpret_cast<rtattr*>(bytes_.data() + at);
        attribute->rta_type = type;
        attribute->rta_len = static_cast<std::uint16_t>(RTA_LENGTH(size));
        if (size != 0) std::memcpy(RTA_DATA(attribute), data, size);
        return at;
    }
    void close(std::size_t at) {
        reinterpret_cast<rtattr*>(bytes_.data() + at)->rta_len = static_cast<std::uint16_t>(bytes_.size() - at);
    }

    // Gives the errno of the answer.
    int send() {
        header()->nlmsg_len = static_cast<std::uint32_t>(bytes_.size());
        const UniqueFd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
        char answer[4096];
        if (::send(socket.get(), bytes_.data(), bytes_.size(), 0) < 0) return errno;
        if (::recv(socket.get(), answer, sizeof(answer), 0) < static_cast<ssize_t>(NLMSG_SPACE(sizeof(nlmsgerr))))
            return EIO;
        return -static_cast<nlmsgerr*>(NLMSG_DATA(reinterpret_cast<nlmsghdr*>(answer)))->error;
    }

  private:
    nlmsghdr* header() { return reinterpret_cast<nlmsghdr*>(bytes_.data()); }

    std::vector<char> bytes_;
};

}  // namespace bindtrace
