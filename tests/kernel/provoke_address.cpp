// SPDX-License-Identifier: MIT
#include "provoke_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "provoke_story.h"

namespace bindtrace {

std::string to_text(const Endpoint& endpoint) {
    return "[" + endpoint.addr + "]:" + std::to_string(endpoint.port);
}

SocketAddress to_socket_address(const Endpoint& endpoint) {
    SocketAddress address;
    if (endpoint.addr.find(':') == std::string::npos) {
        sockaddr_in in{};
        in.sin_family = AF_INET;
        in.sin_port = htons(endpoint.port);
        must(::inet_pton(AF_INET, endpoint.addr.c_str(), &in.sin_addr) == 1, "not an address: " + endpoint.addr);
        std::memcpy(&address.storage, &in, sizeof in);
        address.size = sizeof in;
    } else {
        sockaddr_in6 in{};
        in.sin6_family = AF_INET6;
        in.sin6_port = htons(endpoint.port);
        in.sin6_scope_id = endpoint.scope;
        must(::inet_pton(AF_INET6, endpoint.addr.c_str(), &in.sin6_addr) == 1, "not an address: " + endpoint.addr);
        std::memcpy(&address.storage, &in, sizeof in);
        address.size = sizeof in;
    }
    return address;
}

namespace {

Endpoint to_endpoint(const sockaddr_storage& storage) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    if (storage.ss_family == AF_INET) {
        sockaddr_in in{};
        std::memcpy(&in, &storage, sizeof in);
        ::inet_ntop(AF_INET, &in.sin_addr, text.data(), text.size());
        return {text.data(), ntohs(in.sin_port)};
    }
    sockaddr_in6 in{};
    std::memcpy(&in, &storage, sizeof in);
    ::inet_ntop(AF_INET6, &in.sin6_addr, text.data(), text.size());
    return {text.data(), ntohs(in.sin6_port), in.sin6_scope_id};
}

}  // namespace

Endpoint local_end(int fd) {
    sockaddr_storage storage{};
    socklen_t size = sizeof storage;
    must(::getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &size) == 0, "getsockname: " + errno_name(errno));
    return to_endpoint(storage);
}

std::optional<Endpoint> remote_end(int fd) {
    sockaddr_storage storage{};
    socklen_t size = sizeof storage;
    if (::getpeername(fd, reinterpret_cast<sockaddr*>(&storage), &size) != 0) return std::nullopt;
    return to_endpoint(storage);
}

}  // namespace bindtrace
