// SPDX-License-Identifier: MIT
#include "enrich/published_ports.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <unistd.h>

#include <cstring>
#include <string>
#include <vector>

#include "runtime_state.h"

namespace bindtrace {
namespace {

using Words = std::vector<std::string>;

const Words kProxy = {"/usr/sbin/docker-proxy",
                      "-proto",
                      "tcp",
                      "-host-ip",
                      "0.0.0.0",
                      "-host-port",
                      "8080",
                      "-container-ip",
                      "172.17.0.2",
                      "-container-port",
                      "80"};
const Words kPasta = {"/usr/bin/pasta", "--config-net", "-t", "9081-9090:80-89", "-u", "none", "--netns", "/run/x"};
constexpr std::int64_t kNow = 1'795'294'388'000'000'000;
constexpr std::int64_t kMinute = 60'000'000'000;

TEST(PublishedPorts, ReadsTheArgumentsOfDockerProxy) {
    const auto found = docker_proxy_arguments(kProxy);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->protocol, "tcp");
    EXPECT_EQ(found->container_address, "172.17.0.2");
    EXPECT_EQ(found->host_port, 8080);
    EXPECT_EQ(found->container_port, 80);
    EXPECT_FALSE(docker_proxy_arguments(Words{"docker-proxy", "-host-port"}));
    EXPECT_FALSE(docker_proxy_arguments(
        Words{"docker-proxy", "-host-port", "99999", "-container-port", "80", "-container-ip", "1.2.3.4"}));
    EXPECT_FALSE(docker_proxy_arguments({}));
}

TEST(PublishedPorts, ReadsTheArgumentsOfPodmansHelpers) {
    EXPECT_EQ(conmon_container(Words{"/usr/bin/conmon", "--api-version", "1", "-c", kPodmanId, "-u", kPodmanId}),
              kPodmanId);
    EXPECT_EQ(conmon_container(Words{"conmon", "-c"}), std::nullopt);
    EXPECT_EQ(conmon_container(Words{"conmon", "-c", "../../etc"}), std::nullopt);
    const auto slirp = [](const std::string& socket) {
        return slirp4netns_container(Words{"slirp4netns", "-c", "--api-socket", socket, "tap0"});
    };
    EXPECT_EQ(slirp("/run/user/1000/libpod/tmp/" + kRootlessId + ".net"), kRootlessId);
    for (const char* socket : {"", ".net", "/x.net", "/run/user/1000/libpod/tmp/"})
        EXPECT_EQ(slirp(socket), std::nullopt) << socket;
    EXPECT_EQ(pasta_target(kPasta, false, 9081), 80);
    EXPECT_EQ(pasta_target(kPasta, false, 9090), 89);
    EXPECT_EQ(pasta_target(kPasta, false, 9091), std::nullopt);
    EXPECT_EQ(pasta_target(kPasta, true, 9081), std::nullopt);
    EXPECT_EQ(pasta_target(Words{"pasta", "-t", "127.0.0.1/8080"}, false, 8080), 8080);
    EXPECT_EQ(pasta_target(Words{"pasta", "-u", "53:5353", "-t", "auto"}, true, 53), 5353);
}

struct World {
    TempDir root;
    Containers containers{[](const std::string&) {}, root.path()};
    PublishedPorts ports{containers, root / "proc"};
    bt_sock sock{};
    std::uint32_t exec_id = 0, uid = 0;

    World() {
        sock.protocol = IPPROTO_TCP;
        sock.local_port = 8080;
        sock.netns = 1;
    }
    Owner owner(const char* comm, Words argv) {
        Owner owner;
        std::strncpy(owner.task.comm, comm, sizeof(owner.task.comm) - 1);
        owner.task.key.pid = 420;
        owner.task.key.exec_id = ++exec_id;  // another one each time
        owner.task.uid = uid;
        owner.process = Process{.exe = {}, .cmdline = std::move(argv), .ancestry = {}};
        owner.start_time_ns = kNow - kMinute;
        owner.cgroup_path = "/system.slice/any.service";
        return owner;
    }
    std::optional<PublishedPorts::Behind> behind(const char* comm, Words argv) {
        return ports.behind(owner(comm, std::move(argv)), sock, kNow);
    }
};

TEST(PublishedPorts, DockerProxyLeadsToItsContainer) {
    World world;
    write_docker(world.root);
    const auto found = world.behind("docker-proxy", kProxy);
    ASSERT_TRUE(found && found->facts.container);
    EXPECT_EQ(found->facts.container->name, "web");
    EXPECT_EQ(found->published.host_port, 8080);
    EXPECT_EQ(found->published.container_port, 80);
    EXPECT_FALSE(found->published.container_gone);
}

TEST(PublishedPorts, DockerProxyOutlivesItsContainer) {
    World stopped;
    write_docker(stopped.root, "false");
    const auto found = stopped.behind("docker-proxy", kProxy);
    ASSERT_TRUE(found);
    EXPECT_TRUE(found->published.container_gone);
    EXPECT_FALSE(found->facts.container);

    World removed;
    std::filesystem::create_directories(removed.root / "var/lib/docker/containers");
    EXPECT_TRUE(removed.behind("docker-proxy", kProxy)->published.container_gone);
}

TEST(PublishedPorts, DockerProxyIsNotSaidToBeLeftBehindWhereThatIsNotKnown) {
    World unknown;  // no state to be read
    EXPECT_FALSE(unknown.behind("docker-proxy", kProxy));

    World early;  // it starts before its container is written down
    write_docker(early.root, "false");
    Owner owner;
    std::strncpy(owner.task.comm, "docker-proxy", sizeof(owner.task.comm) - 1);
    owner.process = Process{.exe = {}, .cmdline = kProxy, .ancestry = {}};
    owner.start_time_ns = kNow - 1'000'000'000;
    EXPECT_FALSE(early.ports.behind(owner, early.sock, kNow));
}

TEST(PublishedPorts, DockerdHoldsThemItselfWithoutItsProxy) {
    World world;
    write_docker(world.root);
    const auto found = world.behind("dockerd", {"/usr/sbin/dockerd", "-H", "fd://"});
    ASSERT_TRUE(found && found->facts.container);
    EXPECT_EQ(found->facts.container->name, "web");
    EXPECT_EQ(found->published.container_port, 80);
    world.sock.local_port = 2375;  // its own
    EXPECT_FALSE(world.behind("dockerd", {"/usr/sbin/dockerd"}));
    world.sock.local_port = 8080;
    world.sock.protocol = IPPROTO_UDP;
    EXPECT_FALSE(world.behind("dockerd", {"/usr/sbin/dockerd"}));
}

TEST(PublishedPorts, WhatLeadsToNoContainerIsDockerdsOwn) {
    World world;
    const auto is_own = [&](std::int64_t since_ns, const char* comm = "dockerd") {
        return world.ports.is_daemons_own(world.owner(comm, {}), world.sock, since_ns, kNow);
    };
    world.sock.local_port = 2377;
    EXPECT_FALSE(is_own(kNow - kMinute)) << "its containers are not known";
    World readable;
    write_docker(readable.root);
    readable.sock.local_port = 2377;
    EXPECT_TRUE(readable.ports.is_daemons_own(readable.owner("dockerd", {}), readable.sock, kNow - kMinute, kNow));
    EXPECT_TRUE(readable.ports.is_daemons_own(readable.owner("dockerd", {}), readable.sock, std::nullopt, kNow));
    EXPECT_FALSE(readable.ports.is_daemons_own(readable.owner("dockerd", {}), readable.sock, kNow - 1, kNow))
        << "a container may not be written down yet";
    EXPECT_FALSE(
        readable.ports.is_daemons_own(readable.owner("docker-proxy", {}), readable.sock, kNow - kMinute, kNow));
    readable.sock.local_port = 8080;
    EXPECT_FALSE(readable.ports.is_daemons_own(readable.owner("dockerd", {}), readable.sock, kNow - kMinute, kNow));
}

TEST(PublishedPorts, ConmonHoldsThoseOfRootsPodman) {
    World world;
    write_podman(world.root);
    world.sock.local_port = 8082;
    const auto found = world.behind("conmon", {"/usr/bin/conmon", "-c", kPodmanId});
    ASSERT_TRUE(found && found->facts.container);
    EXPECT_EQ(found->facts.container->name, "pweb");
    EXPECT_EQ(found->published.container_port, 81) << "the second of a range";
    EXPECT_FALSE(world.behind("conmon", {"/usr/bin/conmon", "-c", kDockerId})) << "no container of Podman's";
}

// /proc of a machine on which process 900 of a container is in a network namespace that process 420 keeps open. (A
// descriptor of a path below /run is believed, so the link says "net:[...]".)
struct RootlessWorld : World {
    RootlessWorld() {
        uid = 1000;
        write_rootless_podman(root);
        sock.local_port = 9081;
        const std::string netns = root.write("net:[1]", "");
        root.write("proc/900/stat", "900 (x) S 1 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 55 0");
        root.write("proc/900/cgroup", "0::/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" +
                                          kRootlessId + ".scope/container\n");
        for (const char* folder : {"proc/900/ns", "proc/self/ns", "proc/420/fd"})
            std::filesystem::create_directories(root / folder);
        for (const char* link : {"proc/900/ns/net", "proc/self/ns/net"})
            std::filesystem::create_symlink(netns, root / link);
        std::filesystem::create_symlink("net:[1]", root / "proc/420/fd/10");
        std::filesystem::create_symlink(netns, root / "proc/420/fd/net:[1]");
    }
};

TEST(PublishedPorts, PastaAndRootlessportKeepTheNetworkNamespaceOpen) {
    RootlessWorld world;
    for (const char* program : {"rootlessport", "pasta.avx2"}) {
        const auto found = world.behind(program, program == std::string("rootlessport") ? Words{program} : kPasta);
        ASSERT_TRUE(found && found->facts.container) << program;
        EXPECT_EQ(found->facts.container->name, "r1");
        EXPECT_EQ(found->published.host_port, 9081);
        EXPECT_EQ(found->published.container_port.has_value(), program != std::string("rootlessport"))
            << "there is no database";
    }
}

// Of whom nothing else tells where the port leads.
TEST(PublishedPorts, PodmansDatabaseKnowsThePortInside) {
    RootlessWorld world;
    write_podman_database(world.root, kPodmanSchema, kPodmanConfig);
    const Words slirp = {"slirp4netns", "--api-socket", "/run/x/" + kRootlessId + ".net"};
    for (const Words& argv : {Words{"rootlessport"}, slirp}) {
        const auto found = world.behind(argv.front().c_str(), argv);
        ASSERT_TRUE(found) << argv.front();
        EXPECT_EQ(found->published.container_port, 80) << argv.front();
    }
}

TEST(PublishedPorts, RootlesskitLeadsToAContainerOfItsUsersDocker) {
    World world;
    write_docker(world.root);
    world.root.write("etc/passwd", "alice:x:1000:1000::/home/alice:/bin/sh\n");
    world.uid = 1000;
    EXPECT_FALSE(world.behind("rootlesskit", {"rootlesskit"})) << "root's is another's";
    EXPECT_FALSE(world.behind("docker-proxy", kProxy)) << "and not known to be gone";
    std::filesystem::create_directories(world.root / "home/alice/.local/share");
    std::filesystem::rename(world.root / "var/lib/docker", world.root / "home/alice/.local/share/docker");
    PublishedPorts later(world.containers, world.root / "proc");  // and not a second later
    const auto found = later.behind(world.owner("rootlesskit", {"rootlesskit"}), world.sock, kNow);
    ASSERT_TRUE(found && found->facts.container);
    EXPECT_EQ(found->facts.container->name, "web");
    EXPECT_EQ(found->published.container_port, 80);
}

TEST(PublishedPorts, ALookAlikeIsNoPublisher) {
    World world;
    write_docker(world.root);
    write_podman(world.root);
    for (const char* comm : {"nginx", "docker-prox", "conmon2", "", "rootlessport"})
        EXPECT_FALSE(world.behind(comm, kProxy)) << comm;
    EXPECT_FALSE(world.behind("conmon", kProxy));
    EXPECT_FALSE(world.behind("docker-proxy", {"docker-proxy"}));
    world.sock.local_port = 8081;
    EXPECT_FALSE(world.behind("docker-proxy", kProxy)) << "of another port";
    world.sock.local_port = 8080;
    world.sock.remote_port = 5000;
    EXPECT_FALSE(world.behind("docker-proxy", kProxy)) << "a connection of the proxy's";
}

}  // namespace
}  // namespace bindtrace
