// SPDX-License-Identifier: MIT
#include "registry/unit_files.h"

#include <gtest/gtest.h>
#include <netinet/in.h>

#include <filesystem>
#include <string>
#include <vector>

#include "model/endpoint.h"
#include "temp_dir.h"

namespace bindtrace {
namespace {

std::vector<std::string> places_of(const SocketUnit& unit) {
    std::vector<std::string> texts;
    for (const bt_sock& place : unit.places) {
        std::string text = place.protocol == IPPROTO_UDP ? "udp " : "tcp ";
        append_endpoint(text, place.family, place.local_addr, place.local_port);
        if ((place.opts & BT_OPT_V6ONLY) != 0) text += " v6only";
        texts.push_back(text);
    }
    return texts;
}

using Texts = std::vector<std::string>;

TEST(UnitFiles, TellsThePortsOfSocketUnits) {
    const TempDir root;
    root.write("usr/lib/systemd/system/web.socket",
               "# ListenStream=1\n[Unit]\nListenStream=2\n[Socket]\nListenStream = 8080\nListenStream=10.0.0.1:81\n"
               "ListenDatagram=[::1]:53\nListenStream=/run/web\nListenStream=@web\nListenStream=vsock:2:80\n"
               "ListenStream=70000\nListenStream=[fe80::1]:82%eth0\n");
    const UnitFiles units(root.path());
    ASSERT_EQ(units.sockets().size(), 1u);
    const SocketUnit& web = units.sockets()[0];
    EXPECT_EQ(web.service, "web.service");
    EXPECT_FALSE(web.per_connection);
    EXPECT_EQ(places_of(web), (Texts{"tcp [::]:8080", "tcp 10.0.0.1:81", "tcp [fe80::1]:82", "udp [::1]:53"}));
}

TEST(UnitFiles, FollowsPrecedenceDropInsAndMasks) {
    const TempDir root;
    root.write("usr/lib/systemd/system/a.socket", "[Socket]\nListenStream=1\n");
    root.write("etc/systemd/system/a.socket", "[Socket]\nListenStream=2\nAccept=yes\nBindIPv6Only=ipv6-only\n");
    root.write("run/systemd/system/a.socket.d/20.conf", "[Socket]\nListenStream=\nListenStream=3\n");
    root.write("etc/systemd/system/a.socket.d/10.conf", "[Socket]\nListenStream=\\\n4\n");
    root.write("usr/lib/systemd/system/a.socket.d/20.conf", "[Socket]\nListenStream=5\n");
    root.write("usr/lib/systemd/system/masked.socket", "[Socket]\nListenStream=6\n");
    root.write("usr/lib/systemd/system/template@.socket", "[Socket]\nListenStream=7\n");
    root.write("usr/lib/systemd/system/named.socket", "[Socket]\nListenStream=8\nService=other.service\n");
    std::filesystem::create_symlink("/dev/null", root / "etc/systemd/system/masked.socket");
    const UnitFiles units(root.path());
    ASSERT_EQ(units.sockets().size(), 2u);
    EXPECT_EQ(places_of(units.sockets()[0]), Texts{"tcp [::]:3 v6only"});
    EXPECT_EQ(units.sockets()[0].service, "a@.service");
    EXPECT_TRUE(units.sockets()[0].per_connection);
    EXPECT_EQ(units.sockets()[1].service, "other.service");
}

TEST(UnitFiles, AnInstanceThatIsEnabledHasThePortsOfItsTemplate) {
    const TempDir root;
    root.write("usr/lib/systemd/system/app@.socket", "[Socket]\nListenStream=127.0.0.1:%i\nListenDatagram=[::1]:5%I\n");
    root.write("etc/systemd/system/app@81.socket.d/x.conf", "[Socket]\nAccept=yes\n");
    root.write("usr/lib/systemd/system/off@.socket", "[Socket]\nListenStream=1\n");
    std::filesystem::create_directories(root / "etc/systemd/system/sockets.target.wants");
    for (const char* name : {"app@80.socket", "app@81.socket"})
        std::filesystem::create_symlink("/usr/lib/systemd/system/app@.socket",
                                        root / "etc/systemd/system/sockets.target.wants" / name);
    const UnitFiles units(root.path());
    ASSERT_EQ(units.sockets().size(), 2u);
    EXPECT_EQ(units.sockets()[0].name, "app@80.socket");
    EXPECT_EQ(units.sockets()[0].service, "app@80.service");
    EXPECT_EQ(places_of(units.sockets()[0]), (Texts{"tcp 127.0.0.1:80", "udp [::1]:580"}));
    EXPECT_EQ(units.sockets()[1].service, "app@.service");
    EXPECT_TRUE(units.sockets()[1].per_connection);
}

TEST(UnitFiles, DropInsOfTheTypeAndOfThePrefixCountAfterItsOwn) {
    const TempDir root;
    root.write("usr/lib/systemd/system/web-shop.socket", "[Socket]\nListenStream=1\nListenDatagram=1\n");
    root.write("etc/systemd/system/web-.socket.d/10.conf", "[Socket]\nListenStream=2\n");
    root.write("etc/systemd/system/socket.d/10.conf", "[Socket]\nListenStream=9\n");
    root.write("etc/systemd/system/socket.d/20.conf", "[Socket]\nBindIPv6Only=ipv6-only\n");
    EXPECT_EQ(places_of(UnitFiles(root.path()).sockets()[0]),
              (Texts{"tcp [::]:1 v6only", "tcp [::]:2 v6only", "udp [::]:1 v6only"}));
    root.write("run/systemd/system/web-shop.socket.d/10.conf", "[Socket]\nListenStream=\nListenStream=3\n");
    EXPECT_EQ(places_of(UnitFiles(root.path()).sockets()[0]), Texts{"tcp [::]:3 v6only"}) << "of datagrams too";
}

TEST(UnitFiles, GeneratedUnitsCountAndMaskedOnesDoNot) {
    const TempDir root;
    root.write("run/systemd/generator/made.socket", "[Socket]\nListenStream=1\n");
    root.write("run/systemd/generator.late/late.socket", "[Socket]\nListenStream=2\n");
    root.write("usr/lib/systemd/system/late.socket", "[Socket]\nListenStream=3\n");
    root.write("run/systemd/generator.early/early.socket", "[Socket]\nListenStream=4\n");
    root.write("etc/systemd/system/early.socket", "[Socket]\nListenStream=5\n");
    root.write("usr/lib/systemd/system/empty.socket", "[Socket]\nListenStream=6\n");
    root.write("etc/systemd/system/empty.socket", "");
    root.write("run/systemd/generator/gone.socket", "[Socket]\nListenStream=7\n");
    std::filesystem::create_symlink("/dev/null", root / "etc/systemd/system/gone.socket");
    std::filesystem::create_symlink("made.socket", root / "etc/systemd/system/alias.socket");
    Texts all;
    const UnitFiles units(root.path());
    for (const SocketUnit& unit : units.sockets()) all.push_back(unit.name + " " + places_of(unit).at(0));
    EXPECT_EQ(all, (Texts{"early.socket tcp [::]:4", "late.socket tcp [::]:3", "made.socket tcp [::]:1"}));
}

TEST(UnitFiles, KnowsAliasesAndInstances) {
    const TempDir root;
    root.write("lib/systemd/system/ssh.service", "[Service]\nUser=nobody\n");
    root.write("lib/systemd/system/app@.service",
               "[Service]\nDynamicUser=yes\nAmbientCapabilities=CAP_CHOWN CAP_NET_BIND_SERVICE\n");
    std::filesystem::create_directories(root / "etc/systemd/system");
    std::filesystem::create_symlink("/lib/systemd/system/ssh.service", root / "etc/systemd/system/sshd.service");
    const UnitFiles units(root.path());
    EXPECT_EQ(units.canonical("sshd.service"), "ssh.service");
    EXPECT_EQ(units.canonical("nosuch.service"), "nosuch.service");
    EXPECT_EQ(units.service("ssh.service")->user, "nobody");
    EXPECT_FALSE(units.service("ssh.service")->may_bind_low());
    EXPECT_TRUE(units.service("app@1.service")->may_bind_low());
    EXPECT_FALSE(units.service("nosuch.service"));
    EXPECT_EQ(template_of("app@a.b.service"), "app@.service");
    EXPECT_FALSE(template_of("app@.service"));
    EXPECT_FALSE(template_of("app.service"));
}

TEST(UnitFiles, ReadsSwitchesAsSystemdDoes) {
    for (const char* word : {"1", "yes", "YES", "y", "Y", "true", "True", "t", "T", "on", "ON"}) {
        const TempDir root;
        root.write("etc/systemd/system/a.socket", std::string("[Socket]\nListenStream=1\nAccept=") + word + "\n");
        EXPECT_TRUE(UnitFiles(root.path()).sockets()[0].per_connection) << word;
    }
    for (const char* word : {"0", "no", "n", "false", "f", "off", "nonsense", "yess"}) {
        const TempDir root;
        root.write("etc/systemd/system/a.socket", std::string("[Socket]\nListenStream=1\nAccept=") + word + "\n");
        EXPECT_FALSE(UnitFiles(root.path()).sockets()[0].per_connection) << word;
    }
}

TEST(UnitFiles, ReadsCapabilitiesAsSystemdDoes) {
    const auto may_bind_low = [](const std::string& settings) {
        const TempDir root;
        root.write("etc/systemd/system/a.service", "[Service]\n" + settings);
        return UnitFiles(root.path()).service("a.service")->may_bind_low();
    };
    EXPECT_TRUE(may_bind_low(""));
    EXPECT_FALSE(may_bind_low("CapabilityBoundingSet=CAP_CHOWN CAP_KILL\n"));
    EXPECT_TRUE(may_bind_low("CapabilityBoundingSet=CAP_CHOWN cap_net_bind_service\n"));
    EXPECT_TRUE(may_bind_low("CapabilityBoundingSet=10\n"));
    EXPECT_TRUE(may_bind_low("CapabilityBoundingSet=CAP_CHOWN\nCapabilityBoundingSet=CAP_NET_BIND_SERVICE\n"));
    EXPECT_FALSE(may_bind_low("CapabilityBoundingSet=~CAP_NET_BIND_SERVICE\n"));
    EXPECT_TRUE(may_bind_low("CapabilityBoundingSet=~CAP_CHOWN\n"));
    EXPECT_FALSE(may_bind_low("CapabilityBoundingSet=CAP_KILL\nCapabilityBoundingSet=~CAP_CHOWN\n"));
    EXPECT_FALSE(may_bind_low("CapabilityBoundingSet=\n"));
    EXPECT_TRUE(may_bind_low("CapabilityBoundingSet=CAP_KILL\nCapabilityBoundingSet=~\n"));
    EXPECT_FALSE(may_bind_low("User=a\nCapabilityBoundingSet=CAP_KILL\nAmbientCapabilities=CAP_NET_BIND_SERVICE\n"));
    EXPECT_FALSE(may_bind_low("User=a\nAmbientCapabilities=CAP_KILL\nAmbientCapabilities=~CAP_CHOWN\n"));
    EXPECT_TRUE(may_bind_low("User=a\nAmbientCapabilities=CAP_NET_BIND_SERVICE\n"));
    EXPECT_FALSE(may_bind_low("User=a\nAmbientCapabilities=CAP_NET_BIND_SERVICE_TOO\n"));
    EXPECT_FALSE(may_bind_low("User=a\nAmbientCapabilities=CAP_NET_BIND_SERVICE\nAmbientCapabilities=\n"));
}

}  // namespace
}  // namespace bindtrace
