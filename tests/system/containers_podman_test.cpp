// SPDX-License-Identifier: MIT
// Ports that Podman publishes, of root and of a user.
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <string>

#include "containers_world.h"

namespace bindtrace {
namespace {

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
    must(std::string("podman run -d --name pweb -p 8081:80 -p 127.0.0.1:8084:80 -p ") + kAddress + ":8084:81 tiny:1 " +
         kServer + "80");
    const Json conflict = conflict_at(8081);
    expect_published(conflict, "podman", "pweb");
    const Json& holder = conflict["holders"][0];
    EXPECT_EQ(holder["process"]["comm"], "conmon");
    EXPECT_EQ(holder["container"]["image"], "localhost/tiny:1");
    const Json apart = conflict_at(8084);
    expect_apart(apart, "127.0.0.1", "pweb", 80);
    expect_apart(apart, kAddress, "pweb", 81);
    EXPECT_EQ(who(8081)["container"]["name"], "pweb");
    EXPECT_EQ(who(80)["netns"]["name"], "pweb");
    EXPECT_NE(later.wait_for([](const Line& line) { return line.json["port"] == 80; }), nullptr)
        << "it started after the filter";
    must("podman stop -t 1 pweb");  // as advised
    EXPECT_EQ(take_port(8081, true), 0);
}

// As a unit, which is how Podman's own generator starts one: it lies in the cgroup of that unit.
TEST_F(Podman, AContainerOfAUnitIsStoppedAsThatUnit) {
    if (has_podman_before_4_4()) GTEST_SKIP() << "this Podman has no generator for systemd";
    must(R"(mkdir -p /etc/containers/systemd && cat >/etc/containers/systemd/quad.container <<'UNIT'
[Container]
ContainerName=quad
Image=localhost/tiny:1
PublishPort=8095:80
StopTimeout=1
Exec=)" + std::string(kServer) +
         R"(80
UNIT
systemctl daemon-reload && systemctl start quad.service)");
    const Json made = bind_of(80, "ok");
    EXPECT_EQ(made["container"]["name"], "quad") << made["cgroup"];
    EXPECT_EQ(made["unit"], "quad.service");
    const Json conflict = conflict_at(8095);
    expect_published(conflict, "podman", "quad");
    EXPECT_EQ(conflict["holders"][0]["unit"], "quad.service") << conflict;
    EXPECT_TRUE(advises(conflict,
                        "publish container quad on another port: podman run -p OTHER:80, or "
                        "PublishPort=OTHER:80 in the .container file of quad.service"))
        << conflict["advice"];
    EXPECT_TRUE(advises(conflict, "systemctl stop quad.service")) << conflict["advice"];
    must(
        "sed -i s/8095:/8195:/ /etc/containers/systemd/quad.container && systemctl daemon-reload && "
        "systemctl restart quad.service");  // as advised
    EXPECT_EQ(take_port(8095, true), 0);
    EXPECT_EQ(conflict_at(8195)["holders"][0]["container"]["name"], "quad");
    must("systemctl stop quad.service");
}

// A user's own.
class Rootless : public Containers {
  protected:
    static void SetUpTestSuite() {
        Containers::SetUpTestSuite();
        make_alice();
        must(as_alice("podman import /tmp/tiny.tar tiny:1"));
    }
    static void TearDownTestSuite() {
        shell(as_alice("podman rm -f -t 0 --all"));
        Containers::TearDownTestSuite();
    }
    static void alice(const std::string& command) { must(as_alice(command)); }
};

TEST_F(Rootless, PastaLeadsToTheContainer) {
    if (has_podman_before_4_4()) GTEST_SKIP() << "this Podman knows no pasta";
    alice(std::string("podman run -d --name r1 -p 9081:80 tiny:1 ") + kServer + "80");
    const Json conflict = conflict_at(9081);
    expect_published(conflict, "podman", "r1");
    EXPECT_EQ(conflict["holders"][0]["process"]["comm"].get<std::string>().substr(0, 5), "pasta");
    EXPECT_TRUE(advises(conflict, "as alice: podman stop r1")) << conflict["advice"];
    alice("podman stop -t 1 r1");  // as advised
    EXPECT_EQ(take_port(9081, true), 0);
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

}  // namespace
}  // namespace bindtrace
