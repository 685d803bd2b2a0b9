// SPDX-License-Identifier: MIT
// What the golden files do not show: verdicts that depend on what came before, and on evidence that is missing.
#include "diagnose/diagnose.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

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

constexpr std::uint64_t kAttemptSecond = 1'000'000'000;

bool is_loop(Diagnosis& diagnosis, const Event& event) {
    const Conflict verdict = diagnosis.diagnose(event, Context{}, {});
    return std::ranges::count(verdict.factors, Factor::restart_loop) == 1;
}

TEST(Diagnosis, CallsThreeProcessesInAMinuteARestartLoop) {
    Diagnosis diagnosis;
    EXPECT_FALSE(is_loop(diagnosis, refused(1, 1 * kAttemptSecond)));
    EXPECT_FALSE(is_loop(diagnosis, refused(2, 2 * kAttemptSecond)));
    EXPECT_TRUE(is_loop(diagnosis, refused(3, 3 * kAttemptSecond)));
    EXPECT_FALSE(is_loop(diagnosis, refused(4, 100 * kAttemptSecond))) << "long ago";
}

TEST(Diagnosis, CallsOneProcessThatTriesAgainNoRestartLoop) {
    Diagnosis diagnosis;
    for (std::uint64_t i = 0; i < 10; ++i) EXPECT_FALSE(is_loop(diagnosis, refused(1, i * kAttemptSecond)));
    EXPECT_FALSE(is_loop(diagnosis, refused(1, 1000 * kAttemptSecond))) << "after a long time";
    EXPECT_FALSE(is_loop(diagnosis, refused(1, 5))) << "a time before the last one";
    EXPECT_FALSE(is_loop(diagnosis, refused(1, ~0ull)));
}

TEST(Diagnosis, CallsAPortPrivilegedOnlyForWhoMayNotTakeIt) {
    Diagnosis diagnosis;
    Event event = refused(1, kAttemptSecond, 80);
    event.error = EACCES;
    Findings findings;
    findings.refusal.emplace().unprivileged_start = 1024;
    EXPECT_EQ(diagnosis.diagnose(event, Context{}, findings).cause, Cause::privileged_port);
    findings.refusal->may_take_low_ports = true;
    EXPECT_EQ(diagnosis.diagnose(event, Context{}, findings).cause, Cause::denied);
}

TEST(Diagnosis, KeepsPortsApart) {
    Diagnosis diagnosis;
    for (std::uint16_t i = 1; i < 10; ++i) EXPECT_FALSE(is_loop(diagnosis, refused(i, kAttemptSecond, i)));
}

TEST(Diagnosis, KeepsAddressesApart) {
    Diagnosis diagnosis;
    for (std::uint8_t i = 1; i < 10; ++i) {
        Event event = refused(i, kAttemptSecond);
        event.addr[3] = i;
        EXPECT_FALSE(is_loop(diagnosis, event));
    }
}

// The rule of a connection is none of a datagram's.
TEST(Diagnosis, ADatagramSocketNeedsAPortOfItsOwn) {
    Event event = refused(1, 1, 0);
    event.kind = BT_KIND_AUTOBIND;
    event.error = EAGAIN;
    event.sock.protocol = IPPROTO_UDP;
    event.sock.type = SOCK_DGRAM;
    EXPECT_EQ(Diagnosis().diagnose(event, Context{}, {}).rule,
              "a port the kernel chooses must be free for all addresses that were asked for");
}

// Of a host with eth0 (2), eth1 (3) in VRF red (9), and two links' own addresses.
Conflict not_local(const char* address, std::uint32_t device, int error = EADDRNOTAVAIL) {
    Findings found;
    found.local_addresses.emplace();
    struct There {
        const char *interface, *address;
        std::uint32_t index, vrf;
    };
    for (const auto& [interface, text, index, vrf] :
         {There{"lo", "127.0.0.1", 1, 0}, There{"eth0", "10.0.0.1", 2, 0}, There{"eth0", "fe80::2", 2, 0},
          There{"eth1", "10.7.0.1", 3, 9}, There{"eth1", "fe80::3", 3, 9}}) {
        LocalAddress& local = found.local_addresses->emplace_back();
        local.interface = interface;
        local.family = std::strchr(text, ':') != nullptr ? AF_INET6 : AF_INET;
        EXPECT_EQ(inet_pton(local.family, text, local.address.data()), 1);
        local.index = index;
        local.vrf = vrf;
        if (vrf != 0) local.vrf_name = "red";
    }
    Event event = refused(1, 1);
    event.error = error;
    event.addr_family = std::strchr(address, ':') != nullptr ? AF_INET6 : AF_INET;
    EXPECT_EQ(inet_pton(event.addr_family, address, event.addr), 1);
    event.sock.bound_dev = device;
    return Diagnosis().diagnose(event, Context{}, found);
}

TEST(Diagnosis, KnowsAnAddressThatIsThereFromOneThatCameLate) {
    EXPECT_EQ(not_local("10.0.0.1", 0).summary, "10.0.0.1 came to eth0 only after this, or was not yet ready");
    EXPECT_EQ(not_local("10.0.0.1", 2).summary, "10.0.0.1 came to eth0 only after this, or was not yet ready");
    EXPECT_EQ(not_local("10.7.0.1", 9).summary, "10.7.0.1 came to eth1 only after this, or was not yet ready");
    EXPECT_EQ(not_local("10.7.0.1", 0).summary, "10.7.0.1 is on eth1 in VRF red, but was asked for outside of it");
    EXPECT_EQ(not_local("10.7.0.1", 2).summary, "10.7.0.1 is on eth1 in VRF red, but was asked for on eth0");
    EXPECT_EQ(not_local("10.0.0.1", 9).summary, "10.0.0.1 is on eth0, but was asked for on red");
    const Conflict link = not_local("fe80::3", 2);
    EXPECT_EQ(link.summary, "fe80::3 is on eth1 in VRF red, but was asked for on eth0");
    EXPECT_EQ(link.advice, std::vector<std::string>{"ask for fe80::3%eth1: scope 3, or SO_BINDTODEVICE eth1"});
    EXPECT_EQ(not_local("fe80::3", 3).summary, "fe80::3 came to eth1 only after this, or was not yet ready");
}

TEST(Diagnosis, AnInterfaceThatIsNotThereIsAllThatIsWrong) {
    EXPECT_EQ(not_local("fe80::2", 42, ENODEV).advice,
              std::vector<std::string>{"ask for fe80::2%eth0: scope 2, or SO_BINDTODEVICE eth0"});
    const Conflict nowhere = not_local("fe80::9", 42, ENODEV);
    EXPECT_EQ(nowhere.summary, "fe80::9 was asked for on interface 42, which is not there");
    ASSERT_EQ(nowhere.advice.size(), 1U);
    EXPECT_TRUE(nowhere.advice[0].starts_with("ask for it on an interface that is there"));
}

TEST(Diagnosis, ForgetsRatherThanGrows) {
    Diagnosis diagnosis;
    for (std::uint32_t i = 1; i < 60'000; ++i)
        EXPECT_FALSE(is_loop(diagnosis, refused(i, kAttemptSecond, static_cast<std::uint16_t>(i))));
}

TEST(Diagnosis, SaysTheSameOnceAndCounts) {
    Diagnosis diagnosis;
    const auto of = [&](std::uint32_t pid, std::uint64_t second, std::uint64_t inode) {
        Holder holder;
        holder.raw.sock.inode = inode;
        return diagnosis.diagnose(refused(pid, second * kAttemptSecond), Context{},
                                  {.refusal = Refusal{}, .holders = {holder}, .range = {}, .local_addresses = {}});
    };
    EXPECT_FALSE(of(1, 1, 7).told_before);
    const Conflict again = of(2, 2, 7);
    EXPECT_TRUE(again.told_before);
    EXPECT_EQ(again.failures, 2u);
    EXPECT_EQ(again.failing_ns, kAttemptSecond);
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

// Widening the namespace's range helps only where the socket's own does not end before it.
TEST(Diagnosis, TellsOfASocketsOwnRange) {
    Event event = refused(1, 1);
    event.error = EADDRINUSE;
    event.port = event.sock.local_port = 0;
    const auto verdict = [&](std::uint16_t first, std::uint16_t last) {
        Findings found;
        found.refusal.emplace();
        found.refusal->ephemeral_first = 40000;
        found.refusal->ephemeral_last = 40010;
        found.refusal->own_first = first;
        found.refusal->own_last = last;
        return Diagnosis().diagnose(event, Context{}, found);
    };
    const std::string own = "give the socket a wider IP_LOCAL_PORT_RANGE within 40000-40010, or none";
    const auto narrower = verdict(40005, 50000);
    EXPECT_EQ(narrower.summary, "no port is free in 40005-40010 (the socket's IP_LOCAL_PORT_RANGE) for this");
    EXPECT_EQ(narrower.advice, std::vector{own});
    const auto the_same = verdict(0, 40010);
    ASSERT_EQ(the_same.advice.size(), 2u);
    EXPECT_EQ(the_same.advice[0], own);
    EXPECT_TRUE(the_same.advice[1].starts_with("widen net.ipv4.ip_local_port_range"));
    EXPECT_EQ(verdict(0, 0).summary, "no port is free in 40000-40010 for this");
}

// What is asked of bindtrace when a program that runs, or did, is started once more.
struct Started {
    Process process{
        .exe = "/opt/app", .cmdline = {{"app", "--port", "8080"}}, .ancestry = {{20, "sh"}, {1, "systemd"}}};
    std::optional<std::string> cgroup;
};

bool is_started_twice(const Started& mine, const Started& theirs) {
    Context context;
    context.process = &mine.process;
    context.cgroup_path = mine.cgroup;
    context.read_paths();
    Holder holder;
    holder.raw.sock.state = TCP_LISTEN;
    holder.raw.sock.protocol = IPPROTO_TCP;
    holder.process.emplace();
    holder.process->task.key = {200, 200, 1};
    holder.process->process = theirs.process;
    holder.process->cgroup_path = theirs.cgroup;
    const Conflict verdict = Diagnosis().diagnose(
        refused(100, 1), context, {.refusal = Refusal{}, .holders = {holder}, .range = {}, .local_addresses = {}});
    const bool told = std::ranges::count(verdict.factors, Factor::same_unit) != 0;
    EXPECT_EQ(told, verdict.advice.front().starts_with("an earlier ")) << verdict.advice.front();
    return told;
}

TEST(Diagnosis, KnowsAnEarlierRunOfTheSameProgram) {
    const Started one;
    EXPECT_TRUE(is_started_twice(one, one));
    Started other;
    other.process.cmdline->back() = "8081";
    EXPECT_FALSE(is_started_twice(one, other)) << "other arguments: an interpreter runs many programs";
    other = one;
    other.process.cmdline.reset();
    EXPECT_FALSE(is_started_twice(one, other)) << "not known";
    other = one;
    other.process.ancestry.insert(other.process.ancestry.begin(), {100, "server"});
    EXPECT_FALSE(is_started_twice(one, other)) << "its child";
    EXPECT_TRUE(is_started_twice({.process = one.process, .cgroup = "/user.slice/session-3.scope"},
                                 {.process = one.process, .cgroup = "/user.slice/session-4.scope"}));
    EXPECT_FALSE(is_started_twice({.process = one.process, .cgroup = "/system.slice/a.service"},
                                  {.process = one.process, .cgroup = "/system.slice/b.service"}))
        << "two units, each with an instance of its own";
}

TEST(Diagnosis, TakesWorkersOfOneParentForOneRun) {
    Started worker;
    worker.process.ancestry.insert(worker.process.ancestry.begin(), {50, "server"});  // as the worker is called
    EXPECT_FALSE(is_started_twice(worker, worker));
    worker.process.ancestry.front().comm = "supervisord";
    EXPECT_TRUE(is_started_twice(worker, worker));
}

std::vector<std::string> advice_on(int error, const Context& context, const Refusal& refusal, std::uint16_t port) {
    Event event = refused(1, 1, port);
    event.error = error;
    return Diagnosis()
        .diagnose(event, context, {.refusal = refusal, .holders = {}, .range = {}, .local_addresses = {}})
        .advice;
}

TEST(Diagnosis, GivesTheCapabilityOnlyToWhatCanHaveIt) {
    Refusal refusal;
    refusal.unprivileged_start = 1024;
    const auto first = [&](const char* exe, const char* cgroup) {
        const Process process{.exe = exe, .cmdline = {}, .ancestry = {}};
        Context context;
        context.process = &process;
        context.cgroup_path = cgroup;
        context.read_paths();
        return advice_on(EACCES, context, refusal, 80).front();
    };
    const char* const other_port = "take a port from 1024 on";
    EXPECT_EQ(first("/usr/sbin/httpd", "/"), "setcap cap_net_bind_service=+ep /usr/sbin/httpd");
    EXPECT_EQ(first("/usr/bin/python3.11", "/"), other_port) << "all scripts would have it";
    EXPECT_EQ(first("/usr/sbin/httpd", "/system.slice/web.service"),
              "AmbientCapabilities=CAP_NET_BIND_SERVICE in a drop-in of web.service");
    EXPECT_EQ(first("/usr/sbin/httpd", "/user.slice/user-7.slice/user@7.service/app.slice/web.service"), other_port)
        << "a user's manager has none to give";
}

TEST(Diagnosis, WidensNoRangeThatIsAsWideAsCanBe) {
    Refusal refusal;
    refusal.ephemeral_first = 1024;
    refusal.ephemeral_last = 65535;
    EXPECT_TRUE(advice_on(EADDRINUSE, Context{}, refusal, 0).empty());
    refusal.ephemeral_first = 32768;
    EXPECT_EQ(advice_on(EADDRINUSE, Context{}, refusal, 0).size(), 1u);
}

// The kernel chose the holder's port: by connect, by sendto, or since port 0 was bound.
TEST(Diagnosis, KeepsTheKernelFromChoosingThePortAgain) {
    const auto advice = [](std::uint16_t protocol, std::uint8_t state, std::uint32_t flags, bool reserved) {
        Refusal refusal;
        refusal.ephemeral_first = 8000;
        refusal.ephemeral_last = 9000;
        refusal.claimant.local_port = 8080;
        refusal.port_reserved = reserved;
        Holder holder;
        holder.raw.flags = flags;
        holder.raw.sock.protocol = protocol;
        holder.raw.sock.state = state;
        holder.raw.sock.local_port = 8080;
        holder.process.emplace();
        holder.process->task.key = {7, 7, 1};
        std::memcpy(holder.process->task.comm, "client", 7);
        Context context;
        context.netns_name = "host";
        return Diagnosis()
            .diagnose(refused(1, 1), context,
                      {.refusal = refusal, .holders = {holder}, .range = {}, .local_addresses = {}})
            .advice.front();
    };
    const std::string keep_off =
        "keep clients off it: add 8080 to net.ipv4.ip_local_reserved_ports (sysctl -w, and in /etc/sysctl.d), have "
        "client[7] close that socket, then start it again";
    EXPECT_EQ(advice(IPPROTO_UDP, TCP_CLOSE, BT_EVENT_EPHEMERAL, false), keep_off);
    EXPECT_EQ(advice(IPPROTO_TCP, TCP_LISTEN, BT_EVENT_EPHEMERAL, false), keep_off);
    EXPECT_EQ(advice(IPPROTO_TCP, TCP_ESTABLISHED, BT_EVENT_EPHEMERAL, false), keep_off);
    EXPECT_EQ(advice(IPPROTO_TCP, TCP_LISTEN, 0, false),
              "stop client[7], then start it again, or give one of the two another port");
    EXPECT_EQ(advice(IPPROTO_TCP, TCP_ESTABLISHED, BT_EVENT_EPHEMERAL, true),
              "have client[7] close that socket, then start it again; the port is reserved by now: no other client "
              "will be given it");
}

TEST(Diagnosis, TellsAClientToLeaveItsPortToTheKernel) {
    Event event = refused(1, 1);
    event.kind = BT_KIND_AUTOBIND;
    event.error = EADDRNOTAVAIL;
    Holder holder;
    holder.raw.sock.state = TCP_ESTABLISHED;
    holder.raw.sock.protocol = IPPROTO_TCP;
    const Conflict verdict = Diagnosis().diagnose(
        event, Context{}, {.refusal = Refusal{}, .holders = {holder}, .range = {}, .local_addresses = {}});
    EXPECT_EQ(verdict.rule, "a connection with the same two ends exists already");
    ASSERT_EQ(verdict.advice.size(), 2u);
    EXPECT_TRUE(verdict.advice[0].starts_with("connect without bind before"));
    EXPECT_EQ(verdict.advice[1], "wait until that connection has ended, then connect again");
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
