// SPDX-License-Identifier: MIT
// Refused ports as systemd makes them, on a machine with systemd as process 1 (tools/guest run --systemd SUITE): what
// bindtrace says of each, and that what it advises works.
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <string>

#include "system_world.h"

namespace bindtrace {
namespace {

using namespace std::chrono_literals;

class Systemd : public SystemTest {};

TEST_F(Systemd, ASocketUnitHasThePortOfAServiceThatDoesNotRun) {
    unit("web.socket", "[Socket]\nListenStream=8081\n");
    unit("web.service", "[Service]\nExecStart=/bin/sleep infinity\n");
    ASSERT_EQ(systemctl({"start", "web.socket"}), 0);
    const Json made = bind_of(8081, "ok");
    EXPECT_EQ(made["cgroup"]["path"], "/system.slice/web.socket");
    EXPECT_EQ(made["socket"]["cgroup_path"], "/system.slice/web.socket");

    EXPECT_EQ(take_port(8081, true), EADDRINUSE);
    const Json conflict = bind_of(8081, "EADDRINUSE")["conflict"];
    EXPECT_EQ(conflict["cause"], "listener");
    EXPECT_TRUE(has(conflict["factors"], "socket-activated")) << conflict["factors"];
    const Json& holder = conflict["holders"][0];
    EXPECT_EQ(holder["socket_unit"], "web.socket");
    EXPECT_EQ(made["socket_unit"], "web.socket");
    EXPECT_EQ(holder["process"]["pid"], 1);
    EXPECT_EQ(holder["process"]["comm"], "systemd");
    EXPECT_EQ(holder["acquired"], "inherited") << "a child of process 1 bound it, and is gone";
    EXPECT_EQ(conflict["advice"][0].get<std::string>().find("systemctl disable --now web.socket"), 0u) << conflict;

    const Ended who = run_bindtrace({"who", "--json", "8081"});
    EXPECT_EQ(who.code, 0);
    const Json listed = Json::parse(who.out, nullptr, false);
    EXPECT_EQ(listed["socket_unit"], "web.socket") << who.out;
    EXPECT_EQ(listed["process"]["pid"], 1) << who.out;

    ASSERT_EQ(systemctl({"disable", "--now", "web.socket"}), 0);  // as advised
    EXPECT_EQ(take_port(8081, true), 0);
}

TEST_F(Systemd, ASocketUnitThatFailsIsNamedItself) {
    int held = -1;
    ASSERT_EQ(take_port(8082, true, &held), 0);
    unit("late.socket", "[Socket]\nListenStream=0.0.0.0:8082\n");
    unit("late.service", "[Service]\nExecStart=/bin/sleep infinity\n");
    EXPECT_NE(systemctl({"start", "late.socket"}), 0);
    const Json refused = bind_of(8082, "EADDRINUSE");
    EXPECT_EQ(refused["cgroup"]["path"], "/system.slice/late.socket");
    EXPECT_EQ(refused["unit"], "late.socket");
    EXPECT_EQ(refused["unit_type"], "socket");
    EXPECT_EQ(refused["socket_unit"], "late.socket");
    EXPECT_EQ(refused["conflict"]["holders"][0]["process"]["pid"], getpid());
    ::close(held);
    EXPECT_EQ(systemctl({"start", "late.socket"}), 0);
}

TEST_F(Systemd, ASocketUnitMakesRoomForAnother) {
    unit("room.socket", "[Socket]\nListenStream=8092\n");
    unit("room.service", "[Service]\nExecStart=/bin/sleep infinity\n");
    ASSERT_EQ(systemctl({"start", "room.socket"}), 0);
    bind_of(8092, "ok");
    EXPECT_EQ(take_port(8092, true), EADDRINUSE);
    const Json conflict = bind_of(8092, "EADDRINUSE")["conflict"];
    EXPECT_TRUE(has(conflict["factors"], "dual-stack")) << conflict["factors"];
    EXPECT_EQ(conflict["holders"][0]["local_addr"], "::");
    EXPECT_TRUE(
        has(conflict["advice"], "BindIPv6Only=ipv6-only in a drop-in of room.socket, so that it takes IPv6 alone"))
        << conflict["advice"];
    EXPECT_TRUE(has(conflict["advice"],
                    "keep the unit and move its port: ListenStream= and then ListenStream=OTHER in a drop-in "
                    "(systemctl edit room.socket)"))
        << conflict["advice"];
    for (const char* setting : {"BindIPv6Only=ipv6-only", "ListenStream=\nListenStream=8192"}) {
        drop_in("room.socket", std::string("[Socket]\n") + setting + "\n");  // as advised
        ASSERT_EQ(systemctl({"restart", "room.socket"}), 0);
        EXPECT_EQ(take_port(8092, true), 0) << setting;
    }
    bind_of(8192, "ok");

    unit("dns.socket", "[Socket]\nListenDatagram=0.0.0.0:8093\n");
    unit("dns.service", "[Service]\nExecStart=/bin/sleep infinity\n");
    ASSERT_EQ(systemctl({"start", "dns.socket"}), 0);
    EXPECT_EQ(take_port(8093, false, nullptr, SOCK_DGRAM), EADDRINUSE);
    const Json datagrams = bind_of(8093, "EADDRINUSE")["conflict"];
    EXPECT_TRUE(has(datagrams["advice"],
                    "keep the unit and move its port: ListenDatagram= and then ListenDatagram=OTHER in a drop-in "
                    "(systemctl edit dns.socket)"))
        << datagrams["advice"];
    drop_in("dns.socket", "[Socket]\nListenDatagram=\nListenDatagram=0.0.0.0:8193\n");  // as advised
    ASSERT_EQ(systemctl({"restart", "dns.socket"}), 0);
    EXPECT_EQ(take_port(8093, false, nullptr, SOCK_DGRAM), 0);
}

TEST_F(Systemd, TheOldInstanceOfTheUnitIsStillThere) {
    unit("old.service", service("--child-listens 8083", "KillMode=process"));
    ASSERT_EQ(systemctl({"start", "old.service"}), 0);
    const Json first = bind_of(8083, "ok");
    ASSERT_EQ(systemctl({"restart", "old.service"}), 0);  // ends the parent and leaves the child
    const Json conflict = bind_of(8083, "EADDRINUSE")["conflict"];
    EXPECT_TRUE(has(conflict["factors"], "same-unit")) << conflict["factors"];
    EXPECT_EQ(conflict["holders"][0]["unit"], "old.service");
    EXPECT_EQ(conflict["holders"][0]["process"]["pid"], first["process"]["pid"]);
    EXPECT_EQ(conflict["advice"][0],
              "an earlier instance of old.service is still there: wait for it to end, or end it: systemctl kill "
              "old.service, then systemctl restart old.service");
    ASSERT_EQ(systemctl({"kill", "old.service"}), 0);  // as advised
    ASSERT_EQ(systemctl({"restart", "old.service"}), 0);
    bind_of(8083, "ok");
    EXPECT_EQ(run({"/usr/bin/systemctl", "kill", "--kill-whom=all", "old.service"}).code, 0);
}

TEST_F(Systemd, SocketBindDenyIsADenial) {
    if (run({"/bin/systemctl", "--version"}).out.find("-BPF_FRAMEWORK") != std::string::npos)
        GTEST_SKIP() << "Debian 12's systemd was built without it";
    unit("deny.service", service("--bind 8084", "Type=oneshot\nSocketBindDeny=ipv4:tcp:8084"));
    EXPECT_NE(systemctl({"start", "deny.service"}), 0);
    const Json refused = bind_of(8084, "EPERM");
    EXPECT_EQ(refused["cgroup"]["path"], "/system.slice/deny.service");
    EXPECT_EQ(refused["conflict"]["cause"], "denied");
    EXPECT_NE(refused["conflict"]["advice"][0].get<std::string>().find("SocketBindDeny= in deny.service"),
              std::string::npos);
    EXPECT_NE(refused["conflict"]["advice"][0].get<std::string>().find("SocketBindAllow=8084"), std::string::npos);
    drop_in("deny.service", "[Service]\nSocketBindAllow=8084\n");  // as advised
    EXPECT_EQ(systemctl({"start", "deny.service"}), 0);
}

TEST_F(Systemd, APrivilegedPortNeedsACapabilityInTheUnit) {
    unit("low.service", service("--bind 80", "Type=oneshot\nUser=nobody"));
    EXPECT_NE(systemctl({"start", "low.service"}), 0);
    const Json conflict = bind_of(80, "EACCES")["conflict"];
    EXPECT_EQ(conflict["cause"], "privileged-port");
    EXPECT_EQ(conflict["advice"][0], "AmbientCapabilities=CAP_NET_BIND_SERVICE in a drop-in of low.service");
    drop_in("low.service", "[Service]\nAmbientCapabilities=CAP_NET_BIND_SERVICE\n");
    EXPECT_EQ(systemctl({"start", "low.service"}), 0);
    EXPECT_EQ(bind_of(80, "ok")["process"]["user"], "nobody");
}

TEST_F(Systemd, ARestartLoopIsCounted) {
    int held = -1;
    ASSERT_EQ(take_port(8085, true, &held), 0);
    unit("loop.service",
         "[Unit]\nStartLimitIntervalSec=0\n" + service("--bind 8085", "Restart=on-failure\nRestartSec=200ms"));
    ASSERT_EQ(systemctl({"start", "loop.service"}), 0);
    for (int failures = 1; failures <= 4; ++failures) {
        const Json conflict = bind_of(8085, "EADDRINUSE")["conflict"];
        EXPECT_EQ(conflict["failures"], failures);
        EXPECT_EQ(has(conflict["factors"], "restart-loop"), failures >= 3) << conflict["factors"];
        EXPECT_NE(conflict["advice"][0].get<std::string>().find("systemctl restart loop.service"), std::string::npos)
            << conflict["advice"];
    }
    ::close(held);
    bind_of(8085, "ok");
}

TEST_F(Systemd, APersonsSessionIsTold) {
    make_user("ada", "1001");
    ASSERT_EQ(systemctl({"start", "systemd-logind.service"}), 0);
    // Logged in as a console does it, but for the password.
    unit("desk.service", service("--listen 8086", "PAMName=login\nUser=ada"));
    ASSERT_EQ(systemctl({"start", "desk.service"}), 0);
    const Json made = bind_of(8086, "ok");
    const std::string session = word_of(made, "session");
    ASSERT_NE(session, "") << made["cgroup"];
    EXPECT_EQ(made["unit"], "session-" + session + ".scope");
    EXPECT_EQ(made["cgroup"]["path"], "/user.slice/user-1001.slice/session-" + session + ".scope");
    EXPECT_EQ(take_port(8086, true), EADDRINUSE);
    const Json conflict = bind_of(8086, "EADDRINUSE")["conflict"];
    EXPECT_TRUE(has(conflict["factors"], "user-session")) << conflict["factors"];
    EXPECT_EQ(conflict["holders"][0]["unit"], made["unit"]);
    EXPECT_EQ(conflict["holders"][0]["session"], session);
    EXPECT_NE(conflict["advice"].dump().find("ask ada to stop " + word_of(made["process"], "comm")), std::string::npos)
        << conflict["advice"];
    kill(made["process"]["pid"], SIGTERM);  // as advised
    const auto deadline = std::chrono::steady_clock::now() + 60s;
    while (take_port(8086, true) != 0 && std::chrono::steady_clock::now() < deadline) usleep(100'000);
    EXPECT_EQ(take_port(8086, true), 0);
}

TEST_F(Systemd, AUnitThatStartsLaterIsPickedUp) {
    Bindtrace later({"--json", "--unit", "later"});
    ASSERT_TRUE(later.attached());
    unit("sooner.service", service("--bind 8090", "Type=oneshot"));
    unit("later.service", service("--bind 8091", "Type=oneshot"));
    ASSERT_EQ(systemctl({"start", "sooner.service", "later.service"}), 0);
    const auto of_port = [](int port) { return [port](const Line& line) { return line.json["port"] == port; }; };
    EXPECT_NE(later.wait_for(of_port(8091), 60s), nullptr);
    const Bindtrace::Output output = later.stop(SIGINT);
    EXPECT_TRUE(std::none_of(output.lines.begin(), output.lines.end(), of_port(8090))) << "of another unit";
    EXPECT_NE(output.errors.find("no 'later.service' is running"), std::string::npos) << output.errors;
}

TEST_F(Systemd, ANetworkNamespaceIsCalledByItsUnit) {
    unit("private.service", service("--listen 8088", "PrivateNetwork=yes"));
    ASSERT_EQ(systemctl({"start", "private.service"}), 0);
    const Json made = bind_of(8088, "ok");
    EXPECT_EQ(made["unit"], "private.service");
    EXPECT_EQ(made["unit_type"], "service");
    EXPECT_EQ(made["slice"], "system.slice");
    EXPECT_EQ(made["netns"]["name"], "private.service");
    EXPECT_EQ(made["container"], nullptr);
}

}  // namespace
}  // namespace bindtrace
