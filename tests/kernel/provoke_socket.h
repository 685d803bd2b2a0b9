// SPDX-License-Identifier: MIT
// A socket that writes down what bindtrace must say about every call made on it.
//
//     Sock server(story, kTcp4);
//     server.bind({"127.0.0.1", 8080});          // a bind event, ok
//     server.bind({"127.0.0.1", 81}, EINVAL);    // one that fails, with the local end still at 8080
//     server.listen();                           // a listen event
//                                                // leaving the scope: close(2), a release event
//
// Each call asserts that the kernel gave the stated errno. A successful one that takes a port remembers the claim with
// the thread that made it, because that thread is the one a later release must name.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "provoke_address.h"
#include "provoke_story.h"

namespace bindtrace {

struct Protocol {
    const char* name;
    int family;
    int type;
    int number;
};
inline constexpr Protocol kTcp4 = {"tcp", AF_INET, SOCK_STREAM, IPPROTO_TCP};
inline constexpr Protocol kTcp6 = {"tcp", AF_INET6, SOCK_STREAM, IPPROTO_TCP};
inline constexpr Protocol kUdp4 = {"udp", AF_INET, SOCK_DGRAM, IPPROTO_UDP};
inline constexpr Protocol kUdp6 = {"udp", AF_INET6, SOCK_DGRAM, IPPROTO_UDP};

struct Claim {
    Span taken;
    Json task;  // task_facts() of the claimant
    Json look;  // at the socket, then
    std::string addr;
    std::uint16_t port = 0;
    bool ephemeral = false;
    bool locked = false;  // by bind(2) to a port: outlives connect(AF_UNSPEC)
};

enum class Send { sendto, sendmsg, sendmmsg };

class Sock {
  public:
    Sock(Story& story, const Protocol& protocol);
    Sock(Story& story, const Protocol& protocol, int fd);  // takes fd over
    ~Sock();
    Sock(const Sock&) = delete;
    Sock& operator=(const Sock&) = delete;

    int fd() const { return fd_; }
    const std::optional<Claim>& claim() const { return claim_; }
    void set(int level, int option, int value = 1);

    Expectation& bind(const Endpoint& ask, int error = 0);
    // Any bytes: addr and port are not stated.
    Expectation& bind_bytes(const void* address, socklen_t size, int error);
    Expectation& listen(int error = 0, int backlog = 8);

    // error may be EINPROGRESS on a non-blocking socket. On a socket that holds a port, success is no event.
    void connect(const Endpoint& to, int error = 0);
    // The port is taken by connect(2) and gone again when it returns.
    void connect_refused(const Endpoint& to);
    Expectation& connect_without_port(const Endpoint& to, int error);
    void send(Send how, const Endpoint& to, int error = 0, int flags = 0);
    void disconnect();  // connect(AF_UNSPEC)
    Sock accept(const Protocol& protocol);

    void close();
    void abort();     // close(2) with SO_LINGER 0: a TCP connection ends with RST, at once
    void close_fd();  // the socket lives on: no release
    void leave();     // to the exit of the process, which must follow the story's print()

    // For operations done by other means than the calls above.
    Expectation& event(const char* type, const char* op, Span span, int error);
    Expectation& bound(const char* op, const Endpoint& ask, const Outcome& outcome);
    Expectation& listening(const char* op, const Outcome& outcome);
    void connected(const Endpoint& to, const Outcome& outcome);
    Expectation& left_without_port(const Endpoint& to, const Outcome& outcome);
    Expectation& autobound(const char* op, Span span, const std::optional<Endpoint>& to);
    Expectation& released(const char* op, Span span);
    // By the TIME_WAIT socket that took it over, which nobody has open.
    Expectation& released_in_time_wait(Span span);
    // The port stays taken although bind(2) failed; its address does not.
    void hold_despite_error(Expectation& bind, std::uint16_t port);

  private:
    class Identity;

    void hold(Span span, bool ephemeral, bool locked);
    // At what a release tells of the socket, while its descriptor is open.
    void look();
    void close_as_seen();
    void add_local(Json& event) const;
    void add_options(Json& event) const;

    Story& story_;
    Protocol protocol_;
    int fd_;
    std::uint64_t netns_;
    std::optional<std::uint64_t> birth_cgroup_;
    std::optional<Claim> claim_;
    Json last_look_;
    std::shared_ptr<Identity> identity_;
};

void add_remote(Json& event, const std::optional<Endpoint>& to);

// A bind on a descriptor that is no inet socket.
Expectation& bind_no_socket(Story& story, int fd, const Endpoint& ask, int error);

// An accepted connection from `client` (not yet connected) to `listener`.
Sock connected_child(Sock& listener, Sock& client, const Endpoint& to);

}  // namespace bindtrace
