// SPDX-License-Identifier: MIT
// Ports that real runtimes publish, on a machine that has them (tools/guest run --containers): who is said to stand
// behind each.
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>

#include "system_world.h"

namespace bindtrace {
namespace {

using namespace std::chrono_literals;

constexpr const char* kServer = "/bin/busybox httpd -f -h /www -p ";

Ended shell(const std::string& script, std::chrono::milliseconds deadline = 200s) {
    return run({"/bin/sh", "-c", script}, deadline);
}

void must(const std::string& script) {
    const Ended ended = shell(script);
    ASSERT_EQ(ended.code, 0) << script << "\n" << ended.out << ended.errors;
}

// A container, the port that it has published, and bindtrace.
class Containers : public SystemTest {
  protected:
    static void SetUpTestSuite() {
        SystemTest::SetUpTestSuite();
        must(
            "mkdir -p /tmp/image/bin /tmp/image/www && cp /bin/busybox /tmp/image/bin/ && "
            "tar -C /tmp/image -cf /tmp/tiny.tar . && chmod 644 /tmp/tiny.tar");
        // pasta wants a way out.
        must(
            "ip link show dummy0 2>/dev/null || ip link add dummy0 type dummy; ip addr replace 10.9.0.2/24 dev dummy0; "
            "ip link set dummy0 up; ip route replace default via 10.9.0.1");
    }

    // What is said of a port that somebody has.
    static Json conflict_at(std::uint16_t port) {
        EXPECT_EQ(take_port(port, true), EADDRINUSE);
        return bind_of(port, "EADDRINUSE")["conflict"];
    }

    static Json who(std::uint16_t port) {
        const Ended listed = run_bindtrace({"who", "--json", std::to_string(port)});
        EXPECT_EQ(listed.code, 0) << listed.errors;
        return Json::parse(listed.out.substr(0, listed.out.find('\n')), nullptr, false);
    }

    static bool advises(const Json& conflict, const std::string& start) {
        const Json& advice = conflict["advice"];
        return std::any_of(advice.begin(), advice.end(),
                           [&](const Json& line) { return line.get<std::string>().starts_with(start); });
    }

    static void expect_published(const Json& conflict, const char* runtime, const char* name) {
        const Json& holder = conflict["holders"][0];
        EXPECT_TRUE(has(conflict["factors"], "container-published")) << conflict;
        EXPECT_EQ(holder["container"]["runtime"], runtime) << conflict;
        EXPECT_EQ(holder["container"]["name"], name) << conflict;
        EXPECT_NE(conflict["summary"].get<std::string>().find(std::string("serving container ") + name),
                  std::string::npos)
            << conflict["summary"];
        EXPECT_NE(conflict["advice"][0].get<std::string>().find(std::string(runtime) + " run -p"), std::string::npos)
            << conflict["advice"];
    }
};

class Docker : public Containers {
  protected:
    static void SetUpTestSuite() {
        Containers::SetUpTestSuite();
        must("systemctl start docker.service && docker import /tmp/tiny.tar tiny:1");
    }
    static void TearDownTestSuite() {
        shell("docker rm -f $(docker ps -aq); systemctl stop docker.service docker.socket containerd.service");
        Containers::TearDownTestSuite();
    }
};

TEST_F(Docker, APublishedPortLeadsToItsContainer) {
    must(std::string("docker run -d --name web -p 8080:80 tiny:1 ") + kServer + "80");
    EXPECT_EQ(bind_of(80, "ok")["container"]["runtime"], "docker") << "the server's own bind";
    const Json conflict = conflict_at(8080);
    expect_published(conflict, "docker", "web");
    const Json& holder = conflict["holders"][0];
    EXPECT_EQ(holder["process"]["comm"], "docker-proxy");
    EXPECT_EQ(holder["unit"], "docker.service");
    EXPECT_EQ(holder["container"]["image"], "tiny:1");
    EXPECT_EQ(holder["published"]["host_port"], 8080);
    EXPECT_EQ(holder["published"]["container_port"], 80);

    EXPECT_EQ(who(8080)["container"]["name"], "web");
    const Ended table = run_bindtrace({"who", "8080"});
    EXPECT_NE(table.out.find("container web port 80"), std::string::npos) << table.out;

    const Json inside = who(80);
    EXPECT_EQ(inside["container"]["name"], "web") << inside;
    EXPECT_EQ(inside["netns"]["name"], "web") << inside;
    EXPECT_EQ(inside["published"], nullptr) << inside;

    must("docker stop -t 1 web");  // as advised
    EXPECT_EQ(take_port(8080, true), 0);
}

TEST_F(Docker, AContainerOnTheHostsNetworkHoldsItsPortItself) {
    must(std::string("docker run -d --name hostnet --network host tiny:1 ") + kServer + "7070");
    bind_of(7070, "ok");
    const Json conflict = conflict_at(7070);
    const Json& holder = conflict["holders"][0];
    EXPECT_EQ(holder["container"]["name"], "hostnet") << conflict;
    EXPECT_EQ(holder["unit_type"], "scope");
    EXPECT_EQ(holder["published"], nullptr);
    EXPECT_FALSE(has(conflict["factors"], "container-published"));
    EXPECT_TRUE(advises(conflict, "docker stop hostnet")) << conflict["advice"];
}

TEST_F(Docker, AProxyThatWasLeftBehindIsSaidToBe) {
    ChildProcess proxy({"/bin/sh", "-c",
                        "exec /usr/sbin/docker-proxy -proto tcp -host-ip 0.0.0.0 -host-port 8099 "
                        "-container-ip 172.17.0.99 -container-port 80 3>/dev/null"});
    bind_of(8099, "ok");
    // Not said of one that has just started: its container may not be written down yet.
    EXPECT_EQ(conflict_at(8099)["holders"][0]["published"], nullptr);
    const auto deadline = std::chrono::steady_clock::now() + 120s;
    Json conflict;
    do {
        usleep(500'000);
        conflict = conflict_at(8099);
    } while (conflict["holders"][0]["published"] == nullptr && std::chrono::steady_clock::now() < deadline);
    EXPECT_EQ(conflict["holders"][0]["published"]["container_gone"], true) << conflict;
    EXPECT_EQ(conflict["holders"][0]["container"], nullptr);
    EXPECT_TRUE(advises(conflict, "kill ")) << conflict["advice"];
    proxy.signal(SIGKILL);
}

TEST_F(Docker, DockerdHoldsThePortWhereItsProxyIsOff) {
    must("docker rm -f $(docker ps -aq); systemctl stop docker.service docker.socket");
    must("mkdir -p /etc/docker && echo '{\"userland-proxy\": false}' >/etc/docker/daemon.json");
    must("systemctl start docker.service");
    must(std::string("docker run -d --name bare -p 8082:80 tiny:1 ") + kServer + "80");
    const Json conflict = conflict_at(8082);
    expect_published(conflict, "docker", "bare");
    EXPECT_EQ(conflict["holders"][0]["process"]["comm"], "dockerd");
    EXPECT_EQ(conflict["holders"][0]["published"]["container_port"], 80);
}

class Podman : public Containers {
  protected:
    static void SetUpTestSuite() {
        Containers::SetUpTestSuite();
        must("podman import /tmp/tiny.tar tiny:1");
    }
    static void TearDownTestSuite() {
        shell("podman rm -f -t 0 --all");
        Containers::TearDownTestSuite();
    }
};

TEST_F(Podman, ConmonHoldsThePortForItsContainer) {
    Bindtrace later({"--json", "--container", "pweb"});
    ASSERT_TRUE(later.attached());
    must(std::string("podman run -d --name pweb -p 8081:80 tiny:1 ") + kServer + "80");
    const Json conflict = conflict_at(8081);
    expect_published(conflict, "podman", "pweb");
    const Json& holder = conflict["holders"][0];
    EXPECT_EQ(holder["process"]["comm"], "conmon");
    EXPECT_EQ(holder["container"]["image"], "localhost/tiny:1");
    EXPECT_EQ(holder["published"]["container_port"], 80);
    EXPECT_EQ(who(8081)["container"]["name"], "pweb");
    EXPECT_EQ(who(80)["netns"]["name"], "pweb");
    EXPECT_NE(later.wait_for([](const Line& line) { return line.json["port"] == 80; }), nullptr)
        << "it started after the filter";
    must("podman stop -t 1 pweb");  // as advised
    EXPECT_EQ(take_port(8081, true), 0);
}

// A user's own, who has no session but a manager that lingers.
class Rootless : public Containers {
  protected:
    static void SetUpTestSuite() {
        Containers::SetUpTestSuite();
        must(
            "id alice 2>/dev/null || useradd -m -s /bin/bash alice; mkdir -p /home/alice && chown alice: /home/alice "
            "&& "
            "chmod 666 /dev/net/tun && systemctl start systemd-logind && loginctl enable-linger alice && "
            "systemctl start user@1000.service");
        alice("podman import /tmp/tiny.tar tiny:1");
    }
    static void TearDownTestSuite() {
        shell("runuser -u alice -- env XDG_RUNTIME_DIR=/run/user/1000 podman rm -f -t 0 --all");
        Containers::TearDownTestSuite();
    }
    static void alice(const std::string& command) {
        must(
            "cd /home/alice && runuser -u alice -- env HOME=/home/alice XDG_RUNTIME_DIR=/run/user/1000 "
            "STORAGE_DRIVER=vfs DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/1000/bus "
            "PATH=/usr/bin:/usr/sbin:/bin:/sbin " +
            command);
    }
};

TEST_F(Rootless, PastaLeadsToTheContainer) {
    alice(std::string("podman run -d --name r1 -p 9081:80 tiny:1 ") + kServer + "80");
    const Json conflict = conflict_at(9081);
    expect_published(conflict, "podman", "r1");
    EXPECT_EQ(conflict["holders"][0]["process"]["comm"].get<std::string>().substr(0, 5), "pasta");
    EXPECT_EQ(conflict["holders"][0]["published"]["container_port"], 80);
    EXPECT_TRUE(advises(conflict, "as alice: podman stop r1")) << conflict["advice"];
}

TEST_F(Rootless, RootlessportLeadsToTheContainer) {
    alice(std::string("podman run -d --name r2 --network slirp4netns -p 9082:80 tiny:1 ") + kServer + "80");
    const Json conflict = conflict_at(9082);
    expect_published(conflict, "podman", "r2");
    EXPECT_EQ(conflict["holders"][0]["process"]["comm"], "rootlessport");
}

TEST_F(Rootless, Slirp4netnsLeadsToTheContainer) {
    alice(std::string("podman run -d --name r3 --network slirp4netns:port_handler=slirp4netns -p 9083:80 tiny:1 ") +
          kServer + "80");
    const Json conflict = conflict_at(9083);
    expect_published(conflict, "podman", "r3");
    EXPECT_EQ(conflict["holders"][0]["process"]["comm"], "slirp4netns");
}

TEST_F(Rootless, AUnitOfAUsersOwnManagerIsStoppedThere) {
    const char* libraries = std::getenv("LD_LIBRARY_PATH");
    alice("systemd-run --user --unit=dev -E LD_LIBRARY_PATH=" + std::string(libraries != nullptr ? libraries : "") +
          " " + own_program() + " --listen 8089");
    const Json made = bind_of(8089, "ok");
    EXPECT_EQ(made["unit"], "dev.service");
    EXPECT_EQ(made["slice"], "app.slice");
    const Json conflict = conflict_at(8089);
    EXPECT_TRUE(has(conflict["factors"], "user-session")) << conflict["factors"];
    EXPECT_TRUE(advises(conflict, "systemctl --user -M alice@ stop dev.service")) << conflict["advice"];
    must("systemctl --user -M alice@ stop dev.service");  // as advised
    EXPECT_EQ(take_port(8089, true), 0);
}

// As the kubelet and containerd lay them out, without either: cgroups and a bundle by hand.
TEST_F(Containers, PodsAreNamedByTheAnnotationsOfTheirBundle) {
    const std::string id(64, 'b');
    const std::string cgroup = cgroup_mount() +
                               "/kubepods.slice/kubepods-burstable.slice/"
                               "kubepods-burstable-pod6c5b1d9a_0f3e_4c52_9d86_0c1f7f5b7d11.slice/cri-containerd-" +
                               id + ".scope";
    const std::string bundle = "/run/containerd/io.containerd.runtime.v2.task/k8s.io/" + id;
    std::filesystem::create_directories(cgroup);
    std::filesystem::create_directories(bundle);
    std::ofstream(bundle + "/config.json")
        << R"({"annotations": {"io.kubernetes.cri.container-name": "nginx", "io.kubernetes.cri.sandbox-name": "web-1",)"
        << R"("io.kubernetes.cri.sandbox-namespace": "shop", "io.kubernetes.cri.image-name": "nginx:1.27"}})";
    ChildProcess pod(
        {"/bin/sh", "-c", "echo $$ >" + cgroup + "/cgroup.procs; exec " + own_program() + " --listen 8087"});
    const Json made = bind_of(8087, "ok");
    EXPECT_EQ(made["pod"]["name"], "web-1") << made;
    EXPECT_EQ(made["pod"]["uid"], "6c5b1d9a-0f3e-4c52-9d86-0c1f7f5b7d11");
    const Json conflict = conflict_at(8087);
    EXPECT_EQ(conflict["holders"][0]["pod"]["namespace"], "shop");
    EXPECT_EQ(conflict["holders"][0]["container"]["name"], "nginx");
    EXPECT_NE(conflict["summary"].get<std::string>().find("in container nginx of pod shop/web-1"), std::string::npos)
        << conflict["summary"];
    EXPECT_TRUE(advises(conflict, "give pod shop/web-1 another hostPort")) << conflict["advice"];
    pod.signal(SIGKILL);
}

}  // namespace
}  // namespace bindtrace
