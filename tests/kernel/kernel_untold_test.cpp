// SPDX-License-Identifier: MIT
// Of what is not to be told the kernel side reads less, but still all that explains a later refusal.
#include <gtest/gtest.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "kernel_bindtrace.h"
#include "kernel_bpf_objects.h"
#include "kernel_socket.h"

namespace bindtrace {
namespace {

void expect_holder(const Json& verdict, pid_t claimant, std::uint16_t target) {
    EXPECT_EQ(verdict["cause"], "ephemeral");
    ASSERT_EQ(verdict["holders"].size(), 1u) << verdict;
    const Json& holder = verdict["holders"][0];
    EXPECT_EQ(holder["acquired"], "connect");
    EXPECT_NE(holder["since"], nullptr);
    EXPECT_EQ(holder["remote_port"], target);
    EXPECT_EQ(holder["process"]["pid"], claimant);
    EXPECT_NE(holder["process"]["exe"], nullptr);
    EXPECT_NE(holder["sockopt"], nullptr);
}

class Untold : public testing::TestWithParam<int> {};  // of an address family

TEST_P(Untold, ConnectionIsRememberedForWhoeverIsRefusedBecauseOfIt) {
    const Socket server(SOCK_STREAM, GetParam());
    const std::uint16_t target = server.bind();
    server.listen();
    LateTracer tracer;  // which wants failures alone
    ASSERT_TRUE(tracer.attached());
    const Child client([&](int out) {
        static const Socket open(SOCK_STREAM, GetParam());
        open.connect(target);
        tell_port(out, open.port());
    });
    const Socket accepted(server.accept(), std::in_place);
    Socket late(SOCK_STREAM, AF_INET6);  // in the way of both families
    sockaddr_in6 anywhere{};
    anywhere.sin6_family = AF_INET6;
    anywhere.sin6_port = htons(client.port());
    expect_holder(tracer.verdict_on(late, anywhere), client.pid(), target);

    const Child gone([&](int out) {
        Socket first(SOCK_STREAM, GetParam());
        first.connect(target);
        tell_port(out, first.port());
        const Socket last(server.accept(), std::in_place);
        first.close();
    });
    anywhere.sin6_port = htons(gone.port());
    const Json ended = tracer.verdict_on(late, anywhere);
    EXPECT_TRUE(ended["cause"] == "time-wait" || ended["cause"] == "closing") << ended;  // its last segment may be late
    ASSERT_EQ(ended["holders"].size(), 1u) << ended;
    EXPECT_EQ(ended["holders"][0]["last_process"]["pid"], gone.pid()) << ended;
    EXPECT_EQ(ended["holders"][0]["acquired"], "connect");
    EXPECT_NE(ended["holders"][0]["since"], nullptr);
}

// Of a port that --port does not name nothing is ever told: not even of who is refused it.
TEST_P(Untold, ClaimOfAnotherPortIsNotRemembered) {
    const std::uint16_t asked_for = Socket(SOCK_STREAM, GetParam()).bind();
    const Socket server(SOCK_STREAM, GetParam());
    server.bind();
    server.listen();
    const LateTracer tracer({"--port", std::to_string(asked_for)});
    ASSERT_TRUE(tracer.attached());
    const Socket bound(SOCK_STREAM, GetParam()), other(SOCK_STREAM, GetParam()), client(SOCK_STREAM, GetParam()),
        sender(SOCK_DGRAM, GetParam());
    const std::uint64_t cookies[] = {bound.cookie(), other.cookie(), client.cookie(), sender.cookie()};
    bound.bind(asked_for);
    other.bind();
    other.listen();
    client.connect(server.port());
    sender.connect(server.port());
    std::vector<bool> remembered;
    for (const std::uint64_t cookie : cookies) remembered.push_back(is_remembered(tracer.pid(), cookie));
    EXPECT_EQ(remembered, (std::vector<bool>{true, false, false, false}));
}

// With many filters at once, so that a kernel has to take all that the programs ask.
TEST_P(Untold, ClaimIsRememberedThatFiltersLetPass) {
    LateTracer tracer({"--port", "1-65535", "--proto", "tcp", "--uid", std::to_string(getuid()), "--netns", "self",
                       "--no-ephemeral"});
    ASSERT_TRUE(tracer.attached());
    const Child server([&](int out) {
        static const Socket open(SOCK_STREAM, GetParam());
        tell_port(out, open.bind());
        open.listen();
    });
    const Child client([&](int out) {
        static const Socket open(SOCK_STREAM, GetParam());
        open.connect(server.port());
        tell_port(out, open.port());
    });
    Socket late(SOCK_STREAM, AF_INET6);  // in the way of both families
    for (const Child* holder : {&server, &client}) {
        sockaddr_in6 anywhere{};
        anywhere.sin6_family = AF_INET6;
        anywhere.sin6_port = htons(holder->port());
        const Json verdict = tracer.verdict_on(late, anywhere);
        ASSERT_GE(verdict["holders"].size(), 1u) << verdict;
        EXPECT_NE(verdict["holders"][0]["since"], nullptr) << verdict;
        EXPECT_EQ(verdict["holders"][0]["process"]["pid"], holder->pid()) << verdict;
    }
}

INSTANTIATE_TEST_SUITE_P(Families, Untold, testing::Values(AF_INET, AF_INET6));

}  // namespace
}  // namespace bindtrace
