// SPDX-License-Identifier: MIT
#include "capture/capture_files.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "temp_dir.h"

namespace bindtrace {
namespace {

std::string content(const std::filesystem::path& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

TEST(CaptureFiles, ARingOfFilesForgetsTheOldest) {
    const TempDir dir;
    auto files = CaptureFiles::open(keep_for(dir / "x", 8), -1);
    ASSERT_TRUE(files) << files.error().what;
    for (int i = 0; i < 12; ++i) {
        ASSERT_TRUE((*files)->write(std::to_string(i)));
        EXPECT_TRUE((*files)->is_full(0)) << "a nanosecond has gone by";
        ASSERT_TRUE((*files)->next_file());
    }
    EXPECT_EQ(content(dir / "x"), "");
    EXPECT_EQ(content(dir / "x.1"), "11");
    EXPECT_EQ(content(dir / "x.8"), "4");
    EXPECT_FALSE(std::filesystem::exists(dir / "x.9"));
}

TEST(CaptureFiles, OfASizeNoByteMoreIsKept) {
    const TempDir dir;
    auto files = CaptureFiles::open(keep_bytes(dir / "x", 800), -1);
    ASSERT_TRUE(files);
    EXPECT_FALSE((*files)->is_full(100));
    EXPECT_TRUE((*files)->is_full(101));
    ASSERT_TRUE((*files)->write(std::string(60, 'x')));
    EXPECT_FALSE((*files)->is_full(40));
    EXPECT_TRUE((*files)->is_full(41));
    for (int i = 0; i < 12; ++i) ASSERT_TRUE((*files)->next_file());
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(dir.path()), {}), 8);
}

TEST(CaptureFiles, TellsWhereNobodyWillFindIt) {
    const TempDir dir;
    auto files = CaptureFiles::open({.path = dir / "x"}, -1);
    ASSERT_TRUE(files);
    EXPECT_TRUE((*files)->look_after());
    std::filesystem::remove(dir / "x");
    EXPECT_FALSE((*files)->look_after());
}

TEST(CaptureFiles, RefusesNamesThatAreNone) {
    for (const char* const path : {"", "/", "..", "dir/", "/proc/self/none/x"})
        EXPECT_FALSE(CaptureFiles::open({.path = path}, -1)) << path;
}

}  // namespace
}  // namespace bindtrace
