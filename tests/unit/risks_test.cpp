// SPDX-License-Identifier: MIT
// What will go wrong one day, each with what prevents it.
#include "registry/risks.h"

#include "host_state.h"

namespace bindtrace {
namespace {

using Risks = CheckedHost;
using Words = std::vector<std::string>;

const Person kApp = {"app", 812, "/system.slice/app.service"};
const Person kOtherService = {"other", 813, "/system.slice/other.service"};
const Person kSystemd = {"systemd", 1, "/init.scope"};

TEST_F(Risks, OneLineReservesAllPortsThatAClientMayBeGiven) {
    sysctls().ephemeral = {32768, 60999};
    sysctls().reserved = parse_port_set("33001,40000");
    check(R"(
[[port]]
port = "32760-32769"
owner = "free"
[[port]]
port = 33000
owner = "app.service"
[[port]]
port = 40000
owner = "app.service"
[[port]]
port = 8080
owner = "app.service"
)");
    const std::string line = "sysctl -w net.ipv4.ip_local_reserved_ports=32768-32769,33000-33001,40000";
    ASSERT_EQ(risks_of(checked_[0]), Words{"range-overlap"});
    EXPECT_EQ(checked_[0].risks[0].fix, line);
    ASSERT_EQ(risks_of(checked_[1]), Words{"range-overlap"});
    EXPECT_EQ(checked_[1].risks[0].fix, line);
    EXPECT_EQ(checked_[1].risks[0].summary,
              "33000 lies in net.ipv4.ip_local_port_range (32768-60999) and is not reserved: a client may be given it "
              "as its source port");
    EXPECT_EQ(risks_of(checked_[2]), Words{}) << "reserved already";
    EXPECT_EQ(risks_of(checked_[3]), Words{}) << "not in the range";
}

TEST_F(Risks, ANodePortRangeThatOverlapsIsNamedSo) {
    sysctls().ephemeral = {32000, 60999};
    sysctls().reserved = PortSet();
    const CheckedEntry& checked = check_one("port = '30000-32767'\nowner = 'kubelet.service'");
    ASSERT_EQ(risks_of(checked), Words{"range-overlap"});
    EXPECT_EQ(checked.risks[0].summary.find("of the NodePorts 32000-32767 lie in "), 0u) << checked.risks[0].summary;
    EXPECT_EQ(checked.risks[0].fix, "sysctl -w net.ipv4.ip_local_reserved_ports=32000-32767");
}

TEST_F(Risks, TheLineIsForTheNamespaceOfTheEntry) {
    state_.netns["web"] = {7, {}};
    state_.netns["web"].sysctls.ephemeral = {8000, 9000};
    state_.netns["web"].sysctls.reserved = PortSet();
    const CheckedEntry& checked = check_one("port = 8080\nnetns = 'web'\nowner = 'app.service'");
    EXPECT_EQ(checked.risks.at(0).fix, "ip netns exec web sysctl -w net.ipv4.ip_local_reserved_ports=8080");
    state_.netns["host"] = {kNetns, {}};
    state_.netns["host"].sysctls = sysctls() = state_.netns["web"].sysctls;
    check("[[port]]\nport = 8080\nowner = 'free'\n[[port]]\nport = 8081\nowner = 'free'\nnetns = 'host'");
    ASSERT_EQ(risks_of(checked_[1]), Words{"range-overlap"}) << "one namespace with two names: one line";
    EXPECT_EQ(checked_[1].risks[0].fix, "sysctl -w net.ipv4.ip_local_reserved_ports=8080-8081");
}

TEST_F(Risks, APrivilegedPortWithoutTheCapability) {
    sysctls().unprivileged_start = 1024;
    unit("app.service", "[Service]\nUser=app\n");
    const CheckedEntry& checked = check_one("port = 80\nowner = 'app.service'");
    ASSERT_EQ(risks_of(checked), Words{"privileged-port"});
    EXPECT_EQ(checked.risks[0].fix, "systemctl edit app.service: [Service] AmbientCapabilities=CAP_NET_BIND_SERVICE");
    EXPECT_EQ(risks_of(check_one("port = 1024\nowner = 'app.service'")), Words{});
    EXPECT_EQ(risks_of(check_one("port = 80\nowner = 'nosuch.service'")), Words{}) << "not known is no risk";
    EXPECT_EQ(risks_of(check_one("port = 80\nowner = 'user:app'")), Words{"privileged-port"});
    EXPECT_EQ(risks_of(check_one("port = 80\nowner = 'user:root'")), Words{});
    unit("app.service.d/cap.conf", "[Service]\nAmbientCapabilities=CAP_NET_BIND_SERVICE\n");  // as advised
    EXPECT_EQ(risks_of(check_one("port = 80\nowner = 'app.service'")), Words{});
    unit("app.service.d/cap.conf", "");
    unit("app.service", "[Service]\nUser=app\nCapabilityBoundingSet=CAP_CHOWN\n");
    EXPECT_EQ(check_one("port = 80\nowner = 'app.service'").risks.at(0).fix,
              "systemctl edit app.service: [Service] CapabilityBoundingSet=CAP_NET_BIND_SERVICE "
              "AmbientCapabilities=CAP_NET_BIND_SERVICE");
    unit("app.service", "[Service]\nCapabilityBoundingSet=CAP_CHOWN\n");  // root, and nothing more
    const CheckedEntry& bounded = check_one("port = 80\nowner = 'app.service'");
    ASSERT_EQ(risks_of(bounded), Words{"privileged-port"});
    EXPECT_EQ(
        bounded.risks[0].summary,
        "80 is below net.ipv4.ip_unprivileged_port_start (1024), and CapabilityBoundingSet= of app.service leaves "
        "CAP_NET_BIND_SERVICE out");
    EXPECT_EQ(bounded.risks[0].fix, "systemctl edit app.service: [Service] CapabilityBoundingSet=CAP_NET_BIND_SERVICE");
    unit("app.service.d/cap.conf", "[Service]\nCapabilityBoundingSet=CAP_NET_BIND_SERVICE\n");  // as advised
    EXPECT_EQ(risks_of(check_one("port = 80\nowner = 'app.service'")), Words{});
    unit("app.service.d/cap.conf", "");
    unit("app.service", "[Service]\nUser=app\n");
    has(by(held({"0.0.0.0", 80, IPPROTO_TCP, TCP_CLOSE}), kApp));
    EXPECT_EQ(risks_of(check_one("port = 80\nowner = 'app.service'")), Words{}) << "it could bind it";
    state_.held.sockets.clear();
    unit("app.socket", "[Socket]\nListenStream=80\n");
    EXPECT_EQ(risks_of(check_one("port = 80\nowner = 'app.service'")), Words{}) << "systemd binds it";
}

TEST_F(Risks, ASocketUnitWithoutItsService) {
    has(made_for(by(held({"::", 80}), kSystemd), "/system.slice/web.socket"));
    const CheckedEntry& checked = check_one("port = 80\nowner = 'web.service'");
    EXPECT_EQ(checked.status, PortStatus::ok);
    ASSERT_EQ(risks_of(checked), Words{"socket-without-service"});
    EXPECT_EQ(checked.risks[0].fix, "systemctl start web.service (systemctl status web.service tells why it stopped)");
    EXPECT_EQ(check_one("port = 80\nowner = 'app.service'").risks.at(0).fix, "systemctl disable --now web.socket");
    unit("web.socket", "[Socket]\nListenStream=80\nAccept=yes\n");
    EXPECT_EQ(risks_of(check_one("port = 80\nowner = 'web.socket'")), Words{}) << "each connection has its own service";
    unit("web.socket", "[Socket]\nListenStream=80\n");
    has(by(state_.held.sockets[0], {"web", 900, "/system.slice/web.service"}));
    state_.held.sockets.erase(state_.held.sockets.begin());
    EXPECT_EQ(risks_of(check_one("port = 80\nowner = 'web.service'")), Words{}) << "it runs";
}

TEST_F(Risks, TwoUnitsThatDeclareOnePort) {
    unit("app.socket", "[Socket]\nListenStream=8080\n");
    EXPECT_EQ(risks_of(check_one("port = 8080\nowner = 'app.service'")), Words{});
    unit("other.socket", "[Socket]\nListenStream=127.0.0.1:8080\n");
    const CheckedEntry& checked = check_one("port = 8080\nowner = 'app.service'");
    ASSERT_EQ(risks_of(checked), Words{"declared-twice"});
    EXPECT_EQ(checked.risks[0].summary,
              "app.socket and other.socket both declare tcp 8080: whichever starts second fails");
    EXPECT_EQ(checked.risks[0].fix, "systemctl disable --now other.socket");
    EXPECT_EQ(risks_of(check_one("port = 8080\nproto = 'udp'\nowner = 'app.service'")), Words{});
    EXPECT_EQ(risks_of(check_one("port = 8080\naddress = '10.0.0.1'\nowner = 'app.service'")), Words{});
    EXPECT_EQ(risks_of(check_one("port = 8080\nowner = 'third.service'")), (Words{"declared-twice", "declared-twice"}));
    EXPECT_EQ(checked_[0].risks[0].summary,
              "app.socket declares tcp 8080, which the registry gives to third.service: whichever starts second fails");
    state_.netns["host"] = {kNetns + 1, {}};
    EXPECT_EQ(risks_of(check_one("port = 8080\nowner = 'app.service'")), Words{}) << "the units are elsewhere";
}

TEST_F(Risks, AnotherOnesDualStackSocketShadowsIPv4) {
    has(by(held({"::", 8080}), kOtherService));
    const CheckedEntry& checked = check_one("port = 8080\naddress = '0.0.0.0'\nowner = 'app.service'");
    EXPECT_EQ(checked.status, PortStatus::taken);
    ASSERT_EQ(risks_of(checked), Words{"dual-stack-shadow"});
    EXPECT_NE(checked.risks[0].fix.find("IPV6_V6ONLY"), std::string::npos);
    state_.held.sockets = {by(held({"0.0.0.0", 8080}), kApp),
                           with(by(held({"::", 8080}), kOtherService), BT_OPT_V6ONLY)};
    EXPECT_EQ(risks_of(check_one("port = 8080\nowner = 'app.service'")), Words{"dual-stack-shadow"});
    EXPECT_EQ(checked_[0].status, PortStatus::taken);
    EXPECT_EQ(risks_of(check_one("port = 8080\naddress = '0.0.0.0'\nowner = 'app.service'")), Words{});
}

TEST_F(Risks, SomebodyElseSharesThePort) {
    has(with(by(held({"0.0.0.0", 8080}), kApp), BT_OPT_REUSEPORT));
    has(with(by(held({"0.0.0.0", 8080}), kOtherService), BT_OPT_REUSEPORT));
    const CheckedEntry& checked = check_one("port = 8080\nowner = 'app.service'");
    EXPECT_EQ(checked.status, PortStatus::taken);
    ASSERT_EQ(risks_of(checked), Words{"reuseport-shared"});
    EXPECT_EQ(checked.risks[0].summary,
              "other[813] of other.service shares 0.0.0.0:8080 with app.service by SO_REUSEPORT: it gets a part of the "
              "traffic");
    EXPECT_EQ(risks_of(check_one("port = 8080\nowner = ['app.service', 'other.service']")), Words{})
        << "the registry says so";
    EXPECT_EQ(checked_[0].status, PortStatus::ok);
}

TEST_F(Risks, AWildcardWhereTheRegistrySaysOneAddress) {
    has(by(held({"0.0.0.0", 8080}), kApp));
    const CheckedEntry& checked = check_one("port = 8080\naddress = '127.0.0.1'\nowner = 'app.service'");
    EXPECT_EQ(checked.status, PortStatus::ok);
    ASSERT_EQ(risks_of(checked), Words{"wildcard-exposed"});
    EXPECT_EQ(checked.risks[0].fix, "have app.service bind 127.0.0.1:8080");
    EXPECT_EQ(risks_of(check_one("port = 8080\naddress = '0.0.0.0'\nowner = 'app.service'")), Words{});
    EXPECT_EQ(risks_of(check_one("port = 8080\nowner = 'app.service'")), Words{});
    state_.held.sockets[0] = made_for(state_.held.sockets[0], "/system.slice/app.socket");
    EXPECT_EQ(check_one("port = 8080\naddress = '127.0.0.1'\nowner = 'app.service'").risks.at(0).fix,
              "systemctl edit app.socket: [Socket] ListenStream= and ListenStream=127.0.0.1:8080");
    state_.held.sockets = {
        made_for(by(held({"0.0.0.0", 8080, IPPROTO_UDP, TCP_CLOSE}), kApp), "/system.slice/app.socket")};
    EXPECT_EQ(check_one("port = 8080\nproto = 'udp'\naddress = '127.0.0.1'\nowner = 'app.service'").risks.at(0).fix,
              "systemctl edit app.socket: [Socket] ListenDatagram= and ListenDatagram=127.0.0.1:8080");
}

}  // namespace
}  // namespace bindtrace
