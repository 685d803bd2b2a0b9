// SPDX-License-Identifier: MIT
// Filters on the socket and on what happened: each keeps and each drops.
#include <cerrno>

#include "live_filter.h"

namespace bindtrace {
namespace {

TEST_F(FilterTest, NoneShowsAllDefaultEvents) {
    EXPECT_EQ(told({},
                   [] {
                       Socket server(Kind::tcp);
                       EXPECT_EQ(server.bind("127.0.0.1", 18080), 0);
                       EXPECT_EQ(server.listen(), 0);
                       Socket client(Kind::udp);
                       EXPECT_EQ(client.connect("127.0.0.1", 9), 0);
                       client.close();
                       server.close();
                   }),
              (Words{"bind tcp 127.0.0.1:18080 ok", "listen tcp 127.0.0.1:18080 ok",
                     "autobind udp 127.0.0.1:ephemeral -> 127.0.0.1:9 ok", "release udp 127.0.0.1:ephemeral",
                     "release tcp 127.0.0.1:18080"}));
}

TEST_F(FilterTest, PortsAndRanges) {
    EXPECT_EQ(told_by_kernel({"--port", "18080,19000-19002"},
                             [] {
                                 for (const int port : {18079, 18080, 18081, 18999, 19000, 19001, 19002, 19003})
                                     EXPECT_EQ(bind_and_close("127.0.0.1", static_cast<std::uint16_t>(port)), 0);
                                 EXPECT_EQ(bind_and_close("::1", 18080, Kind::udp), 0);
                             }),
              (Words{"bind tcp 127.0.0.1:18080 ok", "release tcp 127.0.0.1:18080", "bind tcp 127.0.0.1:19000 ok",
                     "release tcp 127.0.0.1:19000", "bind tcp 127.0.0.1:19001 ok", "release tcp 127.0.0.1:19001",
                     "bind tcp 127.0.0.1:19002 ok", "release tcp 127.0.0.1:19002", "bind udp ::1:18080 ok",
                     "release udp ::1:18080"}));
}

// A port filter never hides a failure on that port, although the socket holds none.
TEST_F(FilterTest, PortsKeepTheFailureOnTheRequestedPort) {
    EXPECT_EQ(told_by_kernel({"--port", "18080"},
                             [] {
                                 Socket holder(Kind::tcp);
                                 Socket other(Kind::tcp);
                                 EXPECT_EQ(holder.bind("127.0.0.1", 18080), 0);
                                 EXPECT_EQ(other.bind("127.0.0.1", 18081), 0);
                                 EXPECT_EQ(bind_and_close("127.0.0.1", 18080), EADDRINUSE);
                                 EXPECT_EQ(bind_and_close("127.0.0.1", 18081), EADDRINUSE);
                                 EXPECT_EQ(bind_and_close("192.0.2.1", 18080), EADDRNOTAVAIL);
                                 EXPECT_EQ(bind_and_close("192.0.2.1", 18081), EADDRNOTAVAIL);
                             }),
              (Words{"bind tcp 127.0.0.1:18080 ok", "bind tcp 127.0.0.1:18080 EADDRINUSE",
                     "bind tcp 192.0.2.1:18080 EADDRNOTAVAIL", "release tcp 127.0.0.1:18080"}));
    ASSERT_EQ(events_.size(), 4u);
    for (const std::size_t failed : {1u, 2u}) {
        EXPECT_EQ(events_[failed]["port"], 18080);
        EXPECT_TRUE(events_[failed]["local_port"].is_null()) << events_[failed];
    }
}

TEST_F(FilterTest, PortsKeepTheEphemeralPortThatWasTaken) {
    Netns& netns = netns_;
    std::uint16_t port = 0;
    netns.run([&] {  // find out which port comes, then free it again
        Socket probe(Kind::udp);
        EXPECT_EQ(probe.bind("127.0.0.1", 0), 0);
        port = probe.local_port();
    });
    const Words told_now = told_by_kernel({"--port", std::to_string(port)}, [&] {
        EXPECT_EQ(run({"/bin/sh", "-c",
                       "echo " + std::to_string(port) + " " + std::to_string(port + 1) +
                           " > /proc/sys/net/ipv4/ip_local_port_range"})
                      .code,
                  0);
        for (int i = 0; i < 2; ++i) {  // one of them gets it, since there are but two
            Socket first(Kind::udp);
            Socket second(Kind::udp);
            EXPECT_EQ(first.bind("127.0.0.1", 0), 0);
            EXPECT_EQ(second.bind("127.0.0.1", 0), 0);
        }
    });
    EXPECT_EQ(told_now, (Words{"bind udp 127.0.0.1:0 ok", "release udp 127.0.0.1:ephemeral", "bind udp 127.0.0.1:0 ok",
                               "release udp 127.0.0.1:ephemeral"}));
    for (const Json& event : events_) EXPECT_EQ(event["local_port"], port);
}

TEST_F(FilterTest, Protocols) {
    const auto provoke = [] {
        EXPECT_EQ(bind_and_close("127.0.0.1", 18080, Kind::tcp), 0);
        EXPECT_EQ(bind_and_close("127.0.0.1", 18081, Kind::udp), 0);
        run({"/bin/sh", "-c", "echo 0 2147483647 > /proc/sys/net/ipv4/ping_group_range"});
        EXPECT_EQ(bind_and_close("127.0.0.1", 18082, Kind::icmp), 0);
    };
    EXPECT_EQ(told_by_kernel({"--proto", "udp"}, provoke),
              (Words{"bind udp 127.0.0.1:18081 ok", "release udp 127.0.0.1:18081"}));
    EXPECT_EQ(told_by_kernel({"--proto", "tcp,icmp"}, provoke),
              (Words{"bind tcp 127.0.0.1:18080 ok", "release tcp 127.0.0.1:18080", "bind icmp 127.0.0.1:18082 ok",
                     "release icmp 127.0.0.1:18082"}));
    EXPECT_EQ(told_by_kernel({"--proto", "raw,sctp"}, provoke), Words{});
}

TEST_F(FilterTest, Failed) {
    EXPECT_EQ(told_by_kernel({"--failed"},
                             [] {
                                 Socket holder(Kind::tcp);
                                 EXPECT_EQ(holder.bind("127.0.0.1", 18080), 0);
                                 EXPECT_EQ(holder.listen(), 0);
                                 EXPECT_EQ(bind_and_close("127.0.0.1", 18080), EADDRINUSE);
                                 EXPECT_EQ(bind_and_close("127.0.0.1", 18081), 0);
                                 Socket udp(Kind::udp);
                                 EXPECT_EQ(udp.listen(), EOPNOTSUPP);
                             }),
              (Words{"bind tcp 127.0.0.1:18080 EADDRINUSE", "listen udp - EOPNOTSUPP"}));
}

TEST_F(FilterTest, EventKinds) {
    const auto provoke = [] {
        Socket server(Kind::tcp);
        EXPECT_EQ(server.bind("127.0.0.1", 18080), 0);
        EXPECT_EQ(server.listen(), 0);
        Socket client(Kind::udp);
        EXPECT_EQ(client.connect("127.0.0.1", 9), 0);
    };
    const std::map<std::string, Words> kinds = {
        {"bind", {"bind tcp 127.0.0.1:18080 ok"}},
        {"listen", {"listen tcp 127.0.0.1:18080 ok"}},
        {"autobind", {"autobind udp 127.0.0.1:ephemeral -> 127.0.0.1:9 ok"}},
        {"release", {"release udp 127.0.0.1:ephemeral", "release tcp 127.0.0.1:18080"}},
        {"state", {"state tcp CLOSE > LISTEN", "state tcp LISTEN > CLOSE"}},
        {"listen,bind", {"bind tcp 127.0.0.1:18080 ok", "listen tcp 127.0.0.1:18080 ok"}},
    };
    for (const auto& [words, expected] : kinds)
        EXPECT_EQ(told_by_kernel({"--events", words}, provoke), expected) << "--events " << words;
}

TEST_F(FilterTest, NoEphemeral) {
    const auto provoke = [] {
        EXPECT_EQ(bind_and_close("127.0.0.1", 0), 0);
        EXPECT_EQ(bind_and_close("127.0.0.1", 0, Kind::udp), 0);
        Socket client(Kind::udp);
        EXPECT_EQ(client.connect("127.0.0.1", 9), 0);
        client.close();
        EXPECT_EQ(bind_and_close("127.0.0.1", 18080), 0);
    };
    EXPECT_EQ(told_by_kernel({"--no-ephemeral"}, provoke),
              (Words{"bind tcp 127.0.0.1:18080 ok", "release tcp 127.0.0.1:18080"}));
    EXPECT_EQ(told_by_kernel({}, provoke).size(), 8u);
}

TEST_F(FilterTest, Addresses) {
    const auto provoke = [] {
        Socket server(Kind::tcp);
        EXPECT_EQ(server.bind("127.0.0.2", 18080), 0);
        EXPECT_EQ(bind_and_close("127.1.0.1", 18081), 0);
        EXPECT_EQ(bind_and_close("::1", 18082), 0);
        EXPECT_EQ(bind_and_close("192.0.2.1", 18083), EADDRNOTAVAIL);
        Socket client(Kind::udp);
        EXPECT_EQ(client.connect("127.2.0.1", 9), 0);
    };
    const std::map<std::string, Words> networks = {
        {"127.0.0.2", {"bind tcp 127.0.0.2:18080 ok", "release tcp 127.0.0.2:18080"}},
        {"127.1.0.0/16", {"bind tcp 127.1.0.1:18081 ok", "release tcp 127.1.0.1:18081"}},
        {"::1", {"bind tcp ::1:18082 ok", "release tcp ::1:18082"}},
        {"192.0.2.0/24", {"bind tcp 192.0.2.1:18083 EADDRNOTAVAIL"}},  // only asked for
        {"127.2.0.1/32",                                               // only connected to
         {"autobind udp 127.0.0.1:ephemeral -> 127.2.0.1:9 ok"}},
        {"10.0.0.0/8", {}},
    };
    for (const auto& [network, expected] : networks) {
        Words actual = told({"--addr", network, "--events", "bind,listen,autobind,release"}, provoke);
        // Whether the end of a connected UDP socket knows the remote end depends on the strategy.
        if (network == "127.2.0.1/32")
            std::erase_if(actual, [](const std::string& it) { return it.starts_with("release"); });
        EXPECT_EQ(actual, expected) << "--addr " << network;
    }
}

TEST_F(FilterTest, AllTogether) {
    EXPECT_EQ(told_by_kernel({"--port", "18080", "--proto", "tcp", "--failed", "--events", "bind", "--uid", "0"},
                             [] {
                                 Socket tcp(Kind::tcp);
                                 Socket udp(Kind::udp);
                                 EXPECT_EQ(tcp.bind("127.0.0.1", 18080), 0);
                                 EXPECT_EQ(udp.bind("127.0.0.1", 18080), 0);
                                 EXPECT_EQ(bind_and_close("127.0.0.1", 18080, Kind::udp), EADDRINUSE);
                                 EXPECT_EQ(bind_and_close("127.0.0.1", 18080, Kind::tcp), EADDRINUSE);
                                 EXPECT_EQ(bind_and_close("192.0.2.1", 18081, Kind::tcp), EADDRNOTAVAIL);
                             }),
              (Words{"bind tcp 127.0.0.1:18080 EADDRINUSE"}));
}

}  // namespace
}  // namespace bindtrace
