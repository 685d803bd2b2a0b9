// SPDX-License-Identifier: MIT
#include "enrich/users.h"

#include <gtest/gtest.h>

#include "temp_dir.h"
#include "wait_until.h"

namespace bindtrace {
namespace {

constexpr const char* kPasswd =
    "root:x:0:0:root:/root:/bin/bash\n"
    "daemon:x:1:1::/:/usr/sbin/nologin\n"
    "www-data:x:33:33:www:/var/www:/usr/sbin/nologin\n"
    "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n";

TEST(Users, NamesByUidAndUidsByName) {
    const TempDir dir;
    Users users(dir.write("passwd", kPasswd));
    EXPECT_EQ(users.name(0), "root");
    EXPECT_EQ(users.name(33), "www-data");
    EXPECT_EQ(users.name(1000), std::nullopt);
    EXPECT_EQ(users.uid("nobody"), 65534u);
    EXPECT_EQ(users.uid("root"), 0u);
    EXPECT_EQ(users.uid("nosuch"), std::nullopt);
    EXPECT_EQ(users.uid(""), std::nullopt);
}

TEST(Users, GivesTheFirstNameOfASharedUid) {
    const TempDir dir;
    Users users(dir.write("passwd", std::string(kPasswd) + "toor:x:0:0::/root:/bin/sh\n"));
    EXPECT_EQ(users.name(0), "root");
}

TEST(Users, SkipsLinesThatAreNoUsers) {
    const TempDir dir;
    Users users(dir.write("passwd", "\n# comment\n+::::::\nbroken\nx:y\n:::\n" + std::string(kPasswd)));
    EXPECT_EQ(users.name(1), "daemon");
    EXPECT_EQ(users.uid("nobody"), 65534u);
    EXPECT_EQ(users.uid("broken"), std::nullopt);
}

TEST(Users, KnowsNobodyWithoutAFile) {
    const TempDir dir;
    Users users(dir / "nosuch");
    EXPECT_EQ(users.name(0), std::nullopt);
    EXPECT_EQ(users.uid("root"), std::nullopt);
}

TEST(Users, LearnsOfANewUser) {
    const TempDir dir;
    Users users(dir.write("passwd", kPasswd));
    EXPECT_EQ(users.name(1000), std::nullopt);
    dir.write("passwd", std::string(kPasswd) + "alice:x:1000:1000::/home/alice:/bin/sh\n");
    EXPECT_TRUE(wait_until([&] { return users.name(1000) == "alice"; }));
    EXPECT_EQ(users.uid("alice"), 1000u);
    EXPECT_EQ(users.name(0), "root");
}

TEST(Users, ReadsTheSystemsOwnFile) {
    EXPECT_EQ(Users().name(0), "root");
}

}  // namespace
}  // namespace bindtrace
