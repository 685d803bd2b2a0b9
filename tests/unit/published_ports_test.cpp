// SPDX-License-Identifier: MIT
#include "enrich/published_ports.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <unistd.h>

#include <cstring>
#include <string>
#include <string_view>
#include <utility>
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

bt_sock socket_at(const char* address, std::uint16_t port, std::uint16_t protocol = IPPROTO_TCP) {
    bt_sock sock{};
    sock.family = std::string_view(address).find(':') == std::string_view::npos ? AF_INET : AF_INET6;
    EXPECT_EQ(inet_pton(sock.family, address, sock.local_addr), 1) << address;
    sock.protocol = protocol;
    sock.local_port = port;
    sock.netns = 1;
    return sock;
}

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
    EXPECT_EQ(pasta_target(kPasta, socket_at("0.0.0.0", 9081)), 80);
    EXPECT_EQ(pasta_target(kPasta, socket_at("::", 9090)), 89);
    EXPECT_EQ(pasta_target(kPasta, socket_at("0.0.0.0", 9091)), std::nullopt);
    EXPECT_EQ(pasta_target(kPasta, socket_at("0.0.0.0", 9081, IPPROTO_UDP)), std::nullopt);
    EXPECT_EQ(pasta_target(Words{"pasta", "-t", "127.0.0.1/8080"}, socket_at("127.0.0.1", 8080)), 8080);
    EXPECT_EQ(pasta_target(Words{"pasta", "-u", "53:5353", "-t", "auto"}, socket_at("::", 53, IPPROTO_UDP)), 5353);
    const Words two = {"pasta", "-t", "127.0.0.1%lo/8080:80", "-t", "10.0.0.1/8080:81", "-t", "::1/8080:82"};
    EXPECT_EQ(pasta_target(two, socket_at("127.0.0.1", 8080)), 80);
    EXPECT_EQ(pasta_target(two, socket_at("10.0.0.1", 8080)), 81);
    EXPECT_EQ(pasta_target(two, socket_at("::1", 8080)), 82);
    EXPECT_EQ(pasta_target(two, socket_at("10.0.0.2", 8080)), std::nullopt);
}

TEST(PublishedPorts, AMappingFitsTheSocketOfItsAddress) {
    const std::vector<PortMapping> apart = {{"tcp", 8080, 80, "127.0.0.1"},
                                            {"tcp", 8080, 81, "10.0.0.1"},
                                            {"tcp", 8080, 82, "::1"},
                                            {"udp", 8080, 83, "127.0.0.1"},
                                            {"tcp", 8080, 84, "a word"}};
    EXPECT_EQ(match_of(apart, socket_at("127.0.0.1", 8080)).container_port, 80);
    EXPECT_EQ(match_of(apart, socket_at("::ffff:10.0.0.1", 8080)).container_port, 81);
    EXPECT_EQ(match_of(apart, socket_at("::1", 8080)).container_port, 82);
    EXPECT_EQ(match_of(apart, socket_at("127.0.0.1", 8080, IPPROTO_UDP)).container_port, 83);
    for (const char* address : {"0.0.0.0", "::", "10.0.0.2"})
        EXPECT_EQ(match_of(apart, socket_at(address, 8080)).fit, Fit::none) << address;
    EXPECT_EQ(match_of(apart, socket_at("127.0.0.1", 8081)).fit, Fit::none);

    // All addresses: by one socket for both families, or by one for each.
    const std::vector<PortMapping> any = {{"tcp", 8080, 80, ""}}, v4 = {{"tcp", 8080, 80, "0.0.0.0"}};
    for (const char* address : {"0.0.0.0", "::"}) {
        EXPECT_EQ(match_of(any, socket_at(address, 8080)).container_port, 80) << address;
        EXPECT_EQ(match_of(v4, socket_at(address, 8080)).container_port, 80) << address;
    }
    EXPECT_EQ(match_of(any, socket_at("127.0.0.1", 8080)).fit, Fit::none);
    const std::vector<PortMapping> both = {{"tcp", 8080, 80, "0.0.0.0"}, {"tcp", 8080, 81, "::"}};
    EXPECT_EQ(match_of(both, socket_at("0.0.0.0", 8080)).container_port, 80);
    EXPECT_EQ(match_of(both, socket_at("::", 8080)).container_port, 81);

    const std::vector<PortMapping> unclear = {{"tcp", 8080, 80, ""}, {"tcp", 8080, 81, ""}, {"tcp", 8080, 80, ""}};
    EXPECT_EQ(match_of(unclear, socket_at("0.0.0.0", 8080)).fit, Fit::all_addresses);
    EXPECT_EQ(match_of(unclear, socket_at("0.0.0.0", 8080)).container_port, std::nullopt);
}

struct PublishersWorld {
    TempDir root;
    Containers containers{[](const std::string&) {}, root.path()};
    PublishedPorts ports{containers, root / "proc"};
    bt_sock sock = socket_at("0.0.0.0", 8080);
    std::uint32_t exec_id = 0, uid = 0;

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
    PublishersWorld world;
    write_docker(world.root);
    const auto found = world.behind("docker-proxy", kProxy);
    ASSERT_TRUE(found && found->facts.container);
    EXPECT_EQ(found->facts.container->name, "web");
    EXPECT_EQ(found->published.host_port, 8080);
    EXPECT_EQ(found->published.container_port, 80);
    EXPECT_FALSE(found->published.container_gone);
}

TEST(PublishedPorts, DockerProxyOutlivesItsContainer) {
    PublishersWorld stopped;
    write_docker(stopped.root, "false");
    const auto found = stopped.behind("docker-proxy", kProxy);
    ASSERT_TRUE(found);
    EXPECT_TRUE(found->published.container_gone);
    EXPECT_FALSE(found->facts.container);

    PublishersWorld removed;
    std::filesystem::create_directories(removed.root / "var/lib/docker/containers");
    EXPECT_TRUE(removed.behind("docker-proxy", kProxy)->published.container_gone);
}

TEST(PublishedPorts, DockerProxyIsNotSaidToBeLeftBehindWhereThatIsNotKnown) {
    PublishersWorld unknown;  // no state to be read
    EXPECT_FALSE(unknown.behind("docker-proxy", kProxy));

    PublishersWorld early;  // it starts before its container is written down
    write_docker(early.root, "false");
    Owner owner;
    std::strncpy(owner.task.comm, "docker-proxy", sizeof(owner.task.comm) - 1);
    owner.process = Process{.exe = {}, .cmdline = kProxy, .ancestry = {}};
    owner.start_time_ns = kNow - 1'000'000'000;
    EXPECT_FALSE(early.ports.behind(owner, early.sock, kNow));
}

// -p 127.0.0.1:8080:80 -p 10.0.0.1:8080:81
TEST(PublishedPorts, OneContainerMayPublishAPortForEachAddress) {
    PublishersWorld world;
    write_docker(world.root, "true",
                 R"("80/tcp":[{"HostIp":"127.0.0.1","HostPort":"8080"}],)"
                 R"("81/tcp":[{"HostIp":"10.0.0.1","HostPort":"8080"}])");
    for (const auto& [address, port] : {std::pair("127.0.0.1", 80), std::pair("10.0.0.1", 81)}) {
        world.sock = socket_at(address, 8080);
        Words proxy = kProxy;
        proxy[4] = address;
        proxy.back() = std::to_string(port);
        for (const auto& found : {world.behind("docker-proxy", proxy), world.behind("dockerd", {"dockerd"})}) {
            ASSERT_TRUE(found && found->facts.container) << address;
            EXPECT_FALSE(found->published.container_gone) << address;
            EXPECT_EQ(found->facts.container->name, "web");
            EXPECT_EQ(found->published.container_port, port);
        }
    }
}

// dockerd holds both: which one is in the way depends on the address.
TEST(PublishedPorts, TwoContainersMayPublishAPortForOneAddressEach) {
    PublishersWorld world;
    const std::string other(64, '1');
    write_docker(world.root, "true", R"("80/tcp":[{"HostIp":"127.0.0.1","HostPort":"8080"}])");
    write_docker(world.root, "true", R"("80/tcp":[{"HostIp":"10.0.0.1","HostPort":"8080"}])", other, "other");
    const Owner dockerd = world.owner("dockerd", {"dockerd"});  // the same process each time
    const auto name = [&](const char* address) {
        const auto found = world.ports.behind(dockerd, socket_at(address, 8080), kNow);
        return found && found->facts.container ? found->facts.container->name : std::nullopt;
    };
    EXPECT_EQ(name("127.0.0.1"), "web");
    EXPECT_EQ(name("10.0.0.1"), "other");
    EXPECT_EQ(name("10.0.0.2"), std::nullopt);

    PublishersWorld unclear;
    write_docker(unclear.root);
    write_docker(unclear.root, "true", R"("80/tcp":[{"HostIp":"0.0.0.0","HostPort":"8080"}])", other, "other");
    EXPECT_FALSE(unclear.behind("dockerd", {"dockerd"})) << "one of two";
    unclear.sock = socket_at("::", 8080);
    const auto of_ipv6 = unclear.behind("dockerd", {"dockerd"});
    ASSERT_TRUE(of_ipv6 && of_ipv6->facts.container);
    EXPECT_EQ(of_ipv6->facts.container->name, "web") << "the other has IPv4 alone";
}

TEST(PublishedPorts, DockerdHoldsThemItselfWithoutItsProxy) {
    PublishersWorld world;
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
    PublishersWorld world;
    const auto is_own = [&](std::int64_t since_ns, const char* comm = "dockerd") {
        return world.ports.is_daemons_own(world.owner(comm, {}), world.sock, since_ns, kNow);
    };
    world.sock.local_port = 2377;
    EXPECT_FALSE(is_own(kNow - kMinute)) << "its containers are not known";
    PublishersWorld readable;
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
    PublishersWorld world;
    write_podman(world.root);
    world.sock.local_port = 8082;
    const auto found = world.behind("conmon", {"/usr/bin/conmon", "-c", kPodmanId});
    ASSERT_TRUE(found && found->facts.container);
    EXPECT_EQ(found->facts.container->name, "pweb");
    EXPECT_EQ(found->published.container_port, 81) << "the second of a range";
    EXPECT_FALSE(world.behind("conmon", {"/usr/bin/conmon", "-c", kDockerId})) << "no container of Podman's";
}

TEST(PublishedPorts, PodmansPortsHaveAddressesToo) {
    PublishersWorld world;
    write_podman(world.root);
    world.root.write("run/containers/networks/firewall/ports/2f259bab_" + kPodmanId,
                     R"({"port_mappings":[{"container_port":80,"host_ip":"127.0.0.1","host_port":8082},)"
                     R"({"container_port":81,"host_ip":"10.0.0.1","host_port":8082}]})");
    for (const auto& [address, port] : {std::pair("127.0.0.1", 80), std::pair("10.0.0.1", 81)}) {
        world.sock = socket_at(address, 8082);
        EXPECT_EQ(world.behind("conmon", {"/usr/bin/conmon", "-c", kPodmanId})->published.container_port, port);
    }
    world.sock = socket_at("10.0.0.2", 8082);
    EXPECT_EQ(world.behind("conmon", {"/usr/bin/conmon", "-c", kPodmanId})->published.container_port, std::nullopt);
}

// /proc of a machine on which process 900 of a container is in a network namespace that process 420 keeps open. (A
// descriptor of a path below /run is believed, so the link says "net:[...]".)
struct RootlessWorld : PublishersWorld {
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
    PublishersWorld world;
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
    PublishersWorld world;
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
