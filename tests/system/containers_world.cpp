// SPDX-License-Identifier: MIT
#include "containers_world.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>

namespace bindtrace {

Ended shell(const std::string& script, std::chrono::milliseconds deadline) {
    return run({"/bin/sh", "-c", script}, deadline);
}

void must(const std::string& script) {
    const Ended ended = shell(script);
    ASSERT_EQ(ended.code, 0) << script << "\n" << ended.out << ended.errors;
}

std::string as_alice(const std::string& command) {
    return "cd /home/alice && runuser -u alice -- env HOME=/home/alice XDG_RUNTIME_DIR=/run/user/1000 "
           "STORAGE_DRIVER=vfs DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/1000/bus "
           "DOCKER_HOST=unix:///run/user/1000/docker.sock "
           "PATH=/usr/share/docker.io/contrib:/usr/bin:/usr/sbin:/bin:/sbin " +
           command;
}

void Containers::SetUpTestSuite() {
    SystemTest::SetUpTestSuite();
    must(
        "mkdir -p /tmp/image/bin /tmp/image/www /tmp/image/dev /tmp/image/proc /tmp/image/sys && "
        "cp /bin/busybox /tmp/image/bin/ && tar -C /tmp/image -cf /tmp/tiny.tar . && chmod 644 /tmp/tiny.tar");
    // pasta wants a way out.
    must(
        "ip link show dummy0 2>/dev/null || ip link add dummy0 type dummy; ip addr replace 10.9.0.2/24 dev dummy0; "
        "ip link set dummy0 up; ip route replace default via 10.9.0.1");
}

void Containers::make_alice() {
    must(
        "id alice 2>/dev/null || useradd -m -s /bin/bash alice; mkdir -p /home/alice && chown alice: /home/alice && "
        "chmod 666 /dev/net/tun && systemctl start systemd-logind && loginctl enable-linger alice && "
        "systemctl start user@1000.service");
}

bool Containers::has_podman_before_4_4() {
    const std::string told = shell("podman --version").out;  // "podman version 4.3.1"
    int major = 0, minor = 0;
    EXPECT_EQ(std::sscanf(told.c_str(), "podman version %d.%d", &major, &minor), 2) << told;
    return major < 4 || (major == 4 && minor < 4);
}

Json Containers::conflict_at(std::uint16_t port) {
    EXPECT_EQ(take_port(port, true), EADDRINUSE);
    return bind_of(port, "EADDRINUSE")["conflict"];
}

void Containers::expect_apart(const Json& conflict, const char* address, const char* name,
                              std::uint16_t container_port) {
    const Json& holders = conflict["holders"];
    const auto holder =
        std::find_if(holders.begin(), holders.end(), [&](const Json& it) { return it["local_addr"] == address; });
    ASSERT_NE(holder, holders.end()) << address << ": " << conflict;
    EXPECT_EQ((*holder)["container"]["name"], name) << *holder;
    EXPECT_EQ((*holder)["published"]["container_port"], container_port) << *holder;
    EXPECT_EQ((*holder)["published"]["container_gone"], false) << *holder;
}

Json Containers::who(std::uint16_t port) {
    const Ended listed = run_bindtrace({"who", "--json", std::to_string(port)});
    EXPECT_EQ(listed.code, 0) << listed.errors;
    return Json::parse(listed.out.substr(0, listed.out.find('\n')), nullptr, false);
}

bool Containers::advises(const Json& conflict, const std::string& start) {
    const Json& advice = conflict["advice"];
    return std::any_of(advice.begin(), advice.end(),
                       [&](const Json& line) { return line.get<std::string>().starts_with(start); });
}

void Containers::expect_published(const Json& conflict, const char* runtime, const char* name) {
    const Json& holder = conflict["holders"][0];
    EXPECT_TRUE(has(conflict["factors"], "container-published")) << conflict;
    EXPECT_EQ(holder["container"]["runtime"], runtime) << conflict;
    EXPECT_EQ(holder["container"]["name"], name) << conflict;
    EXPECT_EQ(holder["published"]["container_port"], 80) << conflict;
    EXPECT_NE(conflict["summary"].get<std::string>().find(std::string("serving container ") + name), std::string::npos)
        << conflict["summary"];
    EXPECT_NE(conflict["advice"][0].get<std::string>().find(std::string(runtime) + " run -p OTHER:80"),
              std::string::npos)
        << conflict["advice"];
}

}  // namespace bindtrace
