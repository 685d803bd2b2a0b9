// SPDX-License-Identifier: MIT
#include "enrich/file_notes.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>

namespace bindtrace {
namespace {

constexpr std::int64_t kNoteSecond = 1'000'000'000, kNow = 1'795'294'388 * kNoteSecond,
                       kLongAgo = kNow - 3600 * kNoteSecond;
constexpr FileStamp kFile = {.device = 1, .inode = 2, .size = 3, .modified_ns = kLongAgo, .changed_ns = kLongAgo};

TEST(FileNotes, AreOfTheFileAsItWas) {
    FileNotes<int> notes(8);
    notes.keep(kFile, kNow, 7);
    ASSERT_NE(notes.find(kFile), nullptr);
    EXPECT_EQ(*notes.find(kFile), 7);
    std::array<FileStamp, 5> others;
    others.fill(kFile);
    ++others[0].device;
    ++others[1].inode;
    ++others[2].size;
    ++others[3].modified_ns;
    ++others[4].changed_ns;
    for (const FileStamp& other : others) EXPECT_EQ(notes.find(other), nullptr);
}

// It may change once more within the same tick of the clock, and look the same.
TEST(FileNotes, AreNotKeptOfAFileThatHasJustChanged) {
    for (std::int64_t FileStamp::*time : {&FileStamp::modified_ns, &FileStamp::changed_ns}) {
        for (const std::int64_t ago :
             {kNoteSecond, std::int64_t{0}, -kNoteSecond}) {  // or, by another clock, is yet to
            FileNotes<int> notes(8);
            FileStamp file = kFile;
            file.*time = kNow - ago;
            notes.keep(file, kNow, 7);
            EXPECT_EQ(notes.find(file), nullptr) << ago;
        }
    }
}

TEST(FileNotes, AreOfSoManyFilesAtMost) {
    FileNotes<int> notes(8);
    for (std::uint64_t i = 0; i < 100; ++i) {
        FileStamp file = kFile;
        file.inode = i;
        notes.keep(file, kNow, 7);
    }
    EXPECT_EQ(notes.size(), 8u);
}

}  // namespace
}  // namespace bindtrace
