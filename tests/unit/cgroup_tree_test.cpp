// SPDX-License-Identifier: MIT
#include "kernel/cgroup_tree.h"

#include <gtest/gtest.h>

#include "temp_dir.h"

namespace bindtrace {
namespace {

constexpr const char* kV2 = "cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid,nsdelegate 0 0\n";
constexpr const char* kHybrid =
    "cgroup2 /sys/fs/cgroup/unified cgroup2 rw,nsdelegate 0 0\n"
    "cgroup /sys/fs/cgroup/systemd cgroup rw,xattr,name=systemd 0 0\n"
    "cgroup /sys/fs/cgroup/pids cgroup rw,pids 0 0\n";
constexpr const char* kV1 =
    "tmpfs /sys/fs/cgroup tmpfs ro,mode=755 0 0\n"
    "cgroup /sys/fs/cgroup/systemd cgroup rw,xattr,release_agent=/lib/systemd/systemd-cgroups-agent,name=systemd 0 0\n"
    "cgroup /sys/fs/cgroup/pids cgroup rw,pids 0 0\n";
constexpr const char* kV1WithV2ForOthers =
    "cgroup /sys/fs/cgroup/systemd cgroup rw,name=systemd 0 0\n"
    "none /run/cilium/cgroupv2 cgroup2 rw 0 0\n";

struct Layout {
    const char* title;
    const char* mounts;
    const char* first_process;
    std::string mount;  // empty: none
    std::uint32_t hierarchy;
};

class CgroupTrees : public testing::TestWithParam<Layout> {};

TEST_P(CgroupTrees, TheOneThatSystemdUses) {
    const TempDir dir;
    const CgroupLayout found =
        find_cgroups(dir.write("mounts", GetParam().mounts), dir.write("cgroup", GetParam().first_process));
    ASSERT_EQ(found.tree.has_value(), !GetParam().mount.empty());
    if (!found.tree) return;
    EXPECT_EQ(found.tree->mount, GetParam().mount);
    EXPECT_EQ(found.tree->hierarchy, GetParam().hierarchy);
    EXPECT_EQ(lacking_cgroups(found).has_value(), GetParam().hierarchy != 0);
}

INSTANTIATE_TEST_SUITE_P(
    Layouts, CgroupTrees,
    testing::Values(Layout{"v2", kV2, "0::/init.scope\n", "/sys/fs/cgroup", 0},
                    Layout{"v2InAContainer", kV2, "0::/\n", "/sys/fs/cgroup", 0},
                    Layout{"v2WithoutProc", kV2, "", "/sys/fs/cgroup", 0},
                    Layout{"hybrid", kHybrid, "9:pids:/init.scope\n1:name=systemd:/init.scope\n0::/init.scope\n",
                           "/sys/fs/cgroup/unified", 0},
                    Layout{"v1", kV1, "9:pids:/init.scope\n1:name=systemd:/init.scope\n", "/sys/fs/cgroup/systemd", 1},
                    Layout{"v1AnotherNumber", kV1, "12:name=systemd:/init.scope\n0::/\n", "/sys/fs/cgroup/systemd", 12},
                    Layout{"v1WithV2ForOthers", kV1WithV2ForOthers, "1:name=systemd:/init.scope\n0::/\n",
                           "/sys/fs/cgroup/systemd", 1},
                    Layout{"v1WithoutProc", kV1, "", "", 0},
                    Layout{"v1WithoutSystemd", "cgroup /sys/fs/cgroup/pids cgroup rw,pids 0 0\n", "3:pids:/\n", "", 0},
                    Layout{"v1Unmounted", "", "1:name=systemd:/init.scope\n", "", 0},
                    Layout{"hostile", kV1, ":::\nx:name=systemd:/\n:\nname=systemd\n", "", 0},
                    Layout{"nothing", "", "", "", 0}),
    [](const auto& layout) { return layout.param.title; });

TEST(CgroupLayout, SaysWhereV2IsWhoeverUsesIt) {
    const TempDir dir;
    const CgroupLayout found =
        find_cgroups(dir.write("mounts", kV1WithV2ForOthers), dir.write("cgroup", "1:name=systemd:/init.scope\n0::/"));
    EXPECT_EQ(found.cgroup2_mount, "/run/cilium/cgroupv2");
    EXPECT_EQ(find_cgroups("/nosuch/mounts", "/nosuch/cgroup").cgroup2_mount, std::nullopt);
}

}  // namespace
}  // namespace bindtrace
