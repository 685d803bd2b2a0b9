// SPDX-License-Identifier: MIT
// Advice that would not work is a bug: what is advised is done to the sockets, and the kernel's check asked again.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "bindtrace/rules.h"
#include "diagnose/diagnose.h"
#include "redacted_verdict.h"

namespace bindtrace {
namespace {

bt_sock sock(const std::string& address, std::uint32_t opts = 0, std::uint8_t state = TCP_LISTEN) {
    bt_sock sock{};
    sock.family = address.find(':') != std::string::npos ? AF_INET6 : AF_INET;
    EXPECT_EQ(inet_pton(sock.family, address.c_str(), sock.local_addr), 1);
    sock.protocol = IPPROTO_TCP;
    sock.type = SOCK_STREAM;
    sock.local_port = 8080;
    sock.opts = opts;
    sock.state = state;
    if (state != TCP_LISTEN && state != TCP_CLOSE) sock.remote_port = 50000;
    return sock;
}

constexpr std::uint32_t kUid = 7;
constexpr std::uint32_t kOwnPid = 1;

// Of a process of its own, each.
Holder held_by(std::uint32_t pid, const bt_sock& sock, std::uint32_t uid = kUid) {
    Holder holder;
    holder.raw.sock = sock;
    holder.raw.substate = sock.state;
    holder.raw.uid = uid;
    holder.process.emplace();
    holder.process->task.key = {pid, pid, 1};
    std::memcpy(holder.process->task.comm, "old", 4);
    return holder;
}

struct Asked {
    bt_sock claimant;
    std::vector<Holder> holders;
    bool complete = true;
    bt_kind kind = BT_KIND_BIND;
    std::optional<std::string> cgroup{};
    std::uint32_t not_named = 0;
    std::uint32_t common_opts = 0;
    std::string comm = "new";
    std::string netns = "host";
    bool ephemeral = false;  // the port is in the range
    std::string to_reserve{};
};

Conflict verdict_on(const Asked& asked) {
    Event event{};
    event.kind = asked.kind;
    event.error = EADDRINUSE;
    event.flags = BT_EVENT_HAS_REQUEST | BT_EVENT_HAS_TASK | BT_EVENT_HAS_SOCK;
    event.addr_family = asked.claimant.family;
    std::memcpy(event.addr, asked.claimant.local_addr, sizeof event.addr);
    event.port = asked.claimant.local_port;
    event.sock = asked.claimant;
    event.task.key = {kOwnPid, kOwnPid, 1};
    std::memcpy(event.task.comm, asked.comm.c_str(), asked.comm.size() + 1);
    Refusal refusal;
    refusal.claimant = asked.claimant;
    refusal.claimant_uid = kUid;
    refusal.in_the_way = static_cast<std::uint32_t>(asked.holders.size()) + asked.not_named;
    refusal.common_opts = asked.common_opts;
    refusal.complete = asked.complete;
    if (asked.ephemeral) refusal.ephemeral_first = refusal.ephemeral_last = asked.claimant.local_port;
    Context context;
    context.cgroup_path = asked.cgroup;
    context.netns_name = asked.netns;
    context.read_paths();
    const Findings found{.refusal = refusal,
                         .holders = asked.holders,
                         .range = {},
                         .local_addresses = {},
                         .to_reserve = asked.to_reserve};
    RedactedVerdict().expect_same("", event, context, found);
    return Diagnosis().diagnose(event, context, found);
}

bool advises(const Conflict& verdict, const std::string& start) {
    return std::ranges::any_of(verdict.advice, [&](const std::string& line) { return line.starts_with(start); });
}

bool has(const Conflict& verdict, Factor factor) {
    return std::ranges::find(verdict.factors, factor) != verdict.factors.end();
}

constexpr const char* kReuseaddr = "set SO_REUSEADDR on the socket before bind";
constexpr const char* kReuseaddrThere = "have the server set SO_REUSEADDR";
constexpr const char* kReuseaddrBoth = "set SO_REUSEADDR on both sockets";
constexpr const char* kReuseport = "to share the port, set SO_REUSEPORT on this socket too";
constexpr const char* kReuseportThere = "to share the port, set SO_REUSEPORT on the holder's socket too";
constexpr const char* kApart = "set IPV6_V6ONLY on the IPv6 socket";
constexpr const char* kApartThere = "set IPV6_V6ONLY on the holder's IPv6 socket";

bool refused(const Asked& asked, std::uint32_t mine, std::uint32_t theirs) {
    bt_sock claimant = asked.claimant;
    claimant.opts |= mine;
    return std::ranges::any_of(asked.holders, [&](const Holder& holder) {
        bt_sock other = holder.raw.sock;
        other.opts |= theirs;
        return bt_refuses(&claimant, kUid, &other, holder.raw.uid) != 0;
    });
}

struct OptionAdvice {
    const char* start;
    std::uint32_t mine, theirs;
};
constexpr OptionAdvice kOptions[] = {{kReuseaddr, BT_OPT_REUSEADDR, 0},
                                     {kReuseaddrThere, 0, BT_OPT_REUSEADDR},
                                     {kReuseaddrBoth, BT_OPT_REUSEADDR, BT_OPT_REUSEADDR},
                                     {kReuseport, BT_OPT_REUSEPORT, 0},
                                     {kReuseportThere, 0, BT_OPT_REUSEPORT},
                                     {kApart, BT_OPT_V6ONLY, 0},
                                     {kApartThere, 0, BT_OPT_V6ONLY}};

void expect_advice_works(const Asked& asked) {
    const Conflict verdict = verdict_on(asked);
    EXPECT_FALSE(verdict.advice.empty());
    for (const OptionAdvice& option : kOptions)
        EXPECT_FALSE(advises(verdict, option.start) && refused(asked, option.mine, option.theirs)) << option.start;
}

TEST(Advice, AnOptionThatIsAdvisedLetsItThrough) {
    std::vector<bt_sock> sockets;
    for (const char* address : {"0.0.0.0", "127.0.0.1", "::", "::1", "::ffff:127.0.0.1"}) {
        for (std::uint32_t opts = 0; opts < 8; ++opts)
            sockets.push_back(sock(address, ((opts & 1) != 0 ? BT_OPT_REUSEADDR : 0) |
                                                ((opts & 2) != 0 ? BT_OPT_REUSEPORT : 0) |
                                                ((opts & 4) != 0 ? BT_OPT_V6ONLY : 0)));
    }
    int count = 0;
    for (const bt_sock& claimant : sockets) {
        std::vector<Holder> in_the_way;
        std::uint32_t pid = 1;  // the first is its own
        for (const std::uint8_t state : {TCP_LISTEN, TCP_CLOSE, TCP_ESTABLISHED, TCP_CLOSE_WAIT}) {
            for (bt_sock holder : sockets) {
                holder.state = state;
                for (const std::uint32_t uid : {kUid, kUid + 1})
                    if (bt_refuses(&claimant, kUid, &holder, uid) != 0)
                        in_the_way.push_back(held_by(pid++, holder, uid));
            }
        }
        for (std::size_t i = 0; i < in_the_way.size(); ++i) {
            const std::size_t other = (i * 7 + 3) % in_the_way.size();
            expect_advice_works({claimant, {in_the_way[i]}});
            expect_advice_works({claimant, {in_the_way[i], in_the_way[other]}});
            ++count;
        }
    }
    EXPECT_GT(count, 5000);
}

TEST(Advice, OptionsThatHelp) {
    const bt_sock reuse = sock("0.0.0.0", BT_OPT_REUSEADDR, TCP_CLOSE);
    EXPECT_TRUE(advises(verdict_on({sock("0.0.0.0"), {held_by(2, reuse)}}), kReuseaddr));
    EXPECT_FALSE(advises(verdict_on({sock("0.0.0.0"), {held_by(2, reuse)}, false}), kReuseaddr)) << "more are there";
    const bt_sock share = sock("0.0.0.0", BT_OPT_REUSEPORT);
    EXPECT_TRUE(advises(verdict_on({sock("0.0.0.0"), {held_by(2, share)}}), kReuseport));
    EXPECT_TRUE(advises(verdict_on({share, {held_by(2, sock("0.0.0.0"))}}), kReuseportThere));
    EXPECT_TRUE(advises(verdict_on({sock("::"), {held_by(2, sock("127.0.0.1"))}}), kApart));
    EXPECT_TRUE(advises(verdict_on({sock("127.0.0.1"), {held_by(2, sock("::"))}}), kApartThere));
    EXPECT_TRUE(advises(verdict_on({sock("::ffff:127.0.0.1"), {held_by(2, sock("::"))}}), kApartThere));
    EXPECT_TRUE(advises(verdict_on({sock("::"), {held_by(kOwnPid, sock("127.0.0.1"))}}), kApart)) << "of its own";
}

TEST(Advice, NoOptionIsAdvisedForSocketsThatNobodyLookedAt) {
    for (const std::uint8_t state : {TCP_LISTEN, TCP_CLOSE, TCP_ESTABLISHED, TCP_CLOSE_WAIT}) {
        for (const std::uint32_t opts : {0U, std::uint32_t{BT_OPT_REUSEADDR}, std::uint32_t{BT_OPT_REUSEPORT}}) {
            const Conflict verdict = verdict_on({sock("::"), {held_by(2, sock("0.0.0.0", opts, state))}, false});
            EXPECT_FALSE(verdict.advice.empty());
            for (const OptionAdvice& option : kOptions) EXPECT_FALSE(advises(verdict, option.start)) << option.start;
            EXPECT_NE(verdict.summary.find("there are more"), std::string::npos) << verdict.summary;
        }
    }
}

// Of those that are not named it is only known which options all of them have, and that none listens.
TEST(Advice, OptionsOfMoreSocketsThanAreNamed) {
    Asked asked{sock("0.0.0.0"), {held_by(2, sock("0.0.0.0", BT_OPT_REUSEADDR, TCP_ESTABLISHED))}};
    asked.not_named = 8;
    EXPECT_FALSE(advises(verdict_on(asked), kReuseaddr));
    EXPECT_TRUE(advises(verdict_on(asked), kReuseaddrBoth));
    asked.common_opts = BT_OPT_REUSEADDR;
    EXPECT_TRUE(advises(verdict_on(asked), kReuseaddr));
    asked.holders[0].raw.sock.opts = asked.common_opts = BT_OPT_REUSEPORT;
    EXPECT_FALSE(advises(verdict_on(asked), kReuseport)) << "whose they are is not known";
}

TEST(Advice, AServerWhoseOldConnectionsBlock) {
    const Holder old = held_by(2, sock("0.0.0.0", 0, TCP_ESTABLISHED));
    EXPECT_TRUE(advises(verdict_on({sock("0.0.0.0"), {old}}), kReuseaddrBoth));
    const bt_sock claimant = sock("0.0.0.0", BT_OPT_REUSEADDR);
    EXPECT_TRUE(advises(verdict_on({claimant, {old}}), kReuseaddrThere));
}

TEST(Advice, SharingOnlyWithOnesOwnUser) {
    const Conflict verdict = verdict_on({sock("0.0.0.0"), {held_by(2, sock("0.0.0.0", BT_OPT_REUSEPORT), 0)}});
    EXPECT_FALSE(advises(verdict, kReuseport));
    EXPECT_TRUE(has(verdict, Factor::reuseport_uid_mismatch));
    EXPECT_EQ(verdict.rule, "SO_REUSEPORT shares only between sockets of one user, and theirs are uid 7 and 0");
}

// An IPv6 socket with an IPv4 address is IPv4: no option of IPv6 parts it from another.
TEST(Advice, MappedAddressesAreIPv4) {
    const Conflict asks = verdict_on({sock("::ffff:127.0.0.1"), {held_by(2, sock("0.0.0.0"))}});
    EXPECT_FALSE(has(asks, Factor::dual_stack));
    EXPECT_EQ(asks.rule,
              "[::ffff:127.0.0.1]:8080 and 0.0.0.0:8080 overlap; a listening socket shares its port with nobody, "
              "SO_REUSEADDR or not");
    const Conflict holds = verdict_on({sock("127.0.0.1"), {held_by(2, sock("::ffff:127.0.0.1"))}});
    EXPECT_FALSE(has(holds, Factor::dual_stack));
    EXPECT_TRUE(holds.rule->starts_with("127.0.0.1:8080 and [::ffff:127.0.0.1]:8080 are the same address; "))
        << *holds.rule;
    const Conflict with_both = verdict_on({sock("::ffff:127.0.0.1"), {held_by(2, sock("::"))}});
    EXPECT_TRUE(has(with_both, Factor::dual_stack));
    EXPECT_TRUE(with_both.rule->starts_with("[::] without IPV6_V6ONLY takes IPv4 addresses too; ")) << *with_both.rule;
}

// A connection that a process still has goes only when that process closes it.
TEST(Advice, WhatIsBeingClosedMayHaveAProcess) {
    constexpr const char* kMinute = "set SO_REUSEADDR on both sockets; until then, wait a minute";
    const Holder alive = held_by(2, sock("0.0.0.0", 0, TCP_CLOSE_WAIT));
    EXPECT_EQ(
        verdict_on({sock("0.0.0.0"), {alive}}).advice,
        std::vector<std::string>{"set SO_REUSEADDR on both sockets; until then, have old[2] close that connection, "
                                 "then start it again"});
    const Holder half_closed = held_by(2, sock("0.0.0.0", 0, TCP_FIN_WAIT2));
    EXPECT_EQ(
        verdict_on({sock("0.0.0.0"), {half_closed}}).advice,
        std::vector<std::string>{"set SO_REUSEADDR on both sockets; until then, have old[2] close that connection, "
                                 "wait a minute, then start it again"});
    Holder orphan = held_by(2, sock("0.0.0.0", 0, TCP_TIME_WAIT));
    orphan.process.reset();
    EXPECT_TRUE(advises(verdict_on({sock("0.0.0.0"), {orphan}}), kMinute));
    orphan.raw.sock.state = orphan.raw.substate = TCP_LAST_ACK;
    EXPECT_FALSE(advises(verdict_on({sock("0.0.0.0"), {orphan}}), kMinute)) << "if the other end is silent";
}

TEST(Advice, AllOwnersAreToLetGo) {
    const Asked asked{sock("0.0.0.0"),
                      {held_by(2, sock("127.0.0.1")), held_by(3, sock("127.0.0.2")), held_by(3, sock("127.0.0.3"))}};
    EXPECT_EQ(verdict_on(asked).advice,
              std::vector<std::string>{"stop old[2], stop old[3], then start it again, or take another port"});
    const Asked first_is_own{sock("0.0.0.0"), {held_by(kOwnPid, sock("127.0.0.1")), held_by(3, sock("127.0.0.2"))}};
    EXPECT_EQ(verdict_on(first_is_own).advice,
              std::vector<std::string>{"close the socket that the process has there already, stop old[3], then start "
                                       "it again, or take another port"});
    const Asked last_is_own{sock("0.0.0.0"), {held_by(3, sock("127.0.0.2")), held_by(kOwnPid, sock("127.0.0.1"))}};
    EXPECT_TRUE(advises(verdict_on(last_is_own), "stop old[3], close the socket that the process has there already"));
    const Asked all_own{sock("0.0.0.0"), {held_by(kOwnPid, sock("127.0.0.1")), held_by(kOwnPid, sock("127.0.0.2"))}};
    EXPECT_TRUE(advises(verdict_on(all_own), "the process has this port open already"));
}

// Who publishes the port of a container is no earlier instance, where both are of one unit.
TEST(Advice, AContainerOfTheSameUnitIsStoppedAsOne) {
    Holder proxy = held_by(2, sock("0.0.0.0"));
    proxy.process->cgroup_path = "/system.slice/ci.service";
    proxy.container.container = Container{.runtime = "docker", .id = "0123", .name = "web", .image = {}};
    proxy.published.emplace().runtime = "docker";
    const Conflict verdict = verdict_on({sock("0.0.0.0"), {proxy}, true, BT_KIND_BIND, "/system.slice/ci.service"});
    EXPECT_TRUE(advises(verdict, "docker stop web")) << verdict.advice.back();
}

Owner process_of(std::uint32_t pid, const char* cgroup = nullptr) {
    Owner owner = *held_by(pid, sock("0.0.0.0")).process;
    if (cgroup != nullptr) owner.cgroup_path = cgroup;
    return owner;
}

// One socket, that several processes have open: all of them are to let go.
TEST(Advice, EachProcessThatHasTheSocketIsToLetGo) {
    Holder shared = held_by(2, sock("0.0.0.0"));
    shared.others = {process_of(3), process_of(4)};
    shared.processes = 3;
    EXPECT_EQ(
        verdict_on({sock("0.0.0.0"), {shared}}).advice,
        std::vector<std::string>{"stop old[2], stop old[3], stop old[4], then start it again, or take another port"});
    shared.processes = 7;
    EXPECT_EQ(verdict_on({sock("0.0.0.0"), {shared}}).advice,
              std::vector<std::string>{
                  "stop old[2], stop old[3], stop old[4], the same for whoever else `bindtrace who 8080` "
                  "shows, then start it again, or take another port"});
    shared.others = {process_of(kOwnPid)};  // which is started again
    shared.processes = 2;
    EXPECT_TRUE(advises(verdict_on({sock("0.0.0.0"), {shared}}), "stop old[2], then start it again"));
}

TEST(Advice, WorkersOfOneServiceOrContainerAreStoppedAsOne) {
    Holder shared = held_by(2, sock("0.0.0.0"));
    shared.process->cgroup_path = "/system.slice/nginx.service";
    shared.others = {process_of(3, "/system.slice/nginx.service"), process_of(4, "/system.slice/nginx.service")};
    shared.processes = 9;
    EXPECT_TRUE(
        advises(verdict_on({sock("0.0.0.0"), {shared}}), "systemctl stop nginx.service, then start it again, or give"));
    for (Owner* owner : {&*shared.process, &shared.others[0], &shared.others[1]})
        owner->cgroup_path = "/system.slice/docker-0123.scope";
    shared.container.container = Container{.runtime = "docker", .id = "0123", .name = "web", .image = {}};
    EXPECT_TRUE(advises(verdict_on({sock("0.0.0.0"), {shared}}), "docker stop web, then start it again"));
}

TEST(Advice, AServiceKeepsTheSocketOfItsSocketUnit) {
    Holder systemd = held_by(1000, sock("0.0.0.0"));
    systemd.process->cgroup_path = "/init.scope";
    systemd.socket_cgroup_path = "/system.slice/web.socket";
    const Conflict alone = verdict_on({sock("0.0.0.0"), {systemd}});
    EXPECT_TRUE(advises(alone, "systemctl disable --now web.socket, then start it again"));
    EXPECT_TRUE(alone.advice.at(1).ends_with("(systemctl edit web.socket)")) << alone.advice.at(1);
    systemd.others = {process_of(3, "/system.slice/web.service")};
    systemd.processes = 2;
    const Conflict both = verdict_on({sock("0.0.0.0"), {systemd}});
    EXPECT_TRUE(advises(both, "systemctl disable --now web.socket, systemctl stop web.service, then start it again"));
    EXPECT_TRUE(both.advice.at(1).ends_with("then systemctl stop web.service, systemctl restart web.socket"))
        << both.advice.at(1);
}

// It had both sockets, and was gone when that was looked at.
TEST(Advice, AProcessThatFailedBecauseOfItself) {
    Holder gone = held_by(kOwnPid, sock("0.0.0.0"));
    gone.raw.sock.inode = 17;
    gone.last_process = std::move(gone.process);
    gone.process.reset();
    gone.last_process_exited = true;
    EXPECT_EQ(verdict_on({sock("0.0.0.0"), {gone}}).advice,
              std::vector<std::string>{
                  "the process has this port open already: let it bind once, or close the first socket"});
}

TEST(Advice, NoneBeginsWithOr) {
    const Holder connected = held_by(2, sock("0.0.0.0", 0, TCP_ESTABLISHED));
    const Conflict verdict = verdict_on({sock("0.0.0.0"), {connected}, true, BT_KIND_AUTOBIND});
    EXPECT_EQ(verdict.advice.size(), 2U);
    EXPECT_FALSE(advises(verdict, "or "));
}

bt_sock datagrams(const char* address, std::uint32_t opts = 0) {
    bt_sock one = sock(address, opts, 7);
    one.protocol = IPPROTO_UDP;
    one.type = SOCK_DGRAM;
    one.remote_port = 0;
    return one;
}

// Two sockets of one address do not both get what is sent there.
TEST(Advice, SharingAnAddressOfOnesOwnComesLastOrNotAtAll) {
    const auto advice = [](const bt_sock& claimant, const bt_sock& holder) {
        return verdict_on({claimant, {held_by(2, holder)}}).advice;
    };
    const auto single = advice(datagrams("127.0.0.1"), datagrams("127.0.0.1", BT_OPT_REUSEADDR));
    EXPECT_EQ(single.size(), 1U) << single.back();
    const auto many = advice(datagrams("224.0.0.251"), datagrams("224.0.0.251", BT_OPT_REUSEADDR));
    EXPECT_TRUE(many.front().starts_with(kReuseaddr)) << many.front();
    const auto any = advice(datagrams("0.0.0.0"), datagrams("0.0.0.0", BT_OPT_REUSEADDR));
    EXPECT_TRUE(any.back().starts_with("where it is for multicast or broadcast alone, set SO_REUSEADDR")) << any.back();
    const auto bound = advice(sock("0.0.0.0"), sock("0.0.0.0", BT_OPT_REUSEADDR, TCP_CLOSE));
    EXPECT_TRUE(bound.front().starts_with("stop old[2]")) << bound.front();
    EXPECT_TRUE(bound.back().starts_with(kReuseaddr)) << bound.back();
}

// 0.0.0.0 against a connection of IPv6.
TEST(Advice, AnIPv6SocketThatWasNotBoundToItsAddress) {
    const Conflict verdict = verdict_on({sock("0.0.0.0"), {held_by(2, sock("::1", 0, TCP_ESTABLISHED))}});
    EXPECT_TRUE(has(verdict, Factor::dual_stack));
    EXPECT_EQ(verdict.rule,
              "0.0.0.0 meets each IPv6 socket without IPV6_V6ONLY, and only a bind to an address sets that by itself: "
              "[::1]:8080 has its address by connect or accept; neither socket set SO_REUSEADDR");
    EXPECT_TRUE(advises(verdict, std::string(kApartThere) + " before bind or connect"));
}

TEST(Advice, ThePortsThatAreReservedStayReserved) {
    Holder client = held_by(2, sock("0.0.0.0", 0, TCP_ESTABLISHED));
    client.raw.flags |= BT_EVENT_EPHEMERAL;
    Asked asked{.claimant = sock("0.0.0.0"), .holders = {client}};
    asked.ephemeral = true;
    EXPECT_TRUE(
        advises(verdict_on(asked), "keep clients off it: add 8080 to net.ipv4.ip_local_reserved_ports (sysctl -w"));
    asked.to_reserve = "8080,9100";
    EXPECT_TRUE(
        advises(verdict_on(asked),
                "keep clients off it: sysctl -w net.ipv4.ip_local_reserved_ports=8080,9100 (and in /etc/sysctl.d), "));
}

TEST(Advice, AContainerIsStoppedByWhoeverMadeIt) {
    const std::vector<std::array<const char*, 3>> cases = {
        {"lxc", "web", "lxc-stop -n web"},
        {"lxd", "web", "lxc stop web"},
        {"incus", "my-shop_web", "incus stop --project my-shop web"},
        {"systemd-nspawn", "web", "machinectl stop web"},
        {"libvirt-lxc", "lxc-7-web", "machinectl terminate lxc-7-web"},
        {"", "web", "stop old[2]"}};
    for (const auto& [runtime, name, stop] : cases) {
        Holder inside = held_by(2, sock("0.0.0.0"));
        inside.container.container = Container{.runtime = runtime, .id = name, .name = name, .image = {}};
        const Conflict verdict = verdict_on({sock("0.0.0.0"), {inside}});
        EXPECT_TRUE(advises(verdict, stop)) << runtime << ": " << verdict.advice.back();
    }
}

TEST(Advice, ConnectionsOutliveTheirProcess) {
    const Asked asked{sock("0.0.0.0"), {held_by(2, sock("0.0.0.0")), held_by(2, sock("0.0.0.0", 0, TCP_ESTABLISHED))}};
    EXPECT_TRUE(advises(verdict_on(asked), "stop old[2], wait a minute, then start it again"));
}

TEST(Advice, NoOptionPartsTwoConnectionsWithTheSameEnds) {
    const Asked asked{
        sock("0.0.0.0"), {held_by(2, sock("0.0.0.0", BT_OPT_REUSEADDR, TCP_TIME_WAIT))}, true, BT_KIND_AUTOBIND};
    EXPECT_FALSE(advises(verdict_on(asked), "set SO_REUSEADDR"));
}

constexpr const char* kDocker = "/system.slice/docker.service";

Holder in_docker(std::uint32_t pid, const char* comm) {
    Holder holder = held_by(pid, sock("0.0.0.0"));
    std::memcpy(holder.process->task.comm, comm, std::strlen(comm) + 1);
    holder.process->cgroup_path = kDocker;
    return holder;
}

bool speaks_of(const Conflict& verdict, const std::string& words) {
    return std::ranges::any_of(verdict.advice, [&](const auto& line) { return line.find(words) != std::string::npos; });
}

// The daemon has all the containers of the machine: it is not to be restarted for the port of one.
TEST(Advice, ForAContainerIsToStartThatAgain) {
    for (const char* who : {"docker-proxy", "dockerd"}) {
        const Conflict verdict = verdict_on(
            {.claimant = sock("0.0.0.0"), .holders = {held_by(2, sock("0.0.0.0"))}, .cgroup = kDocker, .comm = who});
        EXPECT_TRUE(speaks_of(verdict, ", then start the container again")) << who;
        EXPECT_FALSE(speaks_of(verdict, "systemctl")) << who;
    }
}

TEST(Advice, OneContainersProxyIsNoEarlierInstanceOfAnothers) {
    const Conflict verdict = verdict_on({.claimant = sock("0.0.0.0"),
                                         .holders = {in_docker(2, "docker-proxy")},
                                         .cgroup = kDocker,
                                         .comm = "docker-proxy"});
    EXPECT_FALSE(has(verdict, Factor::same_unit));
    EXPECT_TRUE(speaks_of(verdict, "stop the container whose port docker-proxy[2] publishes"));
    EXPECT_FALSE(speaks_of(verdict, "systemctl"));
}

TEST(Advice, WhoPublishesAPortIsNotStoppedWithItsUnit) {
    Holder connection = in_docker(2, "docker-proxy");
    connection.raw.sock.state = TCP_ESTABLISHED;
    connection.raw.sock.remote_port = 443;
    connection.raw.flags |= BT_EVENT_EPHEMERAL;
    for (const Holder& holder : {in_docker(2, "docker-proxy"), connection}) {
        const Conflict verdict = verdict_on({.claimant = sock("0.0.0.0"), .holders = {holder}});
        EXPECT_FALSE(verdict.advice.empty());
        EXPECT_FALSE(speaks_of(verdict, "systemctl"));
    }
}

TEST(Advice, APortOfTheDaemonItselfIsThatOfItsService) {
    Holder api = in_docker(2, "dockerd");
    api.serves_itself = true;
    EXPECT_TRUE(
        speaks_of(verdict_on({.claimant = sock("0.0.0.0"), .holders = {api}}), "systemctl stop docker.service"));
}

TEST(Advice, AUsersManagerIsNotStopped) {
    Holder manager = held_by(2, sock("0.0.0.0"));
    manager.process->cgroup_path = "/user.slice/user-1000.slice/user@1000.service/init.scope";
    manager.process->user = "alice";
    const Conflict verdict = verdict_on({.claimant = sock("0.0.0.0"), .holders = {manager}});
    EXPECT_TRUE(speaks_of(verdict, "systemctl --user -M alice@ disable --now the socket unit")) << verdict.advice.at(0);
}

TEST(Advice, SetsWhatIsSetInTheNetworkNamespaceOfThePort) {
    Asked asked{.claimant = sock("0.0.0.0"), .holders = {}, .netns = "web"};
    asked.claimant.local_port = 0;  // the kernel is to choose, and has none
    EXPECT_TRUE(speaks_of(verdict_on(asked), "sysctl -w in its network namespace"));
    asked.netns = "host";
    EXPECT_TRUE(speaks_of(verdict_on(asked), "(sysctl -w, and in /etc/sysctl.d)"));
}

}  // namespace
}  // namespace bindtrace
