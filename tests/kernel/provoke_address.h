// SPDX-License-Identifier: MIT
// An IP address with a port, as people write it and as the kernel wants it.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <optional>
#include <string>

namespace bindtrace {

struct Endpoint {
    std::string addr;  // IPv6 where it has a colon
    std::uint16_t port = 0;
    std::uint32_t scope = 0;
};

struct SocketAddress {
    sockaddr_storage storage{};
    socklen_t size = 0;

    const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};
SocketAddress to_socket_address(const Endpoint& endpoint);
Endpoint local_end(int fd);
std::optional<Endpoint> remote_end(int fd);  // nothing where it is not connected
std::string to_text(const Endpoint& endpoint);

}  // namespace bindtrace
