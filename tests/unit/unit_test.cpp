// SPDX-License-Identifier: MIT
#include "model/unit.h"

#include <gtest/gtest.h>

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

struct PlaceCase {
    const char* path;
    const char *unit, *type, *slice, *session;  // "" = none
    std::optional<std::uint32_t> user{};
    bool in_user_manager = false;
};

TEST(PlaceOfCgroup, ReadsWhatSystemdMakes) {
    const PlaceCase cases[] = {
        {"/system.slice/nginx.service", "nginx.service", "service", "system.slice", ""},
        {"/system.slice/system-getty.slice/getty@tty1.service", "getty@tty1.service", "service", "system-getty.slice",
         ""},
        {"/init.scope", "init.scope", "scope", "-.slice", ""},
        {"/system.slice/web.socket", "web.socket", "socket", "system.slice", ""},
        {"/user.slice/user-1000.slice/session-4.scope", "session-4.scope", "scope", "user-1000.slice", "4", 1000},
        {"/user.slice/user-1000.slice/session-c2.scope/x", "session-c2.scope", "scope", "user-1000.slice", "c2", 1000},
        {"/user.slice/user-1000.slice/user@1000.service/app.slice/web.service", "web.service", "service", "app.slice",
         "", 1000, true},
        {"/user.slice/user-1000.slice/user@1000.service/init.scope", "init.scope", "scope", "-.slice", "", 1000, true},
        {"/user.slice/user-1000.slice/user@1000.service", "user@1000.service", "service", "user-1000.slice", "", 1000},
        {"/system.slice/-.mount", "-.mount", "mount", "system.slice", ""},
        {"/system.slice", "", "", "system.slice", ""},
        {"/docker/0123", "", "", "", ""},
        {"/", "", "", "", ""},
        // A scope of that name that is in nobody's slice is nobody's session; nor is a unit of a user's manager.
        {"/system.slice/session-4.scope", "session-4.scope", "scope", "system.slice", ""},
        {"/user.slice/user-1000.slice/user@1000.service/session-9.scope", "session-9.scope", "scope", "-.slice", "",
         1000, true},
        {"/user.slice/user-x.slice/session-4.scope", "session-4.scope", "scope", "user-x.slice", ""},
    };
    for (const PlaceCase& expected : cases) {
        const UnitPlace place = place_of_cgroup(expected.path);
        EXPECT_EQ(place.unit.value_or(""), expected.unit) << expected.path;
        EXPECT_EQ(place.type().value_or(""), expected.type) << expected.path;
        EXPECT_EQ(place.slice.value_or(""), expected.slice) << expected.path;
        EXPECT_EQ(place.session.value_or(""), expected.session) << expected.path;
        EXPECT_EQ(place.user, expected.user) << expected.path;
        EXPECT_EQ(place.in_user_manager, expected.in_user_manager) << expected.path;
    }
    EXPECT_EQ(place_of_cgroup("/system.slice/web.socket").socket_unit(), "web.socket");
    EXPECT_EQ(place_of_cgroup("/system.slice/web.service").socket_unit(), std::nullopt);
}

TEST(PlaceOfCgroup, BearsWhateverAPathMayHold) {
    const std::string manager = "/user.slice/user-1000.slice/user@1000.service";
    std::string deep;
    for (int i = 0; i < 2000; ++i) deep += "/a.slice";
    EXPECT_EQ(place_of_cgroup(deep).unit, std::nullopt);
    EXPECT_EQ(place_of_cgroup(deep + "/x.service").unit, "x.service");
    EXPECT_EQ(place_of_cgroup("/system.slice/" + std::string(100'000, 'a')).unit, std::nullopt);
    EXPECT_EQ(place_of_cgroup("/" + std::string(100'000, 'a') + ".service").unit->size(), 100'008u);
    EXPECT_EQ(place_of_cgroup("/system.slice/a\nb\x1b[31m\xff.service").unit, "a\nb\x1b[31m\xff.service");
    EXPECT_EQ(place_of_cgroup("/system.slice/a\\x2db@c\\x2fd.service").unit, "a\\x2db@c\\x2fd.service");
    for (const char* number : {"4294967296", "-1", "1000x", "0x10", " 7"}) {  // is nobody's uid
        const std::string unit = std::string("user@") + number + ".service";
        const std::string path = "/user.slice/" + unit + "/app.slice/web.service";
        EXPECT_EQ(place_of_cgroup(path).unit, unit);
        EXPECT_EQ(place_of_cgroup(path).user, std::nullopt) << path;
    }
    // A user may call units what the user likes.
    EXPECT_EQ(place_of_cgroup(manager + "/app.slice/user@0.service/x.service").unit, "user@0.service");
    EXPECT_EQ(place_of_cgroup(manager + "/app.slice/user@0.service/x.service").user, 1000u);
    EXPECT_EQ(place_of_cgroup(manager + "/user-0.slice/session-1.scope").user, 1000u);
    EXPECT_EQ(place_of_cgroup(manager + "/user-0.slice/session-1.scope").session, std::nullopt);
}

TEST(InstanceOf, IsBetweenTheSignAndTheSuffix) {
    EXPECT_EQ(instance_of("getty@tty1.service"), "tty1");
    EXPECT_EQ(instance_of("a@b.c@d.service"), "b.c@d");
    for (const char* unit : {"nginx.service", "getty@.service", "@", "", "a@b"})
        EXPECT_EQ(instance_of(unit), std::nullopt) << unit;
}

TEST(UnescapeUnit, UndoesSystemdsEscapes) {
    EXPECT_EQ(unescape_unit("web\\x2d1"), "web-1");
    EXPECT_EQ(unescape_unit("\\x2f\\xe4"), "/\xe4");
    for (const char* plain : {"", "web", "\\x", "\\x2", "\\xzz", "\\y2d", "a\\"})
        EXPECT_EQ(unescape_unit(plain), plain);
}

}  // namespace
}  // namespace bindtrace
