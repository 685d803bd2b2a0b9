// SPDX-License-Identifier: MIT
// Ports that Docker publishes.
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <string>

#include "containers_world.h"

namespace bindtrace {
namespace {

using namespace std::chrono_literals;

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
    must(std::string("docker run -d --name web -p 8080:80 -p 127.0.0.1:8083:80 -p ") + kAddress + ":8083:81 tiny:1 " +
         kServer + "80");
    EXPECT_EQ(bind_of(80, "ok")["container"]["runtime"], "docker") << "the server's own bind";
    const Json conflict = conflict_at(8080);
    expect_published(conflict, "docker", "web");
    const Json& holder = conflict["holders"][0];
    EXPECT_EQ(holder["process"]["comm"], "docker-proxy");
    EXPECT_EQ(holder["unit"], "docker.service");
    EXPECT_EQ(holder["container"]["image"], "tiny:1");
    EXPECT_EQ(holder["published"]["host_port"], 8080);

    const Json apart = conflict_at(8083);
    expect_apart(apart, "127.0.0.1", "web", 80);
    expect_apart(apart, kAddress, "web", 81);

    EXPECT_EQ(who(8080)["container"]["name"], "web");
    const Ended table = run_bindtrace({"who", "8080"});
    EXPECT_NE(table.out.find("container web port 80"), std::string::npos) << table.out;

    const Json inside = who(80);
    EXPECT_EQ(inside["container"]["name"], "web") << inside;
    EXPECT_EQ(inside["netns"]["name"], "web") << inside;
    EXPECT_EQ(inside["published"], nullptr) << inside;

    must(std::string("docker rm -f web; docker run -d --name web -p 8180:80 tiny:1 ") + kServer + "80");  // as advised
    EXPECT_EQ(take_port(8080, true), 0);
    EXPECT_EQ(who(8180)["container"]["name"], "web");
}

// All containers of the machine are the daemon's: what is to start again is the one that did not get its port.
TEST_F(Docker, AContainerThatDoesNotGetItsPortIsToStartAgain) {
    int held = -1;
    ASSERT_EQ(take_port(8090, true, &held), 0);
    shell(std::string("docker run -d --name late -p 8090:80 tiny:1 ") + kServer + "80");
    const Json conflict = bind_of(8090, "EADDRINUSE")["conflict"];
    const std::string advice = conflict["advice"].dump();
    EXPECT_NE(advice.find("then start the container again"), std::string::npos) << advice;
    EXPECT_EQ(advice.find("docker.service"), std::string::npos) << advice;
    close(held);  // as advised
    must("docker start late");
    EXPECT_EQ(who(8090)["container"]["name"], "late");
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
    must("docker stop -t 1 hostnet");  // as advised
    EXPECT_EQ(take_port(7070, true), 0);
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
    proxy.signal(SIGTERM);  // as advised
    proxy.wait(60s);
    EXPECT_EQ(take_port(8099, true), 0);
}

TEST_F(Docker, DockerdHoldsThePortWhereItsProxyIsOff) {
    must("docker rm -f $(docker ps -aq); systemctl stop docker.service docker.socket");
    must("mkdir -p /etc/docker && echo '{\"userland-proxy\": false}' >/etc/docker/daemon.json");
    must("systemctl start docker.service");
    must(std::string("docker run -d --name bare -p 8082:80 -p ") + kAddress + ":8084:80 tiny:1 " + kServer + "80");
    must(std::string("docker run -d --name other -p 127.0.0.1:8084:80 tiny:1 ") + kServer + "80");
    const Json conflict = conflict_at(8082);
    expect_published(conflict, "docker", "bare");
    EXPECT_EQ(conflict["holders"][0]["process"]["comm"], "dockerd");
    const Json apart = conflict_at(8084);
    expect_apart(apart, "127.0.0.1", "other", 80);
    expect_apart(apart, kAddress, "bare", 80);
}

// A user's own dockerd: another program holds the port, and its docker-proxy is in a network namespace of its own.
TEST_F(Containers, RootlesskitLeadsToTheContainerOfAUsersDocker) {
    make_alice();
    ChildProcess daemon({"/bin/sh", "-c", as_alice("dockerd-rootless.sh >/tmp/rootless.log 2>&1")});
    must(
        "for i in $(seq 600); do [ -S /run/user/1000/docker.sock ] && exit; sleep 0.1; done; cat /tmp/rootless.log; "
        "false");
    must(as_alice("docker import /tmp/tiny.tar tiny:1"));
    must(as_alice(std::string("docker run -d --name mine -p 9086:80 tiny:1 ") + kServer + "80"));
    const Json made = bind_of(80, "ok");
    EXPECT_EQ(made["container"]["name"], "mine") << made;
    const Json conflict = conflict_at(9086);
    expect_published(conflict, "docker", "mine");
    EXPECT_EQ(conflict["holders"][0]["process"]["comm"], "rootlesskit");
    EXPECT_TRUE(advises(conflict, "as alice: docker stop mine")) << conflict["advice"];
    must(as_alice("docker stop -t 1 mine"));  // as advised
    EXPECT_EQ(take_port(9086, true), 0);
    daemon.signal(SIGTERM);
}

}  // namespace
}  // namespace bindtrace
