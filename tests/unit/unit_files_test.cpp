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
    EXPECT_FALSE(units.service("ssh.service")->may_bind_low);
    EXPECT_TRUE(units.service("app@1.service")->may_bind_low);
    EXPECT_FALSE(units.service("nosuch.service"));
    EXPECT_EQ(template_of("app@a.b.service"), "app@.service");
    EXPECT_FALSE(template_of("app@.service"));
    EXPECT_FALSE(template_of("app.service"));
}

}  // namespace
}  // namespace bindtrace
