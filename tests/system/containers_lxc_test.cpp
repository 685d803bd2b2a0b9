// SPDX-License-Identifier: MIT
#include <filesystem>
#include <fstream>
#include <string>

#include "containers_world.h"

namespace bindtrace {
namespace {

class Lxc : public Containers {
  protected:
    void TearDown() override { shell("lxc-stop -k -n db"); }
};

TEST_F(Lxc, AContainerIsNamedAndStopped) {
    std::filesystem::create_directories("/var/lib/lxc/db");
    std::ofstream("/var/lib/lxc/db/config") << "lxc.rootfs.path = dir:/tmp/image\n"
                                               "lxc.uts.name = db\n"
                                               "lxc.net.0.type = none\n"  // the host's
                                               "lxc.apparmor.profile = unconfined\n"
                                               "lxc.init.cmd = "
                                            << kServer << "8098\n";
    // What an earlier one could not remove: LXC then takes another cgroup, and counts.
    std::filesystem::create_directories(cgroup_mount() + "/lxc.payload.db");
    must("lxc-start -n db");
    const Json made = bind_of(8098, "ok");
    EXPECT_EQ(made["cgroup"]["path"], "/lxc.payload.db-1");
    EXPECT_EQ(made["container"]["runtime"], "lxc");
    EXPECT_EQ(made["container"]["name"], "db") << made;
    EXPECT_EQ(made["container"]["image"], nullptr);
    const Json conflict = conflict_at(8098);
    EXPECT_EQ(conflict["holders"][0]["container"]["name"], "db");
    EXPECT_TRUE(advises(conflict, "lxc-stop -n db")) << conflict["advice"];
    must("lxc-stop -n db -t 2");  // as advised
    EXPECT_EQ(take_port(8098, true), 0);
}

}  // namespace
}  // namespace bindtrace
