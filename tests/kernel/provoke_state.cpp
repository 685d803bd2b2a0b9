// SPDX-License-Identifier: MIT
// The TCP states that move a claim: LISTEN, SYN_SENT, CLOSE, and TIME_WAIT or FIN_WAIT2 where a small socket takes
// over. Accepted connections are told too. Only these cases compare `state` events; each expects all there are.
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>

#include "provoke.h"
#include "provoke_socket.h"
#include "provoke_world.h"

namespace bindtrace {
namespace {

const Endpoint kServer = {"127.0.0.1", 8080};

// A transition of the socket that is at `port`; which one it is, the ports tell.
Expectation& enters(Story& story, const char* from, const char* to, std::uint16_t port, Span span) {
    Json event = {{"type", "state"},
                  {"proto", "tcp"},
                  {"family", "ipv4"},
                  {"local_port", port},
                  {"old_state", from},
                  {"socket", {{"state", to}}},
                  {"netns", {{"inum", netns_inum()}}},
                  {"result", nullptr},
                  {"errno", nullptr},
                  {"ktime_ns", {{"min", span.before}, {"max", span.after}}}};
    return story.expect(std::move(event));
}

template <typename Call>
Span during(Call call) {
    const std::uint64_t before = boot_ns();
    call();
    return {before, boot_ns()};
}

void serve(Story& story, Sock& server) {
    server.bind(kServer);
    const Span span = during([&] { server.listen(); });
    enters(story, "CLOSE", "LISTEN", kServer.port, span);
}

void stop(Story& story, Sock& server) {
    const Span span = during([&] { server.close(); });
    enters(story, "LISTEN", "CLOSE", kServer.port, span);
}

// The port comes after the state.
std::uint16_t connects(Story& story, Sock& client) {
    const Span span = during([&] { client.connect(kServer); });
    enters(story, "CLOSE", "SYN_SENT", client.claim()->port, span).event.erase("local_port");
    return client.claim()->port;
}

// When the CLOSE of an autobound socket is told, its port is already gone.
Expectation& closes(Story& story, const char* from, Span span) {
    Expectation& line = enters(story, from, "CLOSE", 0, span);
    line.event.erase("local_port");
    return line;
}

void listener(Story& story) {
    Sock server(story, kTcp4);
    serve(story, server);
    stop(story, server);
}

void aborted(Story& story) {
    Sock server(story, kTcp4);
    serve(story, server);
    Sock client(story, kTcp4);
    connects(story, client);
    Sock child = server.accept(kTcp4);
    const Span span = during([&] { client.abort(); });
    closes(story, "ESTABLISHED", span);  // the client's
    closes(story, "ESTABLISHED", span);  // the child's, by RST
    child.close();
    stop(story, server);
}

void refused(Story& story) {
    Sock client(story, kTcp4);
    const Span span = during([&] { client.connect_refused({"127.0.0.1", 9}); });
    enters(story, "CLOSE", "SYN_SENT", 0, span).event.erase("local_port");
    closes(story, "SYN_SENT", span);
}

void time_wait(Story& story) {
    Sock server(story, kTcp4);
    serve(story, server);
    Sock client(story, kTcp4);
    const std::uint16_t port = connects(story, client);
    Sock child = server.accept(kTcp4);
    must(::shutdown(client.fd(), SHUT_WR) == 0, "shutdown: " + errno_name(errno));
    const Span span = during([&] {
        child.close();
        until_small_socket(port, TCP_TIME_WAIT);
    });
    enters(story, "FIN_WAIT2", "TIME_WAIT", port, span).event.erase("old_state");
    closes(story, "FIN_WAIT2", span);
    closes(story, "LAST_ACK", span);
    stop(story, server);
    client.close_fd();
    client.released_in_time_wait({boot_ns(), 0});
}

void fin_wait2(Story& story) {
    Sock server(story, kTcp4);
    serve(story, server);
    Sock client(story, kTcp4);
    const std::uint16_t port = connects(story, client);
    Sock child = server.accept(kTcp4);
    const Span span = during([&] {
        client.close_fd();
        until_small_socket(port, TCP_FIN_WAIT2);
    });
    enters(story, "FIN_WAIT2", "FIN_WAIT2", port, span).event.erase("old_state");
    closes(story, "FIN_WAIT2", span);
    closes(story, "LAST_ACK", during([&] { child.close(); }));
    stop(story, server);
    client.released_in_time_wait({boot_ns(), 0});
}

}  // namespace

std::vector<Case> state_cases() {
    return {
        {"state-listen", listener, false, true},     {"state-abort", aborted, false, true},
        {"state-refused", refused, false, true},     {"state-time-wait", time_wait, false, true},
        {"state-fin-wait2", fin_wait2, false, true},
    };
}

}  // namespace bindtrace
