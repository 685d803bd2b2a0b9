// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include "model/unit.h"

namespace bindtrace {
namespace {

TEST(UnitOfCgroup, IsTheFirstPartThatIsNoSlice) {
    EXPECT_EQ(unit_of_cgroup("/system.slice/nginx.service"), "nginx.service");
    EXPECT_EQ(unit_of_cgroup("/system.slice/system-getty.slice/getty@tty1.service"), "getty@tty1.service");
    EXPECT_EQ(unit_of_cgroup("/init.scope"), "init.scope");
    EXPECT_EQ(unit_of_cgroup("/system.slice/dbus.socket"), "dbus.socket");
    EXPECT_EQ(unit_of_cgroup("/user.slice/user-1000.slice/session-4.scope"), "session-4.scope");
}

TEST(UnitOfCgroup, WhateverTheUnitMakesBelowItIsItsOwn) {
    EXPECT_EQ(unit_of_cgroup("/system.slice/docker.service/worker.service"), "docker.service");
    EXPECT_EQ(unit_of_cgroup("/system.slice/x.service/inner/y.scope"), "x.service");
}

TEST(UnitOfCgroup, IsTheUsersOwnUnderAUserManager) {
    EXPECT_EQ(unit_of_cgroup("/user.slice/user-1000.slice/user@1000.service/app.slice/web.service"), "web.service");
    EXPECT_EQ(unit_of_cgroup("/user.slice/user-1000.slice/user@1000.service/init.scope"), "init.scope");
    EXPECT_EQ(unit_of_cgroup("/user.slice/user-1000.slice/user@1000.service"), "user@1000.service");
}

TEST(UnitOfCgroup, TakesOffWhatSystemdPutsBeforeReservedNames) {
    EXPECT_EQ(unit_of_cgroup("/system.slice/_cpu.service"), "cpu.service");
}

TEST(UnitOfCgroup, IsNothingWhereSystemdMadeNone) {
    for (const char* path : {"", "/", "/docker/0123456789ab", "/system.slice", "/system.slice/", "/lxc/web/init.scope",
                             "//", "/.service", "/kubepods/pod1"})
        EXPECT_EQ(unit_of_cgroup(path), std::nullopt) << path;
}

}  // namespace
}  // namespace bindtrace
