// SPDX-License-Identifier: MIT
#include "provoke_socket.h"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

namespace bindtrace {
namespace {

#ifndef IPPROTO_MPTCP
constexpr int kMptcp = 262;
#else
constexpr int kMptcp = IPPROTO_MPTCP;
#endif

constexpr std::array<const char*, 13> kTcpStates = {
    "",      "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2",   "TIME_WAIT",
    "CLOSE", "CLOSE_WAIT",  "LAST_ACK", "LISTEN",   "CLOSING",   "NEW_SYN_RECV"};

std::optional<int> option_of(int fd, int level, int option) {
    int value = 0;
    socklen_t size = sizeof value;
    if (::getsockopt(fd, level, option, &value, &size) != 0) return std::nullopt;
    return value;
}

std::optional<std::string> tcp_state(int fd) {
    tcp_info info{};
    socklen_t size = sizeof info;
    if (::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return std::nullopt;
    return kTcpStates.at(info.tcpi_state);
}

Json word(const char* text) {
    return text != nullptr ? Json(text) : Json();
}

}  // namespace

// The cookie is read as late as possible: asking for it makes the kernel give one to the socket, and bindtrace must not
// depend on that.
class Sock::Identity : public LateFact {
  public:
    explicit Identity(int fd) : fd_(fd) {}

    void add(Expectation& line) {
        lines_.push_back(&line);
        if (cookie_ != 0) state(line);
    }
    void closed() {
        resolve();
        fd_ = -1;
    }
    void resolve() override {
        if (fd_ < 0) return;
        socklen_t size = sizeof cookie_;
        must(::getsockopt(fd_, SOL_SOCKET, SO_COOKIE, &cookie_, &size) == 0, "SO_COOKIE: " + errno_name(errno));
        for (Expectation* line : lines_) state(*line);
    }

  private:
    void state(Expectation& line) const {
        Json& stated = line.event["socket"]["cookie"];
        stated = cookie_;
        if (line.cookie_may_be_null) stated = {{"any", {cookie_, nullptr}}};
    }

    int fd_;
    std::uint64_t cookie_ = 0;
    std::vector<Expectation*> lines_;
};

Sock::Sock(Story& story, const Protocol& protocol)
    : Sock(story, protocol, ::socket(protocol.family, protocol.type | SOCK_CLOEXEC, protocol.number)) {}

Sock::Sock(Story& story, const Protocol& protocol, int fd)
    : story_(story),
      protocol_(protocol),
      fd_(fd),
      netns_(netns_inum()),
      birth_cgroup_(cgroup_id()),
      identity_(std::make_shared<Identity>(fd)) {
    if (fd_ < 0 && protocol.family == AF_INET6 && errno == EAFNOSUPPORT) skip("the kernel has no IPv6");
    must(fd_ >= 0, std::string("socket for ") + protocol.name + ": " + errno_name(errno));
    story_.resolve_later(identity_);
}

Sock::~Sock() {
    if (fd_ >= 0) close();
}

void Sock::set(int level, int option, int value) {
    must(::setsockopt(fd_, level, option, &value, sizeof value) == 0,
         "setsockopt " + std::to_string(option) + ": " + errno_name(errno));
}

Expectation& Sock::event(const char* type, const char* op, Span span, int error) {
    Expectation& line = story_.expect_now(type, op, span, error);
    Json& event = line.event;
    event["proto"] = protocol_.name;
    event["family"] = protocol_.family == AF_INET ? "ipv4" : "ipv6";
    event["netns"] = {{"inum", netns_}};
    struct stat about {};
    must(::fstat(fd_, &about) == 0, "fstat: " + errno_name(errno));
    event["socket"] = {{"inode", about.st_ino}};
    if (birth_cgroup_) event["socket"]["cgroup_id"] = *birth_cgroup_;
    if (protocol_.number != kMptcp) identity_->add(line);  // there it is a subflow's
    add_options(event);
    return line;
}

void Sock::add_options(Json& event) const {
    Json options;
    const auto read = [&](const char* name, int level, int option) {
        if (const auto value = option_of(fd_, level, option)) options[name] = *value != 0;
    };
    read("reuseaddr", SOL_SOCKET, SO_REUSEADDR);
    read("reuseport", SOL_SOCKET, SO_REUSEPORT);
    if (protocol_.family == AF_INET6 && protocol_.number != kMptcp) {
        read("v6only", IPPROTO_IPV6, IPV6_V6ONLY);
    } else if (protocol_.family == AF_INET) {
        options["v6only"] = false;
    }
    if (protocol_.number != kMptcp) {
        read("freebind", IPPROTO_IP, IP_FREEBIND);
        read("transparent", IPPROTO_IP, IP_TRANSPARENT);
        read("no_port", IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT);
    }
    const int device = option_of(fd_, SOL_SOCKET, SO_BINDTOIFINDEX).value_or(0);
    options["bound_dev"] = device != 0 ? Json(device) : Json();
    event["sockopt"] = options;
}

void Sock::look() {
    struct stat about {};
    if (fd_ < 0 || ::fstat(fd_, &about) != 0) return;
    const Json before = std::exchange(last_look_, {{"socket", {{"inode", about.st_ino}}}});
    if (birth_cgroup_) last_look_["socket"]["cgroup_id"] = *birth_cgroup_;
    if (protocol_.type == SOCK_STREAM) {
        if (const auto state = tcp_state(fd_)) last_look_["socket"]["state"] = *state;
    } else {
        last_look_["socket"]["state"] = nullptr;
    }
    add_options(last_look_);
    const auto remote = remote_end(fd_);
    add_remote(last_look_, remote);
    if (remote || protocol_.type != SOCK_STREAM || !before.contains("remote_addr")) return;
    for (const char* key : {"remote_addr", "remote_port"}) last_look_[key] = before[key];  // the kernel keeps it
}

void Sock::add_local(Json& event) const {
    event["local_addr"] = claim_ ? Json(local_end(fd_).addr) : Json();
    event["local_port"] = claim_ ? Json(claim_->port) : Json();
}

void Sock::hold(Span span, bool ephemeral, bool locked) {
    const Endpoint end = local_end(fd_);
    claim_ = Claim{span, task_facts(), {}, end.addr, end.port, ephemeral, locked};
    look();
    claim_->look = last_look_;
}

void Sock::hold_despite_error(Expectation& bind, std::uint16_t port) {
    const Json& when = bind.event["ktime_ns"];
    hold({when["min"], when["max"]}, false, false);
    claim_->port = port;
    bind.event["local_port"] = port;
    bind.event.erase("local_addr");
}

Expectation& Sock::bound(const char* op, const Endpoint& ask, const Outcome& outcome) {
    const bool was_free = !claim_;
    const bool has_ports = protocol_.type != SOCK_RAW && protocol_.number != IPPROTO_SCTP;
    if (outcome.error == 0 && has_ports && local_end(fd_).port != 0) hold(outcome.span, ask.port == 0, ask.port != 0);
    Expectation& line = event("bind", op, outcome.span, outcome.error);
    line.event["addr"] = ask.addr;
    line.event["port"] = ask.port;
    add_local(line.event);
    if (outcome.error == 0 && has_ports && !claim_) line.event["local_addr"] = local_end(fd_).addr;
    if (outcome.error == 0 && !has_ports) line.event.erase("local_addr");
    if (was_free) add_remote(line.event, std::nullopt);
    line.event["ephemeral"] = outcome.error == 0 && claim_ && ask.port == 0;
    const bool in_tables = protocol_.number == IPPROTO_TCP || protocol_.number == IPPROTO_UDP;
    if (outcome.error == EADDRINUSE && ask.port != 0 && in_tables) {
        line.event["conflict"] = {
            {"cause", {{"any", {"listener", "bound", "ephemeral", "time-wait", "closing", "udp-holder"}}}},
            {"holders", {{"first", {{"local_port", ask.port}, {"netns", {{"inum", netns_}}}}}}}};
    }
    if (protocol_.type == SOCK_STREAM) {
        if (const auto state = tcp_state(fd_)) line.event["socket"]["state"] = *state;
    }
    return line;
}

Expectation& Sock::bind(const Endpoint& ask, int error) {
    const SocketAddress address = to_socket_address(ask);
    const Outcome outcome = timed([&] { return ::bind(fd_, address.get(), address.size); });
    must_be(outcome, error, "bind " + to_text(ask));
    return bound("bind", ask, outcome);
}

Expectation& Sock::bind_bytes(const void* address, socklen_t size, int error) {
    const Outcome outcome = timed([&] { return ::bind(fd_, static_cast<const sockaddr*>(address), size); });
    must_be(outcome, error, "bind of " + std::to_string(size) + " bytes");
    Expectation& line = bound("bind", {}, outcome);
    line.event.erase("addr");
    line.event.erase("port");
    return line;
}

Expectation& Sock::listening(const char* op, const Outcome& outcome) {
    if (outcome.error == 0 && !claim_) autobound(op, outcome.span, std::nullopt);
    Expectation& line = event("listen", op, outcome.span, outcome.error);
    line.event["addr"] = nullptr;
    line.event["port"] = nullptr;
    add_local(line.event);
    if (outcome.error == 0) {
        line.event["ephemeral"] = false;
        line.event["socket"]["state"] = "LISTEN";
        add_remote(line.event, std::nullopt);
    }
    return line;
}

Expectation& Sock::listen(int error, int backlog) {
    const Outcome outcome = timed([&] { return ::listen(fd_, backlog); });
    must_be(outcome, error, "listen");
    return listening("listen", outcome);
}

Expectation& Sock::released(const char* op, Span span) {
    must(claim_.has_value(), "release of no claim");
    const Claim& claim = *claim_;
    Json event = claim.task;
    event["type"] = "release";
    event["op"] = word(op);
    event["proto"] = protocol_.name;
    event["family"] = protocol_.family == AF_INET ? "ipv4" : "ipv6";
    event["addr"] = nullptr;
    event["port"] = nullptr;
    event["local_addr"] = claim.addr;
    event["local_port"] = claim.port;
    event["result"] = nullptr;
    event["errno"] = nullptr;
    event["ephemeral"] = claim.ephemeral;
    event["netns"] = {{"inum", netns_}};
    event.update(last_look_);
    if (protocol_.type == SOCK_DGRAM) {  // of which tracepoints tell what was so at the claim
        for (const char* key : {"remote_addr", "remote_port", "sockopt"})
            if (claim.look[key] != event[key]) event[key] = {{"any", {claim.look[key], event[key]}}};
    }
    // A port that the kernel chose is given back on the way into CLOSE, another one after that.
    if (protocol_.type == SOCK_STREAM && claim.locked) event["socket"]["state"] = "CLOSE";
    // Released within the very call that took it: not before it was taken.
    event["held_ns"] = {{"min", span.before > claim.taken.after ? span.before - claim.taken.after : 0}};
    event["ktime_ns"] = {{"min", span.before}};
    if (span.after != 0) {
        event["held_ns"]["max"] = span.after - claim.taken.before;
        event["ktime_ns"]["max"] = span.after;
    }
    Expectation& line = story_.expect(std::move(event));
    if (protocol_.number != kMptcp) identity_->add(line);
    claim_.reset();
    return line;
}

Expectation& Sock::released_in_time_wait(Span span) {
    Expectation& line = released(nullptr, span);
    line.event["socket"].update({{"inode", nullptr}, {"state", "TIME_WAIT"}});
    return line.needs_function_hooks();
}

void Sock::close_fd() {
    look();
    identity_->closed();
    const Outcome outcome = timed([&] { return ::close(fd_); });
    must_be(outcome, 0, "close");
    fd_ = -1;
}

void Sock::close() {
    look();
    close_as_seen();
}

void Sock::close_as_seen() {
    if (claim_) claim_->addr = local_end(fd_).addr;  // connect(2) may have narrowed it
    identity_->closed();
    const Outcome outcome = timed([&] { return ::close(fd_); });
    must_be(outcome, 0, "close");
    if (claim_) released("close", outcome.span);
    fd_ = -1;
}

void Sock::abort() {
    const linger hard{1, 0};
    must(::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &hard, sizeof hard) == 0, "SO_LINGER: " + errno_name(errno));
    look();
    if (claim_ && claim_->locked) add_remote(last_look_, std::nullopt);  // disconnected before its port is given back
    close_as_seen();
}

void Sock::leave() {
    look();
    if (claim_) {
        claim_->addr = local_end(fd_).addr;
        released("exit", {boot_ns(), 0});
    }
    fd_ = -1;  // the identity still has it, for print()
}

Expectation& bind_no_socket(Story& story, int fd, const Endpoint& ask, int error) {
    const SocketAddress address = to_socket_address(ask);
    const Outcome outcome = timed([&] { return ::bind(fd, address.get(), address.size); });
    must_be(outcome, error, "bind of fd " + std::to_string(fd));
    Expectation& line = story.expect_now("bind", "bind", outcome.span, error);
    for (const char* key : {"proto", "local_addr", "local_port", "remote_addr", "remote_port", "socket", "sockopt"}) {
        line.event[key] = nullptr;
    }
    line.event["addr"] = ask.addr;
    line.event["port"] = ask.port;
    line.event["ephemeral"] = false;
    return line;
}

}  // namespace bindtrace
