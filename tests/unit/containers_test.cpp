// SPDX-License-Identifier: MIT
#include "enrich/containers.h"

#include <gtest/gtest.h>
#include <malloc.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "enrich/docker_state.h"
#include "enrich/nat_ports.h"
#include "runtime_state.h"
#include "wait_until.h"

namespace bindtrace {
namespace {

struct RuntimesWorld {
    TempDir root;
    std::vector<std::string> warnings;
    Containers containers{[this](const std::string& sentence) { warnings.push_back(sentence); }, root.path()};

    const ContainerFacts& find(const std::string& path, std::uint64_t id = 7) {
        static const ContainerFacts kNone;
        const ContainerFacts* found = containers.find(id, path);
        EXPECT_NE(found, nullptr) << path;
        return found != nullptr ? *found : kNone;
    }
};

const std::string kDockerPath = "/system.slice/docker-" + kDockerId + ".scope";
constexpr std::int64_t kNow = 0;  // files are read each time, as those that have just changed
const std::string kPodPath = "/kubepods/burstable/pod6c5b1d9a-0f3e-4c52-9d86-0c1f7f5b7d11/" + kPodId;

void expect(const ContainerFacts& facts, const std::string& runtime, const std::string& name,
            const std::string& image) {
    ASSERT_TRUE(facts.container);
    EXPECT_EQ(facts.container->runtime, runtime);
    EXPECT_EQ(facts.container->name.value_or("-"), name);
    EXPECT_EQ(facts.container->image.value_or("-"), image);
}

TEST(Containers, NamesThoseOfDocker) {
    RuntimesWorld world;
    write_docker(world.root);
    expect(world.find(kDockerPath), "docker", "web", "tiny:1");
    EXPECT_FALSE(world.find(kDockerPath).pod);
    EXPECT_EQ(world.containers.find(8, "/system.slice/nginx.service"), nullptr);
}

TEST(Containers, FollowsDockersDataRoot) {
    RuntimesWorld world;
    write_docker(world.root);
    std::filesystem::create_directories(world.root / "srv");
    std::filesystem::rename(world.root / "var/lib/docker", world.root / "srv/docker");
    world.root.write("etc/docker/daemon.json", R"({"data-root": "/srv/docker"})");
    expect(world.find(kDockerPath), "docker", "web", "tiny:1");
}

TEST(Containers, FollowsTheDataRootOfAUsersDocker) {
    RuntimesWorld world;
    world.root.write("etc/passwd", "alice:x:1000:1000::/home/alice:/bin/sh\n");
    world.root.write("home/alice/.config/docker/daemon.json", R"({"data-root": "/srv/alice"})");
    world.root.write("srv/alice/containers/" + kDockerId + "/config.v2.json",
                     R"({"ID": ")" + kDockerId + R"(", "Name": "/mine", "Config": {"Image": "tiny:2"}})");
    expect(world.find("/user.slice/user-1000.slice/user@1000.service/user.slice/docker-" + kDockerId + ".scope"),
           "docker", "mine", "tiny:2");
}

constexpr const char* kStorage = "overlay-containers/containers.json";

TEST(Containers, FollowsPodmansGraphRoot) {
    for (const char* config : {"etc/containers/storage.conf", "usr/share/containers/storage.conf"}) {
        RuntimesWorld world;
        world.root.write(config,
                         "# graphroot = \"/no\"\n[storage.options]\ngraphroot = \"/no\"\n[storage]\n"
                         "driver = \"overlay\"\n  graphroot=\"/srv/podman\" # moved\n");
        world.root.write(std::string("srv/podman/") + kStorage, podman_list(kPodmanId, "pweb"));
        expect(world.find("/machine.slice/libpod-" + kPodmanId + ".scope/container"), "podman", "pweb",
               "localhost/tiny:1");
    }
}

TEST(Containers, FollowsTheGraphRootOfAUsersPodman) {
    const std::pair<const char*, const char*> configs[] = {
        {"home/alice/.config/containers/storage.conf", "[storage]\ngraphroot = '/srv/alice'\n"},
        {"etc/containers/storage.conf", "[storage]\ngraphroot = '/no'\nrootless_storage_path = '/srv/alice'\n"},
        {"etc/containers/storage.conf", "[storage]\nrootless_storage_path = '$HOME/../../srv/alice'\n"}};
    for (const auto& [file, text] : configs) {
        RuntimesWorld world;
        world.root.write("etc/passwd", "alice:x:1000:1000::/home/alice:/bin/sh\n");
        std::filesystem::create_directories(world.root / "home/alice");
        world.root.write(file, text);
        world.root.write(std::string("srv/alice/") + kStorage, podman_list(kRootlessId, "r1"));
        expect(world.find("/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" + kRootlessId + ".scope"),
               "podman", "r1", "localhost/tiny:1");
    }
}

TEST(Containers, NamesThoseOfPodman) {
    RuntimesWorld world;
    write_podman(world.root);
    write_rootless_podman(world.root);
    expect(world.find("/machine.slice/libpod-" + kPodmanId + ".scope/container"), "podman", "pweb", "localhost/tiny:1");
    expect(world.find("/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" + kRootlessId + ".scope", 8),
           "podman", "r1", "localhost/tiny:1");
}

TEST(Containers, NamesPodsOfContainerd) {
    RuntimesWorld world;
    write_containerd(world.root);
    const ContainerFacts& facts = world.find(kPodPath);
    expect(facts, "containerd", "nginx", "nginx:1.27");
    ASSERT_TRUE(facts.pod);
    EXPECT_EQ(facts.pod->name_space, "shop");
    EXPECT_EQ(facts.pod->name, "web-1");
    EXPECT_EQ(facts.pod->uid, "6c5b1d9a-0f3e") << "the annotation, not the path";
    EXPECT_EQ(facts.pod->container, "nginx");
}

TEST(Containers, NamesPodsOfCrio) {
    RuntimesWorld world;
    write_crio(world.root);
    const ContainerFacts& facts = world.find("/kubepods.slice/kubepods-pod0.slice/crio-" + kPodId + ".scope");
    expect(facts, "cri-o", "api", "quay.io/api:2");
    ASSERT_TRUE(facts.pod);
    EXPECT_EQ(facts.pod->name, "api-1");
}

TEST(Containers, NamesThoseOfContainerdAloneByWhereTheirBundleSaysTheyAre) {
    RuntimesWorld world;
    const std::string bundle = "run/containerd/io.containerd.runtime.v2.task/default/";
    world.root.write(bundle + "web/config.json", R"({"linux":{"cgroupsPath":"/default/web"}})");
    world.root.write(bundle + "my-web/config.json", R"({"linux":{"cgroupsPath":"system.slice:ctr:my-web"}})");
    world.root.write(bundle + kPodId + "/config.json",
                     R"({"annotations":{"nerdctl/name":"db"},"linux":{"cgroupsPath":"/default/)" + kPodId + R"("}})");
    expect(world.find("/default/web", 1), "containerd", "web", "-");
    expect(world.find("/default/web/init.scope", 2), "containerd", "web", "-");
    expect(world.find("/system.slice/ctr-my-web.scope", 3), "containerd", "my-web", "-");
    expect(world.find("/default/" + kPodId, 4), "containerd", "db", "-");
    std::uint64_t id = 5;
    for (const char* other : {"/other/web", "/default/web2", "/default", "/default/", "/web", "/default.slice/web",
                              "/system.slice/ctr-web.scope", "/user.slice/ctr-my-web.scope", "/system.slice/ctr-.scope",
                              "/system.slice/ctr-my-web.service", "/default/..", "default/web", "/../default/web",
                              "/user.slice/user-1000.slice/user@1000.service/system.slice/ctr-my-web.scope"})
        EXPECT_EQ(world.containers.find(id++, other), nullptr) << other;
}

TEST(Containers, ThoseInAUsersCgroupsAreNotTakenForRoots) {
    RuntimesWorld world;
    write_docker(world.root);
    write_podman(world.root);
    write_containerd(world.root);
    write_crio(world.root);
    world.root.write("etc/passwd", "alice:x:1000:1000::/home/alice:/bin/sh\n");
    const std::string own = "/user.slice/user-1000.slice/user@1000.service/app.slice/";
    std::uint64_t id = 1;
    for (const std::string& name :
         {"docker-" + kDockerId, "libpod-" + kPodmanId, "cri-containerd-" + kPodId, "crio-" + kPodId}) {
        const ContainerFacts& facts = world.find(own + name + ".scope", id++);
        EXPECT_FALSE(facts.container->name) << name;
        EXPECT_FALSE(facts.pod) << name;
    }
}

TEST(Containers, AnLxcThatHadToCountIsStillCalledByItsName) {
    RuntimesWorld world;
    std::filesystem::create_directories(world.root / "var/lib/lxc/web");
    std::filesystem::create_directories(world.root / "var/lib/lxc/db-2");
    expect(world.find("/lxc.payload.web-1", 1), "lxc", "web", "-");
    expect(world.find("/lxc.payload.db-2", 2), "lxc", "db-2", "-");
    expect(world.find("/lxc.payload.gone-1", 3), "lxc", "gone-1", "-");
    expect(world.find("/lxc.payload.web-x", 4), "lxc", "web-x", "-");
}

TEST(Containers, OfLxdAndIncusAreToldByTheirFolders) {
    RuntimesWorld world;
    for (const char* folder : {"var/lib/incus/containers/web", "var/lib/incus/containers/shop_web",
                               "var/lib/lxd/containers/old", "var/snap/lxd/common/lxd/containers/new"})
        std::filesystem::create_directories(world.root / folder);
    expect(world.find("/lxc.payload.web", 1), "incus", "web", "-");
    expect(world.find("/lxc.payload.shop_web/system.slice/nginx.service", 2), "incus", "shop_web", "-");
    expect(world.find("/lxc.payload.old", 3), "lxd", "old", "-");
    expect(world.find("/lxc.payload.new-2", 4), "lxd", "new", "-");
}

TEST(NatPorts, AreThoseThatWhatRunsAskedItsNetworkFor) {
    const TempDir root;
    const StateFiles files(root.path(), [](const std::string&) {});
    const auto note = [&](const std::string& name, const std::string& id, const std::string& mappings) {
        root.write("var/lib/cni/results/" + name, R"({"kind":"cniCacheV1","containerId":")" + id +
                                                      R"(","capabilityArgs":{"portMappings":)" + mappings + "}}");
    };
    note("pods-" + kPodId + "-eth0", kPodId,
         R"([{"HostPort":8097,"ContainerPort":80,"Protocol":"TCP","HostIP":""},{"hostPort":53,"containerPort":5353,)"
         R"("protocol":"udp"},{"HostPort":-1,"ContainerPort":80},{"HostPort":8099},7])");
    note("cni-loopback-" + kPodId + "-lo", kPodId, R"([{"HostPort":1,"ContainerPort":1}])");
    note("pods-" + kDockerId + "-eth0", kDockerId, R"([{"HostPort":8098,"ContainerPort":80}])");
    note("pods-x-eth0", "../x", R"([{"HostPort":8098,"ContainerPort":80}])");
    root.write("var/lib/cni/results/torn", "{\"containerId\"");
    EXPECT_TRUE(nat_ports(files).empty()) << "nothing runs";
    write_containerd(root);
    const auto ports = nat_ports(files);
    ASSERT_EQ(ports.size(), 2u);
    EXPECT_EQ(ports[0].mapping.host_port, 8097);
    EXPECT_EQ(ports[0].mapping.container_port, 80);
    EXPECT_EQ(ports[0].mapping.protocol, "tcp");
    EXPECT_EQ(ports[0].facts.pod->name, "web-1");
    EXPECT_EQ(ports[1].mapping.host_port, 53);
}

TEST(Containers, NamesMachines) {
    RuntimesWorld world;
    const auto note = [&](const std::string& name, const std::string& text) {
        world.root.write("run/systemd/machines/" + name, "# systemd's\nNAME=" + name + "\n" + text);
    };
    note("web-1", "SERVICE=systemd-nspawn\nCLASS=container\n");
    expect(world.find("/machine.slice/machine-web\\x2d1.scope/payload"), "systemd-nspawn", "web-1", "-");
    expect(world.find("/machine.slice/systemd-nspawn@box.service/payload", 2), "systemd-nspawn", "box", "-");
    note("lxc-7-db", "SERVICE=libvirt-lxc\nCLASS=container\n");
    expect(world.find("/machine.slice/machine-lxc\\x2d7\\x2ddb.scope/libvirt", 3), "libvirt-lxc", "lxc-7-db", "-");
    note("any", "CLASS=container\n");
    expect(world.find("/machine.slice/machine-any.scope", 4), "", "any", "-");
    EXPECT_FALSE(world.find("/machine.slice/machine-untold.scope", 5).container) << "may be a virtual machine";
    expect(world.find("/lxc.payload.db/init.scope", 8), "lxc", "db", "-");
    note("vm1", "SERVICE=libvirt-qemu\nCLASS=vm\n");
    EXPECT_FALSE(world.find("/machine.slice/machine-vm1.scope", 9).container) << "a virtual machine";
    world.root.write("secret", "CLASS=container\n");
    EXPECT_FALSE(world.find("/machine.slice/machine-..\\x2fx.scope", 10).container) << "no name of a file";
}

TEST(Containers, WhatIsNotWrittenDownYetIsFoundLater) {
    RuntimesWorld world;
    const ContainerFacts& early = world.find(kDockerPath);
    expect(early, "docker", "-", "-");
    EXPECT_EQ(early.container->id, kDockerId);
    write_docker(world.root);
    EXPECT_TRUE(wait_until([&] { return world.find(kDockerPath).container->name == "web"; }));
}

TEST(Containers, APodThatIsNotWrittenDownHasItsUid) {
    RuntimesWorld world;
    const ContainerFacts& facts = world.find(kPodPath);
    EXPECT_FALSE(facts.container) << "which runtime it is, is not known";
    ASSERT_TRUE(facts.pod);
    EXPECT_EQ(facts.pod->uid, "6c5b1d9a-0f3e-4c52-9d86-0c1f7f5b7d11");
    EXPECT_FALSE(facts.pod->name);
    write_containerd(world.root);
    EXPECT_TRUE(wait_until([&] { return world.find(kPodPath).pod->name == "web-1"; }));
}

TEST(Containers, IsRememberedWhenItHasGone) {
    RuntimesWorld world;
    write_docker(world.root);
    expect(world.find(kDockerPath), "docker", "web", "tiny:1");
    std::filesystem::remove_all(world.root / "var");
    expect(world.find(kDockerPath), "docker", "web", "tiny:1");
}

TEST(Containers, BearsWhateverIsInTheFiles) {
    const std::string file = "var/lib/docker/containers/" + kDockerId + "/config.v2.json";
    for (const std::string& bytes :
         {std::string(), std::string("{"), std::string("[]"), std::string("null"), std::string("\xff\x00\x01", 3),
          std::string(200'000, '['),
          R"({"ID":7,"Name":{},"Config":[],"State":"x","NetworkSettings":{"Ports":[1]}})" + std::string(),
          R"({"ID":")" + kPodmanId + R"(","Name":"/another"})"}) {
        RuntimesWorld world;
        world.root.write(file, bytes);
        expect(world.find(kDockerPath), "docker", "-", "-");
    }
    RuntimesWorld world;
    world.root.write(file, R"({"ID":")" + kDockerId + R"(","Name":["x"],"Config":{"Image":7}})");
    expect(world.find(kDockerPath), "docker", "-", "-");
}

// Whoever may write the files may also make thousands of cgroups, and each is remembered.
TEST(Containers, AreNotCalledByWhatIsNoName) {
    RuntimesWorld world;
    write_rootless_podman(world.root);
    const std::string path =
        "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" + kRootlessId + ".scope";
    const std::string list = "home/alice/.local/share/containers/storage/vfs-containers/containers.json";
    const std::string longest(1024, 'n');
    world.root.write(list, podman_list(kRootlessId, longest.c_str()));
    expect(world.find(path, 1), "podman", longest, "localhost/tiny:1");
    world.root.write(list, podman_list(kRootlessId, (longest + "n").c_str()));
    expect(world.find(path, 2), "podman", "-", "localhost/tiny:1");
}

TEST(Containers, OfADockerAreReadAsFarAsThatTakesNoLongTime) {
    RuntimesWorld world;
    write_docker(world.root);
    const auto id = [](int number) { return std::string(62, '0') + std::to_string(number); };
    const auto text_of = [&](int number) {
        return R"({"ID":")" + id(number) + R"(","Name":"/web","Config":{"Env":[")" + std::string(3u << 20, 'x') +
               R"(","8080"]}})";
    };
    for (int i = 10; i < 30; ++i)
        world.root.write("var/lib/docker/containers/" + id(i) + "/config.v2.json", text_of(i));
    DockerContainers docker(world.containers.files());
    const auto known = docker.with_port(std::nullopt, 8080, kNow);
    ASSERT_TRUE(known);
    EXPECT_EQ(known->size(), 11u) << "ten of 3 MiB, and the small one";
    EXPECT_EQ(docker.with_port(std::nullopt, 8081, kNow)->size(), 0u) << "nobody has that port";
}

// Ten thousand containers, and many more that come and go.
TEST(Containers, TakeNoMoreMemoryThanSomeMegabytes) {
    RuntimesWorld world;
    const auto id = [](int number) { return std::string(59, 'a') + std::to_string(10'000 + number); };
    for (int i = 0; i < 10'000; ++i)
        world.root.write(
            "var/lib/docker/containers/" + id(i) + "/config.v2.json",
            R"({"ID":")" + id(i) +
                R"(","Name":"/shop-web-frontend-1","Config":{"Image":"registry.example/shop/web:1.27.3"}})");
    const auto path = [&](int number) { return "/system.slice/docker-" + id(number % 10'000) + ".scope"; };
    const std::size_t before = mallinfo2().uordblks;
    for (int i = 0; i < 10'000; ++i) world.find(path(i), static_cast<std::uint64_t>(i));
    const std::size_t of_ten_thousand = mallinfo2().uordblks - before;
    for (int i = 10'000; i < 40'000; ++i) world.find(path(i), static_cast<std::uint64_t>(i));
    const std::size_t at_most = mallinfo2().uordblks - before;
    RecordProperty("of_10000_containers_bytes", std::to_string(of_ten_thousand));
    RecordProperty("at_most_bytes", std::to_string(at_most));
    EXPECT_EQ(world.find(path(1), 39'999).container->name, "shop-web-frontend-1");
    EXPECT_LT(of_ten_thousand, 10u << 20);
    EXPECT_LT(at_most, 16u << 20);
}

TEST(Containers, ReadsNoFileThatIsLargeOrNone) {
    RuntimesWorld world;
    write_docker(world.root);
    const std::string file = world.root / ("var/lib/docker/containers/" + kDockerId + "/config.v2.json");
    std::filesystem::resize_file(file, std::uintmax_t{1} << 40);
    expect(world.find(kDockerPath, 1), "docker", "-", "-");
    std::filesystem::remove(file);
    ASSERT_EQ(mkfifo(file.c_str(), 0600), 0);
    expect(world.find(kDockerPath, 2), "docker", "-", "-");
    std::filesystem::remove(file);
    std::filesystem::create_symlink("/dev/zero", file);
    expect(world.find(kDockerPath, 3), "docker", "-", "-");
    const auto folder = std::filesystem::path(file).parent_path();
    std::filesystem::remove_all(folder);
    std::filesystem::create_symlink(folder, folder);  // a loop
    expect(world.find(kDockerPath, 4), "docker", "-", "-");
}

TEST(Containers, SaysOnceThatItMayNotRead) {
    // Root may read everything: then as nobody, for a while.
    struct Nobody {
        uid_t own = geteuid();
        Nobody() { EXPECT_TRUE(own != 0 || seteuid(65534) == 0); }
        Nobody(const Nobody&) = delete;
        Nobody& operator=(const Nobody&) = delete;
        ~Nobody() { EXPECT_EQ(seteuid(own), 0); }
    } const nobody;
    RuntimesWorld world;
    write_docker(world.root);
    ASSERT_EQ(chmod((world.root / "var/lib/docker").c_str(), 0), 0);
    expect(world.find(kDockerPath, 1), "docker", "-", "-");
    expect(world.find(kDockerPath, 2), "docker", "-", "-");
    EXPECT_EQ(world.warnings.size(), 1u);
    ASSERT_EQ(chmod((world.root / "var/lib/docker").c_str(), 0700), 0);
}

}  // namespace
}  // namespace bindtrace
