// SPDX-License-Identifier: MIT
// The calls that connect a socket or send from it, and with that may choose its port.
#include <cerrno>

#include "provoke_socket.h"

namespace bindtrace {

void add_remote(Json& event, const std::optional<Endpoint>& to) {
    event["remote_addr"] = to ? Json(to->addr) : Json();
    event["remote_port"] = to ? Json(to->port) : Json();
}

Expectation& Sock::autobound(const char* op, Span span, const std::optional<Endpoint>& to) {
    hold(span, true, false);
    Expectation& line = event("autobind", op, span, 0);
    line.event["addr"] = nullptr;
    line.event["port"] = nullptr;
    add_local(line.event);
    add_remote(line.event, to);
    line.event["ephemeral"] = true;
    return line;
}

void Sock::connect(const Endpoint& to, int error) {
    const SocketAddress address = to_socket_address(to);
    const Outcome outcome = timed([&] { return ::connect(fd_, address.get(), address.size); });
    must_be(outcome, error, "connect " + to_text(to));
    connected(to, outcome);
}

void Sock::connected(const Endpoint& to, const Outcome& outcome) {
    if (!claim_) autobound("connect", outcome.span, to);
    look();
    if (last_look_["remote_addr"].is_null()) add_remote(last_look_, to);  // not told by the kernel while in SYN_SENT
}

void Sock::connect_refused(const Endpoint& to) {
    const SocketAddress address = to_socket_address(to);
    const Outcome outcome = timed([&] { return ::connect(fd_, address.get(), address.size); });
    must_be(outcome, ECONNREFUSED, "connect " + to_text(to));
    // The address is gone from the socket by now; over lo it was the peer's.
    autobound("connect", outcome.span, to).event["local_addr"] = to.addr;
    claim_->addr = to.addr;
    add_remote(last_look_, to);
    last_look_["socket"]["state"] = "SYN_SENT";
    // The refusal comes back over lo in softirq, or waits for the caller to unlock the socket.
    released(nullptr, outcome.span).event["op"] = {{"any", {"connect", nullptr}}};
}

Expectation& Sock::connect_without_port(const Endpoint& to, int error) {
    const SocketAddress address = to_socket_address(to);
    const Outcome outcome = timed([&] { return ::connect(fd_, address.get(), address.size); });
    must_be(outcome, error, "connect " + to_text(to));
    return left_without_port(to, outcome);
}

Expectation& Sock::left_without_port(const Endpoint& to, const Outcome& outcome) {
    Expectation& line = event("autobind", "connect", outcome.span, outcome.error);
    line.event["addr"] = nullptr;
    line.event["port"] = nullptr;
    add_local(line.event);
    if (protocol_.type == SOCK_STREAM) add_remote(line.event, to);
    if (claim_) line.event["ephemeral"] = false;
    return line;
}

void Sock::send(Send how, const Endpoint& to, int error, int flags) {
    SocketAddress address = to_socket_address(to);
    char byte = 'x';
    iovec bytes{&byte, 1};
    mmsghdr message{};
    message.msg_hdr.msg_name = &address.storage;
    message.msg_hdr.msg_namelen = address.size;
    message.msg_hdr.msg_iov = &bytes;
    message.msg_hdr.msg_iovlen = 1;
    const char* op = how == Send::sendto ? "sendto" : how == Send::sendmsg ? "sendmsg" : "sendmmsg";
    const Outcome outcome = timed([&]() -> long {
        switch (how) {
            case Send::sendto:
                return ::sendto(fd_, &byte, 1, flags, address.get(), address.size);
            case Send::sendmsg:
                return ::sendmsg(fd_, &message.msg_hdr, flags);
            default:
                return ::sendmmsg(fd_, &message, 1, flags);
        }
    });
    must_be(outcome, error, std::string(op) + " " + to_text(to));
    const bool connects = protocol_.type == SOCK_STREAM;  // MSG_FASTOPEN
    const auto remote = connects ? std::optional(to) : std::nullopt;
    if (error == EAGAIN) {
        Json& failed = event("autobind", op, outcome.span, error).event;
        failed["addr"] = nullptr;
        failed["port"] = nullptr;
        add_local(failed);
        add_remote(failed, remote);
    } else if (!claim_) {
        autobound(op, outcome.span, remote);
    }
}

void Sock::disconnect() {
    look();
    const sockaddr unspecified{AF_UNSPEC, {}};
    const Outcome outcome = timed([&] { return ::connect(fd_, &unspecified, sizeof unspecified); });
    must_be(outcome, 0, "connect(AF_UNSPEC)");
    if (protocol_.type == SOCK_DGRAM || (claim_ && claim_->locked)) add_remote(last_look_, std::nullopt);
    // The address may be gone from the socket before its port is.
    if (claim_ && !claim_->locked) released("connect", outcome.span).event.erase("local_addr");
}

Sock Sock::accept(const Protocol& protocol) {
    return {story_, protocol, ::accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC)};
}

Sock connected_child(Sock& listener, Sock& client, const Endpoint& to) {
    client.connect(to);
    return listener.accept(to.addr.find(':') == std::string::npos ? kTcp4 : kTcp6);
}

}  // namespace bindtrace
