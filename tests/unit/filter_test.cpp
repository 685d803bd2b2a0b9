// SPDX-License-Identifier: MIT
#include "filter/filter.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bindtrace {
namespace {

using Ranges = std::vector<std::pair<std::uint16_t, std::uint16_t>>;

Ranges ports(std::string_view text) {
    const auto parsed = parse_ports(text);
    EXPECT_TRUE(parsed) << text << ": " << (parsed ? "" : parsed.error().what);
    return parsed ? *parsed : Ranges{};
}

bool has_port(const bt_config& config, unsigned port) {
    return (config.port_bits[port / 64] >> (port % 64) & 1) != 0;
}

TEST(ParsePorts, TakesPortsAndRanges) {
    EXPECT_EQ(ports("8080"), (Ranges{{8080, 8080}}));
    EXPECT_EQ(ports("1"), (Ranges{{1, 1}}));
    EXPECT_EQ(ports("65535"), (Ranges{{65535, 65535}}));
    EXPECT_EQ(ports("1-65535"), (Ranges{{1, 65535}}));
    EXPECT_EQ(ports("9000-9000"), (Ranges{{9000, 9000}}));
    EXPECT_EQ(ports("8080,9000-9100,53"), (Ranges{{8080, 8080}, {9000, 9100}, {53, 53}}));
    EXPECT_EQ(ports("80,80,79-81"), (Ranges{{80, 80}, {80, 80}, {79, 81}}));
}

TEST(ParsePorts, RefusesAllElseAndSaysWhich) {
    const std::vector<std::pair<std::string, std::string>> bad = {
        {"", "''"},
        {"0", "'0'"},
        {"65536", "'65536'"},
        {"80,65536", "'65536'"},
        {"-1", "'-1'"},
        {"80-", "'80-'"},
        {"-80", "'-80'"},
        {"-", "'-'"},
        {"9-3", "'9-3'"},
        {"0-5", "'0-5'"},
        {"5-65536", "'5-65536'"},
        {"1-2-3", "'1-2-3'"},
        {"abc", "'abc'"},
        {"80x", "'80x'"},
        {"x80", "'x80'"},
        {"8 0", "'8 0'"},
        {" 80", "' 80'"},
        {"80 ", "'80 '"},
        {"80, 81", "' 81'"},
        {",", "''"},
        {"80,", "''"},
        {",80", "''"},
        {"80,,81", "''"},
        {"80;81", "'80;81'"},
        {"+80", "'+80'"},
        {"0x50", "'0x50'"},
        {"http", "'http'"},
        {"8080.5", "'8080.5'"},
        {"1e3", "'1e3'"},
        {"4294967376", "'4294967376'"},
        {"99999999999999999999", "'9999"},
    };
    for (const auto& [text, named] : bad) {
        const auto parsed = parse_ports(text);
        ASSERT_FALSE(parsed) << text;
        EXPECT_TRUE(parsed.error().what.starts_with("--port: ")) << parsed.error().what;
        EXPECT_NE(parsed.error().what.find(named), std::string::npos) << text << ": " << parsed.error().what;
        EXPECT_FALSE(parsed.error().hint.empty());
    }
}

TEST(ParsePorts, TellsAReversedRangeFromOtherNonsense) {
    EXPECT_NE(parse_ports("9-3").error().what.find("ends before it begins"), std::string::npos);
    EXPECT_NE(parse_ports("70000-3").error().what.find("not a port"), std::string::npos);
}

TEST(ParseProtocols, GivesBits) {
    const std::vector<std::pair<std::string, std::uint32_t>> good = {
        {"tcp", BT_PROTO_TCP},
        {"udp", BT_PROTO_UDP},
        {"tcp,udp", BT_PROTO_TCP | BT_PROTO_UDP},
        {"tcp,tcp", BT_PROTO_TCP},
        {"raw,icmp,sctp,mptcp,udplite",
         BT_PROTO_RAW | BT_PROTO_ICMP | BT_PROTO_SCTP | BT_PROTO_MPTCP | BT_PROTO_UDPLITE}};
    for (const auto& [text, bits] : good) {
        const auto parsed = parse_protocols(text);
        ASSERT_TRUE(parsed) << text;
        EXPECT_EQ(*parsed, bits) << text;
    }
}

TEST(ParseProtocols, RefusesAllElse) {
    for (const std::string text : {"", ",", "tcp,", "foo", "TCP", "tcp udp", "tcp, udp", "6", "other", "tcp,foo"}) {
        const auto parsed = parse_protocols(text);
        ASSERT_FALSE(parsed) << text;
        EXPECT_TRUE(parsed.error().what.starts_with("--proto: ")) << parsed.error().what;
    }
    EXPECT_NE(parse_protocols("tcp,foo").error().what.find("'foo'"), std::string::npos);
}

TEST(ParseKinds, GivesBits) {
    const auto all = parse_kinds("bind,listen,autobind,state,release");
    ASSERT_TRUE(all);
    EXPECT_EQ(*all, kDefaultKinds | 1u << BT_KIND_STATE);
    const auto one = parse_kinds("state");
    ASSERT_TRUE(one);
    EXPECT_EQ(*one, 1u << BT_KIND_STATE);
}

TEST(ParseKinds, RefusesAllElse) {
    for (const std::string text : {"", ",", "bind,", "foo", "Bind", "loss", "meta", "bind listen", "bind,foo"}) {
        const auto parsed = parse_kinds(text);
        ASSERT_FALSE(parsed) << text;
        EXPECT_TRUE(parsed.error().what.starts_with("--events: ")) << parsed.error().what;
    }
    EXPECT_NE(parse_kinds("bind,foo").error().what.find("'foo'"), std::string::npos);
}

TEST(KernelConfig, LetsEverythingThroughByDefault) {
    const bt_config config = Filter{}.kernel_config();
    EXPECT_EQ(config.kinds, 1u << BT_KIND_BIND | 1u << BT_KIND_LISTEN | 1u << BT_KIND_AUTOBIND | 1u << BT_KIND_RELEASE);
    EXPECT_EQ(config.protocols, 0u);
    EXPECT_EQ(config.pid, 0u);
    EXPECT_EQ(config.netns, 0u);
    EXPECT_FALSE(config.has_uid || config.has_cgroup || config.has_ports || config.failed_only || config.no_ephemeral);
}

TEST(KernelConfig, CarriesEachFilter) {
    Filter filter;
    filter.kinds = 1u << BT_KIND_STATE;
    filter.protocols = BT_PROTO_UDP;
    filter.pid = 12;
    filter.netns = 4026531840;
    filter.uid = 1000;
    filter.parent_cgroup = "/sys/fs/cgroup/x";
    filter.failed_only = true;
    filter.no_ephemeral = true;
    const bt_config config = filter.kernel_config();
    EXPECT_EQ(config.kinds, 1u << BT_KIND_STATE);
    EXPECT_EQ(config.protocols, BT_PROTO_UDP);
    EXPECT_EQ(config.pid, 12u);
    EXPECT_EQ(config.netns, 4026531840);
    EXPECT_TRUE(config.has_uid);
    EXPECT_EQ(config.uid, 1000u);
    EXPECT_TRUE(config.has_cgroup && config.failed_only && config.no_ephemeral);
    EXPECT_FALSE(config.has_ports);
}

TEST(KernelConfig, TellsRootFromNoUserAtAll) {
    Filter filter;
    EXPECT_FALSE(filter.kernel_config().has_uid);
    filter.uid = 0;
    EXPECT_TRUE(filter.kernel_config().has_uid);
}

TEST(KernelConfig, SetsExactlyTheBitsOfThePorts) {
    Filter filter;
    filter.ports = {{1, 1}, {63, 65}, {8080, 8080}, {65534, 65535}};
    const bt_config config = filter.kernel_config();
    EXPECT_TRUE(config.has_ports);
    for (unsigned port = 0; port <= 65535; ++port) {
        const bool wanted = port == 1 || (port >= 63 && port <= 65) || port == 8080 || port >= 65534;
        ASSERT_EQ(has_port(config, port), wanted) << port;
    }
    filter.ports = {{1, 65535}};  // must come to an end
    EXPECT_FALSE(has_port(filter.kernel_config(), 0));
    EXPECT_TRUE(has_port(filter.kernel_config(), 65535));
}

// What the kernel leaves to matches().
class Matches : public testing::Test {
  protected:
    Matches() {
        event_.kind = BT_KIND_BIND;
        event_.flags = BT_EVENT_HAS_TASK;
        std::strcpy(event_.task.comm, "nginx");
    }

    void request(const char* address) {
        event_.flags |= BT_EVENT_HAS_REQUEST;
        event_.addr_family = set(address, event_.addr);
    }
    void hold(const char* address, std::uint16_t port) {
        event_.flags |= BT_EVENT_HAS_SOCK;
        event_.sock.family = set(address, event_.sock.local_addr);
        event_.sock.local_port = port;
    }
    void connect(const char* address, std::uint16_t port) {
        event_.flags |= BT_EVENT_HAS_SOCK;
        event_.sock.family = set(address, event_.sock.remote_addr);
        event_.sock.remote_port = port;
    }
    bool by_comm(const char* comm) const {
        Filter filter;
        filter.comm = comm;
        return filter.matches(event_, Context{});
    }
    bool by_address(const char* cidr) const {
        Filter filter;
        filter.address = Cidr::parse(cidr);
        EXPECT_TRUE(filter.address) << cidr;
        return filter.matches(event_, Context{});
    }

    Event event_{};

  private:
    static std::uint16_t set(const char* address, std::uint8_t* to) {
        const std::uint16_t family = std::strchr(address, ':') != nullptr ? AF_INET6 : AF_INET;
        EXPECT_EQ(inet_pton(family, address, to), 1) << address;
        return family;
    }
};

TEST_F(Matches, EverythingWithoutAFilter) {
    EXPECT_TRUE(Filter{}.matches(event_, Context{}));
    EXPECT_TRUE(Filter{}.matches(Event{}, Context{}));
}

TEST_F(Matches, CommExactly) {
    EXPECT_TRUE(by_comm("nginx"));
    for (const char* other : {"", "ngin", "nginx:", "Nginx", "nginx\n"}) EXPECT_FALSE(by_comm(other)) << other;
    std::memcpy(event_.task.comm, "fifteen-chars-x", BT_COMM_LEN);
    EXPECT_TRUE(by_comm("fifteen-chars-x"));
    EXPECT_FALSE(by_comm("fifteen-chars-"));
}

TEST_F(Matches, NoCommWithoutATask) {
    event_.flags = 0;
    EXPECT_FALSE(by_comm("nginx"));
    std::memset(event_.task.comm, 0, sizeof(event_.task.comm));
    EXPECT_FALSE(by_comm(""));
}

TEST_F(Matches, TheAddressAskedFor) {
    request("10.1.2.3");
    for (const char* cidr : {"10.1.2.3", "10.0.0.0/8", "0.0.0.0/0", "10.1.2.2/31"})
        EXPECT_TRUE(by_address(cidr)) << cidr;
    for (const char* cidr : {"10.1.2.4", "11.0.0.0/8", "::/0"}) EXPECT_FALSE(by_address(cidr)) << cidr;
}

TEST_F(Matches, TheAddressHeld) {
    request("0.0.0.0");
    hold("10.1.2.3", 8080);
    EXPECT_TRUE(by_address("10.1.2.3"));
    event_.sock.local_port = 0;  // nothing is held
    EXPECT_FALSE(by_address("10.1.2.3"));
}

TEST_F(Matches, TheAddressConnectedTo) {
    hold("10.1.2.3", 40000);
    connect("192.168.7.7", 443);
    EXPECT_TRUE(by_address("192.168.0.0/16"));
    EXPECT_TRUE(by_address("10.0.0.0/8"));
    EXPECT_FALSE(by_address("172.16.0.0/12"));
    event_.sock.remote_port = 0;  // not connected
    EXPECT_FALSE(by_address("192.168.0.0/16"));
}

TEST_F(Matches, NoAddressThatIsNotKnown) {
    EXPECT_FALSE(by_address("0.0.0.0/0"));  // neither request nor socket: zeros are no address
    event_.addr_family = AF_INET;
    EXPECT_FALSE(by_address("0.0.0.0/0"));
    event_.flags |= BT_EVENT_HAS_SOCK;
    event_.sock.family = AF_INET;
    EXPECT_FALSE(by_address("0.0.0.0/0"));
}

TEST_F(Matches, DualStackSocketsByTheirIpv4Address) {
    hold("::ffff:10.1.2.3", 8080);
    EXPECT_TRUE(by_address("10.0.0.0/8"));
    EXPECT_TRUE(by_address("::/0"));
    EXPECT_FALSE(by_address("11.0.0.0/8"));
}

TEST_F(Matches, CommAndAddressTogether) {
    request("10.1.2.3");
    Filter filter;
    filter.comm = "nginx";
    filter.address = Cidr::parse("10.0.0.0/8");
    EXPECT_TRUE(filter.matches(event_, Context{}));
    filter.comm = "curl";
    EXPECT_FALSE(filter.matches(event_, Context{}));
    filter.comm = "nginx";
    filter.address = Cidr::parse("11.0.0.0/8");
    EXPECT_FALSE(filter.matches(event_, Context{}));
}

// A unit's cgroup is another directory after each start, at the same path.
TEST(Filter, TakesACgroupByItsPathWithItsDescendants) {
    Filter filter;
    filter.cgroup = "/system.slice/x.service";
    Context context;
    for (const char* inside : {"/system.slice/x.service", "/system.slice/x.service/worker"}) {
        context.cgroup_path = inside;
        EXPECT_TRUE(filter.matches(Event{}, context)) << inside;
    }
    for (const char* outside : {"/", "/system.slice", "/system.slice/x.service2", "/user.slice/x.service"}) {
        context.cgroup_path = outside;
        EXPECT_FALSE(filter.matches(Event{}, context)) << outside;
    }
    context.cgroup_path.reset();
    EXPECT_TRUE(filter.matches(Event{}, context));
}

TEST(Filter, TakesASocketUnitByWhoMadeTheSocket) {
    Filter filter;
    filter.cgroup = "/system.slice/x.socket";
    Context context;
    context.cgroup_path = "/app.slice/x.service";
    context.socket_cgroup_path = "/system.slice/x.socket";
    EXPECT_FALSE(filter.matches(Event{}, context)) << "a cgroup is that of the task";
    filter.counts_sockets = true;
    EXPECT_TRUE(filter.matches(Event{}, context));
    context.socket_cgroup_path = "/system.slice/x.socket2";
    EXPECT_FALSE(filter.matches(Event{}, context));
}

TEST(Filter, KnowsUnitsContainersAndNamespacesByName) {
    const std::string id(64, 'b');
    const ContainerFacts web{.container = Container{.runtime = "docker", .id = id, .name = "web", .image = {}},
                             .pod = {}};
    Context context, other;
    context.place.unit = "x.service";
    context.container = &web;
    context.netns_name = "web";

    Filter unit;
    unit.unit = "x.service";
    EXPECT_TRUE(unit.matches(Event{}, context));
    EXPECT_FALSE(unit.matches(Event{}, other));
    other.socket_unit = "x.socket";
    unit.unit = "x.socket";
    EXPECT_TRUE(unit.matches(Event{}, other)) << "systemd makes the socket for it";

    for (const std::string& word : {std::string("web"), id, id.substr(0, 12)}) {
        Filter container;
        container.container = word;
        EXPECT_TRUE(container.matches(Event{}, context)) << word;
        EXPECT_FALSE(container.matches(Event{}, other)) << word;
    }
    for (const std::string& word : {std::string("we"), id.substr(0, 11), id + "b"}) {
        Filter container;
        container.container = word;
        EXPECT_FALSE(container.matches(Event{}, context)) << word;
    }
    Filter netns;
    netns.netns_name = "web";
    EXPECT_TRUE(netns.matches(Event{}, context));
    EXPECT_FALSE(netns.matches(Event{}, other));
}

TEST(Question, HasAPortARangeOrAProtocol) {
    const auto all = parse_question("9000-9100/udp");
    ASSERT_TRUE(all);
    EXPECT_EQ(all->first_port, 9000);
    EXPECT_EQ(all->last_port, 9100);
    EXPECT_EQ(all->protocol, "udp");
    EXPECT_EQ(all->text, "9000-9100/udp");
    const auto port = parse_question("65535");
    ASSERT_TRUE(port);
    EXPECT_EQ(port->first_port, 65535);
    EXPECT_EQ(port->last_port, 65535);
    EXPECT_EQ(port->protocol, "");
    for (const char* bad : {"", "/", "/tcp", "0", "65536", "80/", "80/xyz", "80/tcp/tcp", "90-80", "1-", "-1", " 80"})
        EXPECT_FALSE(parse_question(bad)) << bad;
}

}  // namespace
}  // namespace bindtrace
