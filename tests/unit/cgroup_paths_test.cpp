// SPDX-License-Identifier: MIT
// On the machine's own cgroup v2 hierarchy, which needs root: handles of kernfs cannot be faked.
#include "enrich/cgroup_paths.h"

#include <gtest/gtest.h>
#include <malloc.h>
#include <mntent.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>

#include "temp_dir.h"

namespace bindtrace {
namespace {

namespace fs = std::filesystem;

std::optional<std::string> cgroup2_mount() {
    const std::unique_ptr<FILE, int (*)(FILE*)> mounts(setmntent("/proc/self/mounts", "re"), endmntent);
    while (const mntent* entry = mounts ? getmntent(mounts.get()) : nullptr)
        if (std::strcmp(entry->mnt_type, "cgroup2") == 0) return entry->mnt_dir;
    return std::nullopt;
}

std::uint64_t id_of(const fs::path& cgroup) {
    struct stat status {};
    EXPECT_EQ(stat(cgroup.c_str(), &status), 0) << cgroup;
    return status.st_ino;
}

TEST(CgroupPathsWithoutAMount, KnowsNothing) {
    for (const std::optional<std::string>& mount :
         {std::optional<std::string>{}, std::optional<std::string>{"/nosuch"}}) {
        CgroupPaths paths(mount);
        EXPECT_EQ(paths.find(1), std::nullopt);
        EXPECT_EQ(paths.find(0), std::nullopt);
    }
}

TEST(CgroupPathsWithoutAMount, TellsWhatWasNotedAndRemembersIt) {
    int asked = 0;
    CgroupPaths paths(std::nullopt, [&](std::uint64_t id) {
        ++asked;
        return id == 7 ? std::optional<std::string>("/brief.scope") : std::nullopt;
    });
    EXPECT_EQ(paths.find(7), "/brief.scope");
    EXPECT_EQ(paths.find(7), "/brief.scope");
    EXPECT_EQ(asked, 1);
    EXPECT_EQ(paths.find(8), std::nullopt);
}

// It may go, and so be noted, between the first question and the look at the hierarchy.
TEST(CgroupPathsWithoutAMount, AsksAgainForWhatWentMeanwhile) {
    int asked = 0;
    CgroupPaths paths(std::nullopt, [&](std::uint64_t) {
        return ++asked == 2 ? std::optional<std::string>("/late.scope") : std::nullopt;
    });
    EXPECT_EQ(paths.find(7), "/late.scope");
}

TEST(CgroupPathsWithoutAMount, TakesNoOtherFileSystemForOne) {
    const TempDir dir;
    CgroupPaths paths(dir.path());
    EXPECT_EQ(paths.find(id_of(dir.path())), std::nullopt);
    EXPECT_EQ(paths.find(1), std::nullopt);
}

// Ten thousand cgroups, and many more that come and go.
TEST(CgroupPathsWithoutAMount, TakesNoMoreMemoryThanSomeMegabytes) {
    const std::string path = "/system.slice/" + std::string(100, 'a') + ".service";
    CgroupPaths paths(std::nullopt, [&](std::uint64_t) { return path; });
    const std::size_t before = mallinfo2().uordblks;
    for (std::uint64_t id = 1; id <= 10'000; ++id) paths.find(id);
    const std::size_t of_ten_thousand = mallinfo2().uordblks - before;
    for (std::uint64_t id = 10'001; id <= 200'000; ++id) paths.find(id);
    const std::size_t at_most = mallinfo2().uordblks - before;
    RecordProperty("of_10000_cgroups_bytes", std::to_string(of_ten_thousand));
    RecordProperty("at_most_bytes", std::to_string(at_most));
    EXPECT_LT(of_ten_thousand, 4u << 20);
    EXPECT_LT(at_most, 8u << 20);
}

class CgroupPathsTest : public testing::Test {
  protected:
    void SetUp() override {
        if (geteuid() != 0) GTEST_SKIP() << "needs root";
        mount_ = cgroup2_mount();
        if (!mount_) GTEST_SKIP() << "cgroup v2 is not mounted";
        name_ = "/bindtrace-unit-" + std::to_string(getpid());
        std::error_code error;
        fs::create_directories(folder() / "inner (deleted)", error);
        if (error == std::errc::read_only_file_system) GTEST_SKIP() << "cgroup v2 is mounted read-only";
        ASSERT_FALSE(error) << error.message();
    }
    void TearDown() override {
        if (!name_.empty()) remove();
    }

    fs::path folder() const { return *mount_ + name_; }
    void remove() {
        std::error_code ignored;
        fs::remove(folder() / "inner (deleted)", ignored);
        fs::remove(folder(), ignored);
    }

    std::optional<std::string> mount_;
    std::string name_;
};

TEST_F(CgroupPathsTest, FindsACgroupByItsInode) {
    CgroupPaths paths(mount_);
    EXPECT_EQ(paths.find(id_of(folder())), name_);
    EXPECT_EQ(paths.find(id_of(*mount_)), "/");
    EXPECT_EQ(paths.find(0), std::nullopt);
    EXPECT_EQ(paths.find(~0ull), std::nullopt);
}

TEST_F(CgroupPathsTest, KeepsANameThatOnlyLooksDeleted) {
    CgroupPaths paths(mount_);
    EXPECT_EQ(paths.find(id_of(folder() / "inner (deleted)")), name_ + "/inner (deleted)");
}

TEST_F(CgroupPathsTest, StillNamesACgroupThatHasGone) {
    CgroupPaths paths(mount_);
    const std::uint64_t id = id_of(folder());
    ASSERT_EQ(paths.find(id), name_);
    remove();
    ASSERT_FALSE(fs::exists(folder()));
    EXPECT_EQ(paths.find(id), name_);
    EXPECT_EQ(CgroupPaths(mount_).find(id), std::nullopt);  // who never saw it does not guess
}

TEST_F(CgroupPathsTest, KeepsTheFirstViewWhileTheSecondIsMade) {
    CgroupPaths paths(mount_);
    const auto first = paths.find(id_of(folder()));
    const auto second = paths.find(id_of(*mount_));
    EXPECT_EQ(first, name_);
    EXPECT_EQ(second, "/");
}

}  // namespace
}  // namespace bindtrace
