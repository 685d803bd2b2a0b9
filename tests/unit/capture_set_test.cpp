// SPDX-License-Identifier: MIT
// Several captures as one stream: hosts merged by time, series in their order, whatever the order of the arguments.
#include "capture/capture_set.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "capture_series_samples.h"

namespace bindtrace {
namespace {

using Words = std::vector<std::string>;

class Set : public testing::Test {
  protected:
    Set() {
        const auto web = SampledHost{.name = "web", .recording = 71}.files({{1, 4}, {6, 7}, {9}});
        for (std::size_t i = 0; i < web.size(); ++i) paths_.push_back(put("web." + std::to_string(i), web[i]));
        const SampledHost db{.name = "db", .recording = 12, .boot_ns = 40'000'000'000'000};
        paths_.push_back(put("db", db.files({{2, 3, 8}})[0]));
    }
    std::string put(const std::string& name, std::string_view bytes) const { return dir_.write(name, bytes); }
    std::string content(std::size_t path) const {
        std::ifstream file(paths_[path], std::ios::binary);
        return {std::istreambuf_iterator<char>(file), {}};
    }
    Words read(const Words& paths) {
        auto set = CaptureSet::look(paths);
        EXPECT_TRUE(set) << set.error().what;
        Stream stream;
        auto done = set->read(stream);
        EXPECT_TRUE(done) << done.error().what;
        read_ = std::move(*done);
        several_ = set->has_several_hosts();
        return stream.words;
    }

    const TempDir dir_;
    Words paths_;  // web's three files, db's
    SetRead read_;
    bool several_ = false;
};

const Words kMerged = {"web:meta", "db:meta", "web:1", "db:2", "db:3", "web:4", "web:6", "web:7", "db:8", "web:9"};

TEST_F(Set, HostsAreMergedByTimeWhateverTheOrderOfTheFiles) {
    std::ranges::sort(paths_);
    const Words first = read(paths_);
    Words expected = kMerged;
    if (first[0] == "db:meta") std::swap(expected[0], expected[1]);  // both at the same time
    do {
        ASSERT_EQ(read(paths_), expected);
        ASSERT_TRUE(read_.is_complete() && several_ && read_.overlaps.empty());
    } while (std::ranges::next_permutation(paths_).found);
}

TEST_F(Set, OfOneHostNoneIsNamed) {
    EXPECT_EQ(read({paths_[2], paths_[0], paths_[1]}),
              (Words{"web:meta", "web:1", "web:4", "web:6", "web:7", "web:9"}));
    EXPECT_FALSE(several_);
    EXPECT_TRUE(read_.is_complete());
}

TEST_F(Set, OfADamagedFileAmongThemTheRestIsRead) {
    std::string bytes = content(1);
    const std::size_t events = bytes.find(kCaptureMagic, bytes.find(kCaptureMagic, 1) + 1);
    bytes[events + 70] ^= 1;
    put("web.1", bytes);
    const Words told = read({paths_[3], paths_[1], paths_[2], paths_[0]});
    EXPECT_EQ(std::ranges::count(told, "web:6"), 0);
    EXPECT_EQ(told.size(), kMerged.size() - 2);
    EXPECT_FALSE(read_.is_complete());
    EXPECT_EQ(std::ranges::count_if(read_.files, [](const FileRead& file) { return !file.is_complete(); }), 1);
}

TEST_F(Set, WhatIsNoCaptureAmongThemIsTold) {
    put("empty", "");
    put("text", "no capture at all");
    EXPECT_EQ(read({paths_[3], dir_ / "text", dir_ / "empty"}), (Words{"db:meta", "db:2", "db:3", "db:8"}));
    EXPECT_FALSE(read_.is_complete());
    EXPECT_FALSE(several_);
    auto none = CaptureSet::look({dir_ / "text", dir_ / "empty"});
    ASSERT_TRUE(none);
    Stream stream;
    EXPECT_FALSE(none->read(stream)) << "nothing at all in there";
    EXPECT_FALSE(CaptureSet::look({paths_[0], dir_ / "nowhere"}));
}

TEST_F(Set, AFileThatIsMissingInTheMiddleIsTold) {
    read({paths_[0], paths_[2]});
    ASSERT_EQ(read_.files.size(), 2u);
    EXPECT_FALSE(read_.is_complete());
    ASSERT_EQ(read_.files[1].read.damages.size(), 1u);
    EXPECT_NE(read_.files[1].read.damages[0].what.find("missing"), std::string::npos);
    read({paths_[1], paths_[2]});
    EXPECT_TRUE(read_.is_complete()) << "the oldest may be gone: it is a ring";
}

TEST_F(Set, WhatIsThereTwiceIsTakenOnce) {
    const std::string whole = content(3);
    const std::string shorter = put("copy", whole.substr(0, whole.size() - 80));  // of a file that grew afterwards
    for (const Words& paths : {Words{paths_[3], paths_[3]}, Words{shorter, paths_[3]}}) {
        EXPECT_EQ(read(paths), (Words{"db:meta", "db:2", "db:3", "db:8"}));
        EXPECT_FALSE(several_);
        ASSERT_EQ(read_.files.size(), 2u);
        EXPECT_TRUE(read_.files[1].read.all_known());
    }
    EXPECT_EQ(read({paths_[0], paths_[1], paths_[2], paths_[3], paths_[1]}).size(), kMerged.size());
    EXPECT_TRUE(read_.is_complete());
}

TEST_F(Set, RecordingsOfOneBootAtTheSameTimeAreTold) {
    const std::string beside = put("beside", SampledHost{.name = "web", .recording = 99}.files({{3, 5}})[0]);
    const Words told = read({paths_[0], paths_[1], beside});
    EXPECT_EQ(told.size(), 2 + 4 + 2u);
    EXPECT_EQ(read_.overlaps.size(), 1u);
    EXPECT_FALSE(several_);
    constexpr std::uint64_t kLater = 0 - 100'000'000'000ull;
    const SampledHost again{.name = "web", .recording = 98, .boot_ns = kLater};
    read({paths_[0], paths_[1], put("later", again.files({{1}})[0])});
    EXPECT_TRUE(read_.overlaps.empty());
}

}  // namespace
}  // namespace bindtrace
