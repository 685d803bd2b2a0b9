// SPDX-License-Identifier: MIT
// What the golden files do not show: verdicts that depend on what came before, and on evidence that is missing.
#include "diagnose/diagnose.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace bindtrace {
namespace {

Event refused(std::uint32_t pid, std::uint64_t ktime_ns, std::uint16_t port = 8080) {
    Event event{};
    event.kind = BT_KIND_BIND;
    event.error = EADDRINUSE;
    event.flags = BT_EVENT_HAS_REQUEST | BT_EVENT_HAS_TASK | BT_EVENT_HAS_SOCK;
    event.addr_family = AF_INET;
    event.port = port;
    event.ktime_ns = ktime_ns;
    event.sock.family = AF_INET;
    event.sock.protocol = IPPROTO_TCP;
    event.task.key = {pid, pid, 1};
    std::memcpy(event.task.comm, "server", 7);
    return event;
}

constexpr std::uint64_t kSecond = 1'000'000'000;

bool is_loop(Diagnosis& diagnosis, const Event& event) {
    const Conflict verdict = diagnosis.diagnose(event, Context{}, {});
    return std::ranges::count(verdict.factors, Factor::restart_loop) == 1;
}

TEST(Diagnosis, CallsThreeProcessesInAMinuteARestartLoop) {
    Diagnosis diagnosis;
    EXPECT_FALSE(is_loop(diagnosis, refused(1, 1 * kSecond)));
    EXPECT_FALSE(is_loop(diagnosis, refused(2, 2 * kSecond)));
    EXPECT_TRUE(is_loop(diagnosis, refused(3, 3 * kSecond)));
    EXPECT_FALSE(is_loop(diagnosis, refused(4, 100 * kSecond))) << "long ago";
}

TEST(Diagnosis, CallsOneProcessThatTriesAgainNoRestartLoop) {
    Diagnosis diagnosis;
    for (std::uint64_t i = 0; i < 10; ++i) EXPECT_FALSE(is_loop(diagnosis, refused(1, i * kSecond)));
    EXPECT_FALSE(is_loop(diagnosis, refused(1, 1000 * kSecond))) << "after a long time";
    EXPECT_FALSE(is_loop(diagnosis, refused(1, 5))) << "a time before the last one";
    EXPECT_FALSE(is_loop(diagnosis, refused(1, ~0ull)));
}

TEST(Diagnosis, CallsAPortPrivilegedOnlyForWhoMayNotTakeIt) {
    Diagnosis diagnosis;
    Event event = refused(1, kSecond, 80);
    event.error = EACCES;
    Findings findings{.refusal = Refusal{.unprivileged_start = 1024, .holders = {}}, .holders = {}};
    EXPECT_EQ(diagnosis.diagnose(event, Context{}, findings).cause, Cause::privileged_port);
    findings.refusal->may_take_low_ports = true;
    EXPECT_EQ(diagnosis.diagnose(event, Context{}, findings).cause, Cause::denied);
}

TEST(Diagnosis, KeepsPortsApart) {
    Diagnosis diagnosis;
    for (std::uint16_t i = 1; i < 10; ++i) EXPECT_FALSE(is_loop(diagnosis, refused(i, kSecond, i)));
}

TEST(Diagnosis, ForgetsRatherThanGrows) {
    Diagnosis diagnosis;
    for (std::uint32_t i = 1; i < 60'000; ++i)
        EXPECT_FALSE(is_loop(diagnosis, refused(i, kSecond, static_cast<std::uint16_t>(i))));
}

TEST(Diagnosis, SaysTheSameOnceAndCounts) {
    Diagnosis diagnosis;
    const auto of = [&](std::uint32_t pid, std::uint64_t second, std::uint64_t inode) {
        Holder holder;
        holder.raw.sock.inode = inode;
        return diagnosis.diagnose(refused(pid, second * kSecond), Context{},
                                  {.refusal = Refusal{}, .holders = {holder}, .range = {}, .local_addresses = {}});
    };
    EXPECT_FALSE(of(1, 1, 7).told_before);
    const Conflict again = of(2, 2, 7);
    EXPECT_TRUE(again.told_before);
    EXPECT_EQ(again.failures, 2u);
    EXPECT_EQ(again.failing_ns, kSecond);
    EXPECT_FALSE(of(3, 3, 7).told_before) << "now it is a restart loop";
    const Conflict fourth = of(4, 4, 7);
    EXPECT_TRUE(fourth.told_before);
    EXPECT_NE(fourth.summary.find("restart loop: failure 4 in 3.0 s"), std::string::npos) << fourth.summary;
    EXPECT_FALSE(of(5, 5, 8).told_before) << "another holder";
    const Conflict later = of(6, 500, 8);
    EXPECT_FALSE(later.told_before) << "long after";
    EXPECT_EQ(later.failures, 1u);
}

TEST(Diagnosis, AsksOnlyForWhatTheCauseCallsFor) {
    Refusal refusal;
    EXPECT_EQ(wanted_look(refused(1, 1), &refusal), Look::none);
    EXPECT_EQ(wanted_look(refused(1, 1, 0), &refusal), Look::range);
    EXPECT_EQ(wanted_look(refused(1, 1, 0), nullptr), Look::none) << "the range is not known";
    Event elsewhere = refused(1, 1);
    elsewhere.error = EADDRNOTAVAIL;
    EXPECT_EQ(wanted_look(elsewhere, &refusal), Look::addresses);
    refusal.holders.emplace_back();
    EXPECT_EQ(wanted_look(refused(1, 1, 0), &refusal), Look::none) << "who is in the way is known";
}

TEST(Diagnosis, WithoutEvidenceSaysSo) {
    const Conflict verdict = Diagnosis().diagnose(refused(1, 1), Context{}, {});
    EXPECT_EQ(verdict.cause, Cause::unknown);
    EXPECT_TRUE(verdict.holders.empty());
    EXPECT_EQ(verdict.rule, std::nullopt);
    EXPECT_NE(verdict.summary, "");
    EXPECT_TRUE(verdict.advice.empty());
}

// A port of one's own that is refused is no sign of a full range, even where the holder has gone meanwhile.
TEST(Diagnosis, CallsARangeExhaustedOnlyWhereTheKernelWasToChoose) {
    const auto cause = [](bt_kind kind, int error, std::uint16_t local_port) {
        Event event = refused(1, 1);
        event.kind = kind;
        event.error = error;
        event.sock.local_port = local_port;
        if (kind == BT_KIND_BIND) event.port = local_port;
        return Diagnosis().diagnose(event, Context{}, {}).cause;
    };
    EXPECT_EQ(cause(BT_KIND_BIND, EADDRINUSE, 0), Cause::exhausted);
    EXPECT_EQ(cause(BT_KIND_BIND, EADDRINUSE, 8080), Cause::unknown);
    EXPECT_EQ(cause(BT_KIND_LISTEN, EADDRINUSE, 0), Cause::exhausted);
    EXPECT_EQ(cause(BT_KIND_LISTEN, EADDRINUSE, 8080), Cause::unknown);
    EXPECT_EQ(cause(BT_KIND_AUTOBIND, EADDRNOTAVAIL, 0), Cause::exhausted);
    EXPECT_EQ(cause(BT_KIND_AUTOBIND, EADDRNOTAVAIL, 8080), Cause::unknown);
    EXPECT_EQ(cause(BT_KIND_AUTOBIND, EAGAIN, 0), Cause::exhausted);
    EXPECT_EQ(cause(BT_KIND_BIND, EADDRNOTAVAIL, 8080), Cause::address_not_local);
}

TEST(Diagnosis, EveryErrnoHasASummary) {
    for (int error = 1; error < 600; ++error) {
        for (const bt_kind kind : {BT_KIND_BIND, BT_KIND_LISTEN, BT_KIND_AUTOBIND}) {
            Event event = refused(1, 1);
            event.kind = kind;
            event.error = error;
            EXPECT_NE(Diagnosis().diagnose(event, Context{}, {}).summary, "") << error;
            const Refusal nothing;
            EXPECT_NE(
                Diagnosis()
                    .diagnose(event, Context{}, {.refusal = nothing, .holders = {}, .range = {}, .local_addresses = {}})
                    .summary,
                "")
                << error;
        }
    }
}

}  // namespace
}  // namespace bindtrace
