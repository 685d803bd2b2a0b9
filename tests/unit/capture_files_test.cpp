// SPDX-License-Identifier: MIT
#include "capture/capture_files.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>

#include "capture_samples.h"
#include "temp_dir.h"

namespace bindtrace {
namespace {

std::string content(const std::filesystem::path& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

TEST(CaptureFiles, ARingOfFilesForgetsTheOldest) {
    const TempDir dir;
    CapturePlace place = keep_for(dir / "x", 8);
    place.file_ns = 1;
    auto files = CaptureFiles::open(place, -1);
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

TEST(CaptureFiles, AFileOfARingIsOfASecondAtLeast) {
    EXPECT_EQ(keep_for("x", 1).file_ns, 1'000'000'000u);
    EXPECT_EQ(keep_for("x", 80'000'000'000).file_ns, 10'000'000'000u);
}

// Ports that differ in all they have: their checkpoint alone would be several times the file.
TEST(CaptureFiles, NoneOutgrowsItsBoundWhateverIsHeld) {
    constexpr std::uint64_t kBound = 64 << 10;
    const TempDir dir;
    auto files = CaptureFiles::open({.path = dir / "x", .file_bytes = kBound, .earlier_files = 50}, -1);
    ASSERT_TRUE(files);
    CaptureWriter writer(**files);
    std::vector<HeldPort> ports;
    std::mt19937_64 random(1);
    for (std::uint64_t i = 0; i < 5000; ++i) {
        HeldPort& port = ports.emplace_back(HeldPort{.holder = sampled_holder(i), .processes = 1});
        port.holder.raw.sock.cookie = random();
        port.holder.process->process->cmdline = {{std::to_string(random()), std::to_string(random())}};
    }
    ASSERT_TRUE(writer.start(sampled_meta(), sampled_host(), ports, true));
    for (std::uint64_t i = 0; i < 40; ++i) {
        NetnsFacts facts;
        facts.inum = static_cast<std::uint32_t>(i);
        for (int setting = 0; setting < 10; ++setting)
            facts.sysctls.emplace_back(std::to_string(random()), std::to_string(random()));
        writer.netns(facts);
        const std::uint64_t later_ns = i * 61'000'000'000;
        ASSERT_TRUE(writer.tick(kUtcOffset + static_cast<std::int64_t>(kBegin + later_ns), kBegin + later_ns));
    }
    ASSERT_TRUE(writer.finish());
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(dir.path())) {
        EXPECT_LE(entry.file_size(), kBound) << entry.path();
        Heard heard;
        const auto report = CaptureReader::of(content(entry.path()))->read(heard);
        ASSERT_TRUE(report);
        EXPECT_TRUE(report->complete());
        ASSERT_FALSE(heard.checkpoints.empty());
        EXPECT_GT(heard.checkpoints[0].ports.size(), 50u);
        EXPECT_FALSE(heard.checkpoints[0].complete);
        ++count;
    }
    EXPECT_GT(count, 10u);
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
