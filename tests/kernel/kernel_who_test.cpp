// SPDX-License-Identifier: MIT
// `bindtrace who` against sockets of this very process and its children: the same on every kernel, whatever the
// strategy.
#include <gtest/gtest.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <list>
#include <set>
#include <string>
#include <vector>

#include "kernel_bindtrace.h"
#include "kernel_socket.h"
#include "send_fd.h"

namespace bindtrace {
namespace {

Answer who_json(std::uint16_t port) {
    return who({"--json", std::to_string(port)});
}

std::uint64_t inode_of(const std::string& path) {
    struct stat status {};
    return stat(path.c_str(), &status) == 0 ? status.st_ino : 0;
}

TEST(Who, NamesAListener) {
    const Socket server(SOCK_STREAM);
    server.set(SOL_SOCKET, SO_REUSEADDR);
    const std::uint16_t port = server.bind();
    server.listen();
    const Answer answer = who_json(port);
    ASSERT_EQ(answer.code, 0) << answer.errors;
    ASSERT_EQ(answer.holders.size(), 1u) << answer.text;
    const Json& holder = answer.holders[0];
    EXPECT_EQ(holder["v"], 1);
    EXPECT_EQ(holder["type"], "holder");
    EXPECT_EQ(holder["proto"], "tcp");
    EXPECT_EQ(holder["family"], "ipv4");
    EXPECT_EQ(holder["state"], "LISTEN");
    EXPECT_EQ(holder["local_addr"], "127.0.0.1");
    EXPECT_EQ(holder["local_port"], port);
    EXPECT_EQ(holder["remote_port"], nullptr);
    EXPECT_EQ(holder["process"]["pid"], getpid());
    EXPECT_EQ(holder["process"]["ppid"], getppid());
    EXPECT_EQ(holder["process"]["comm"], program_invocation_short_name);
    EXPECT_EQ(holder["processes"], 1);
    EXPECT_EQ(holder["sockopt"]["reuseaddr"], true);
    EXPECT_EQ(holder["netns"]["inum"], inode_of("/proc/self/ns/net"));
    EXPECT_EQ(holder["since"], nullptr) << "nobody has seen when";
}

TEST(Who, NamesTheOldestOfThoseThatShareASocketAndCountsThem) {
    const Socket server(SOCK_STREAM);
    const std::uint16_t port = server.bind();
    server.listen();
    const Child one([](int) {}), other([](int) {});
    const Answer answer = who_json(port);
    ASSERT_EQ(answer.holders.size(), 1u) << answer.text;
    EXPECT_EQ(answer.holders[0]["process"]["pid"], getpid());
    EXPECT_EQ(answer.holders[0]["processes"], 3);
}

// A process may have as many descriptors as fs.nr_open says: 2^20, unless somebody has changed it.
TEST(Who, FindsTheLastDescriptorThatAProcessMayHave) {
    constexpr int kLast = (1 << 20) - 1;
    constexpr std::uint16_t kMayNot = 1;
    const Child child([](int out) {
        const rlimit many{.rlim_cur = kLast + 1, .rlim_max = kLast + 1};
        if (setrlimit(RLIMIT_NOFILE, &many) != 0) return tell_port(out, kMayNot);
        Socket server(SOCK_STREAM);
        const std::uint16_t port = server.bind();
        if (dup2(server.fd(), kLast) == kLast) tell_port(out, port);
    });
    if (child.port() == kMayNot) GTEST_SKIP() << "the limit may not be raised here";
    ASSERT_NE(child.port(), 0) << "no such descriptor";
    const Answer answer = who_json(child.port());
    ASSERT_EQ(answer.holders.size(), 1u) << answer.text;
    EXPECT_EQ(answer.holders[0]["process"]["pid"], child.pid());
}

// Descriptors are looked at several at once.
TEST(Who, FindsEachOfNeighbouringDescriptors) {
    constexpr int kLowest = 512, kCount = 16;  // where nobody else has one
    std::list<Socket> servers;
    std::vector<std::string> question = {"--json"};
    std::set<std::uint64_t> bound, told;
    for (int i = 0; i < kCount; ++i) {
        Socket made(SOCK_DGRAM);
        const std::uint16_t port = made.bind();
        ASSERT_EQ(dup2(made.fd(), kLowest + i), kLowest + i);
        servers.emplace_back(kLowest + i, std::in_place);
        question.push_back(std::to_string(port) + "/udp");
        bound.insert(port);
    }
    const Answer answer = who(question);
    for (const Json& holder : answer.holders)
        if (holder["process"].is_object() && holder["process"]["pid"] == getpid())
            told.insert(holder["local_port"].get<std::uint64_t>());
    EXPECT_EQ(told, bound) << answer.text;
}

TEST(Who, TellsEachSocketThatSharesAPort) {
    const Socket one(SOCK_STREAM), other(SOCK_STREAM);
    one.set(SOL_SOCKET, SO_REUSEPORT);
    other.set(SOL_SOCKET, SO_REUSEPORT);
    const std::uint16_t port = one.bind();
    other.bind(port);
    one.listen();
    const Answer answer = who_json(port);
    ASSERT_EQ(answer.holders.size(), 2u) << answer.text;
    EXPECT_EQ(answer.holders[0]["state"], "LISTEN") << "listeners first";
    EXPECT_EQ(answer.holders[1]["state"], "CLOSE") << "bound, and not listening";
    EXPECT_EQ(answer.holders[1]["process"]["pid"], getpid());
}

TEST(Who, FindsTheClientThatHasThePortAsItsSourcePort) {
    const Socket server(SOCK_STREAM), client(SOCK_STREAM);
    const std::uint16_t target = server.bind();
    server.listen();
    client.connect(target);
    const Answer answer = who_json(client.port());
    ASSERT_EQ(answer.holders.size(), 1u) << answer.text;
    const Json& holder = answer.holders[0];
    EXPECT_EQ(holder["state"], "ESTABLISHED");
    EXPECT_EQ(holder["remote_addr"], "127.0.0.1");
    EXPECT_EQ(holder["remote_port"], target);
    EXPECT_EQ(holder["acquired"], "connect");
    EXPECT_EQ(holder["process"]["pid"], getpid());
}

TEST(Who, DoesNotTakeAnAcceptedConnectionForAClient) {
    const Socket server(SOCK_STREAM), client(SOCK_STREAM);
    const std::uint16_t port = server.bind();
    server.listen();
    client.connect(port);
    const Socket accepted(server.accept(), std::in_place);
    const Answer answer = who_json(port);
    ASSERT_EQ(answer.holders.size(), 2u) << answer.text;
    EXPECT_EQ(answer.holders[0]["state"], "LISTEN");
    EXPECT_EQ(answer.holders[1]["state"], "ESTABLISHED");
    EXPECT_EQ(answer.holders[1]["acquired"], nullptr);
}

TEST(Who, FindsTimeWaitAndOrphansWhichHaveNoProcess) {
    const Socket server(SOCK_STREAM);
    const std::uint16_t target = server.bind();
    server.listen();
    Socket client(SOCK_STREAM), orphan(SOCK_STREAM);
    client.connect(target);
    Socket accepted(server.accept(), std::in_place);
    orphan.connect(target);
    const Socket kept(server.accept(), std::in_place);
    const std::uint16_t in_time_wait = client.port(), orphaned = orphan.port();
    client.close();
    accepted.close();
    orphan.close();  // the other end stays open
    usleep(100'000);
    const Answer first = who_json(in_time_wait);
    ASSERT_EQ(first.holders.size(), 1u) << first.text;
    EXPECT_EQ(first.holders[0]["state"], "TIME_WAIT");
    EXPECT_EQ(first.holders[0]["process"], nullptr);
    EXPECT_EQ(first.holders[0]["processes"], 0);
    EXPECT_EQ(first.holders[0]["remote_port"], target);
    const Answer second = who_json(orphaned);
    ASSERT_EQ(second.holders.size(), 1u) << second.text;
    EXPECT_EQ(second.holders[0]["state"], "FIN_WAIT2");
    EXPECT_EQ(second.holders[0]["process"], nullptr);
}

TEST(Who, LooksIntoAllNetworkNamespaces) {
    const Child elsewhere([](int out) {
        if (unshare(CLONE_NEWNET) != 0) _exit(1);
        const Socket sock(SOCK_DGRAM, AF_INET6);
        sockaddr_in6 any{};
        any.sin6_family = AF_INET6;
        if (bind(sock.fd(), reinterpret_cast<sockaddr*>(&any), sizeof(any)) != 0) _exit(1);
        tell_port(out, sock.port());
        (void)!write(out, "x", 1);
        for (;;) pause();
    });
    ASSERT_NE(elsewhere.port(), 0);
    const Answer answer = who({"--json", std::to_string(elsewhere.port()) + "/udp"});
    ASSERT_EQ(answer.holders.size(), 1u) << answer.text;
    const Json& holder = answer.holders[0];
    EXPECT_EQ(holder["proto"], "udp");
    EXPECT_EQ(holder["family"], "ipv6");
    EXPECT_EQ(holder["local_addr"], "::");
    EXPECT_EQ(holder["state"], nullptr) << "UDP has none";
    EXPECT_EQ(holder["process"]["pid"], elsewhere.pid());
    EXPECT_EQ(holder["netns"]["inum"], inode_of("/proc/" + std::to_string(elsewhere.pid()) + "/ns/net"));
}

// A port alone has its slots in the kernel's tables, a range is looked for in all: both must find the same. The end of
// a connection that no process has open, and a socket on its way from one to another, are in the tables alone.
TEST(Who, FindsWhatNoProcessHasOpenInAllNetworkNamespaces) {
    static constexpr std::uint16_t kPort = 18184;
    const auto with_orphan = [](int out) {
        ifreq lo{.ifr_ifrn = {.ifrn_name = "lo"}, .ifr_ifru = {.ifru_flags = IFF_UP}};
        if (unshare(CLONE_NEWNET) != 0) _exit(1);
        const Socket server(SOCK_STREAM);
        Socket client(SOCK_STREAM);
        if (ioctl(server.fd(), SIOCSIFFLAGS, &lo) != 0) _exit(1);
        const std::uint16_t target = server.bind();
        server.listen();
        client.bind(kPort);
        client.connect(target);
        const Socket accepted(server.accept(), std::in_place);
        client.close();
        int ends[2];
        if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) _exit(1);
        {
            const Socket in_flight(SOCK_DGRAM);
            in_flight.bind(kPort);
            if (!send_fd(ends[0], in_flight.fd())) _exit(1);
        }
        tell_port(out, kPort);
        (void)!write(out, "x", 1);
        for (;;) pause();
    };
    std::list<Child> children;
    for (int i = 0; i < 3; ++i) ASSERT_EQ(children.emplace_back(with_orphan).port(), kPort);
    const auto all_have_ended = [] {
        const auto holders = who_json(kPort).holders;
        return std::ranges::count_if(holders, [](const Json& it) { return it["state"] == "FIN_WAIT2"; }) == 3;
    };
    for (int i = 0; i < 100 && !all_have_ended(); ++i) usleep(20'000);
    for (const char* asked : {"18184", "18184-18185"}) {
        const Answer answer = who({"--json", asked});
        std::set<std::uint64_t> ends, in_flight;  // by network namespace
        for (const Json& holder : answer.holders) {
            EXPECT_EQ(holder["process"], nullptr) << asked << ": " << holder;
            const bool is_tcp = holder["proto"] == "tcp";
            EXPECT_EQ(holder["state"], is_tcp ? Json("FIN_WAIT2") : Json()) << asked << ": " << holder;
            (is_tcp ? ends : in_flight).insert(holder["netns"]["inum"].get<std::uint64_t>());
        }
        EXPECT_EQ(answer.holders.size(), 6u) << asked << ": " << answer.text;
        EXPECT_EQ(ends.size(), 3u) << asked << ": " << answer.text;
        EXPECT_EQ(in_flight, ends) << asked << ": " << answer.text;
        EXPECT_EQ(answer.errors, "") << asked;
    }
}

TEST(Who, SaysWhichPortsNobodyHolds) {
    const Socket server(SOCK_STREAM), gone(SOCK_STREAM);
    const std::string held = std::to_string(server.bind());
    const Answer answer = who({"--json", held, held + "/udp"});
    EXPECT_EQ(answer.code, 3);
    EXPECT_EQ(answer.holders.size(), 1u) << answer.text;
    EXPECT_NE(answer.errors.find("nobody holds " + held + "/udp"), std::string::npos) << answer.errors;
    EXPECT_EQ(answer.errors.find("nobody holds " + held + "\n"), std::string::npos) << answer.errors;
}

TEST(Who, TakesRanges) {
    const Socket server(SOCK_STREAM);
    const std::uint16_t port = server.bind();
    const Answer answer = who({"--json", std::to_string(port - 1) + "-" + std::to_string(port + 1) + "/tcp"});
    EXPECT_EQ(answer.code, 0);
    bool found = false;
    for (const Json& holder : answer.holders) found |= holder["local_port"] == port;
    EXPECT_TRUE(found) << answer.text;
}

TEST(Who, ListsWhatListensOrIsBoundWhereNothingIsAsked) {
    const Socket server(SOCK_STREAM), client(SOCK_STREAM), bound(SOCK_DGRAM);
    const std::uint16_t listening = server.bind(), datagram = bound.bind();
    server.listen();
    client.connect(listening);
    const Answer answer = who({"--json"});
    EXPECT_EQ(answer.code, 0);
    std::vector<int> ports;
    for (const Json& holder : answer.holders)
        if (holder["process"].is_object() && holder["process"]["pid"] == getpid())
            ports.push_back(holder["local_port"]);
    EXPECT_NE(std::find(ports.begin(), ports.end(), listening), ports.end()) << answer.text;
    EXPECT_NE(std::find(ports.begin(), ports.end(), datagram), ports.end()) << answer.text;
    EXPECT_EQ(std::find(ports.begin(), ports.end(), client.port()), ports.end()) << "a connection";
}

TEST(Who, PrintsATableThatIsSafeForATerminal) {
    const Child hostile([](int out) {
        prctl(PR_SET_NAME, "\x1b[31mred\n");
        const Socket server(SOCK_STREAM);
        tell_port(out, server.bind());
        server.listen();
        (void)!write(out, "x", 1);
        for (;;) pause();
    });
    const Answer answer = who({std::to_string(hostile.port())});
    EXPECT_EQ(answer.code, 0);
    EXPECT_EQ(answer.text.find('\x1b'), std::string::npos);
    EXPECT_NE(answer.text.find("\\x1b[31mred\\x0a[" + std::to_string(hostile.pid()) + "]"), std::string::npos)
        << answer.text;
    EXPECT_EQ(std::count(answer.text.begin(), answer.text.end(), '\n'), 2) << answer.text;
}

TEST(Who, GathersConnectionsThatDifferInTheirRemoteEndAlone) {
    const Socket server(SOCK_STREAM), one(SOCK_STREAM), other(SOCK_STREAM), third(SOCK_STREAM);
    const std::uint16_t port = server.bind();
    server.listen();
    for (const Socket* client : {&one, &other, &third}) client->connect(port);
    const Socket accepted[] = {Socket(server.accept(), std::in_place), Socket(server.accept(), std::in_place),
                               Socket(server.accept(), std::in_place)};
    const Answer answer = who({std::to_string(port)});
    EXPECT_NE(answer.text.find(" and 2 more  ESTABLISHED"), std::string::npos) << answer.text;
    EXPECT_EQ(std::count(answer.text.begin(), answer.text.end(), '\n'), 3) << answer.text;
}

// More tables of UDP ports than are walked: since 6.2 a network namespace may have one of its own.
TEST(Who, SaysThatThereAreMoreThanItLists) {
    static constexpr const char* kEntries = "/proc/sys/net/ipv4/udp_child_hash_entries";
    static constexpr std::uint16_t kPort = 18183;
    if (access(kEntries, F_OK) != 0) GTEST_SKIP() << "before 6.2 all network namespaces share one table";
    const auto with_own_table = [](int out) {
        if (unshare(CLONE_NEWNET) != 0 || !(std::ofstream(kEntries) << 128).flush() || unshare(CLONE_NEWNET) != 0)
            _exit(1);
        const Socket sock(SOCK_DGRAM);
        sockaddr_in any{};
        any.sin_family = AF_INET;
        any.sin_port = htons(kPort);
        if (bind(sock.fd(), reinterpret_cast<sockaddr*>(&any), sizeof(any)) != 0) _exit(1);
        tell_port(out, kPort);
        (void)!write(out, "x", 1);
        for (;;) pause();
    };
    std::list<Child> children;
    for (int i = 0; i < 2; ++i) ASSERT_EQ(children.emplace_back(with_own_table).port(), kPort);
    const Answer all = who({"--json", std::to_string(kPort)});
    EXPECT_EQ(all.holders.size(), 2u) << all.text;
    EXPECT_EQ(all.errors, "");
    for (int i = 0; i < 3; ++i) ASSERT_EQ(children.emplace_back(with_own_table).port(), kPort);
    const Answer some = who({"--json", std::to_string(kPort)});
    EXPECT_GE(some.holders.size(), 3u) << some.text;
    EXPECT_NE(some.errors.find("there are more than these"), std::string::npos) << some.errors;
}

TEST(Who, RefusesWhatIsNoPort) {
    for (const char* word : {"0", "65536", "http", "9000-8000", "80/", "80/foo", "/tcp", "-1", "80/tcp/udp", ""}) {
        const Answer answer = who({"--", word});
        EXPECT_EQ(answer.code, 2) << word << ": " << answer.errors;
        EXPECT_EQ(answer.text, "") << word;
        EXPECT_FALSE(answer.errors.empty()) << word;
    }
}

}  // namespace
}  // namespace bindtrace
