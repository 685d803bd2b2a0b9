// SPDX-License-Identifier: MIT
// Where a recording or an export cannot be written, or is killed: a clear error, and what was written reads.
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "live_record.h"

namespace bindtrace {
namespace {

using namespace std::chrono_literals;

// The last second may be lost, and nothing else; it can be read while it runs, too.
TEST_F(Recording, KilledLosesAtMostItsLastSecond) {
    Bindtrace bindtrace(record(capture()));
    ASSERT_TRUE(is_recording(capture()));
    netns_.run([] { EXPECT_EQ(bind_and_close("127.0.0.1", 7130), 0); });
    Ended growing;
    ASSERT_TRUE(wait_until([&] {
        growing = replayed(capture());
        return lines_with(growing.out, "\"local_port\":7130") == 2;
    })) << growing.out;
    EXPECT_EQ(growing.code, 0);
    EXPECT_NE(growing.errors.find("still running"), std::string::npos) << growing.errors;
    const auto output = bindtrace.stop(SIGKILL);
    const Ended later = replayed(capture());
    EXPECT_EQ(later.code, 4);
    EXPECT_EQ(later.out, growing.out);
    EXPECT_NE(later.errors.find("no end"), std::string::npos) << later.errors;
}

// In the midst of a storm: the last event that can be read is not older than that second, and what a busy machine adds.
TEST_F(Recording, KilledInAStormLosesAtMostItsLastSecond) {
    Bindtrace bindtrace(record(capture()));
    ASSERT_TRUE(is_recording(capture()));
    timespec killed{};
    {
        const Load load(netns_);
        const auto beginning = std::filesystem::file_size(capture());
        ASSERT_TRUE(wait_until([&] { return std::filesystem::file_size(capture()) > beginning; }, 30s));
        ASSERT_TRUE(load.go_on(100));
        clock_gettime(CLOCK_BOOTTIME, &killed);
        EXPECT_EQ(bindtrace.stop(SIGKILL).code, 128 + SIGKILL);
    }
    const std::string told = replayed(capture(), {"--events", "release"}).out;
    const std::string last = told.substr(told.rfind('\n', told.size() - 2) + 1);
    const std::int64_t lost_ns =
        killed.tv_sec * 1'000'000'000 + killed.tv_nsec - Json::parse(last)["ktime_ns"].get<std::int64_t>();
    EXPECT_LT(lost_ns, 2'500'000'000);
}

class OnDisk : public Recording {
  protected:
    ~OnDisk() override { umount2(disk().c_str(), MNT_DETACH); }
    std::string disk() const { return dir_ / "disk"; }
    void mount_disk(const char* options, unsigned long flags = 0) const {
        ASSERT_EQ(mkdir(disk().c_str(), 0700), 0);
        ASSERT_EQ(mount("none", disk().c_str(), "tmpfs", flags, options), 0);
    }
};

class SmallDisk : public OnDisk {
  protected:
    void SetUp() override { mount_disk("size=256k"); }
};

TEST_F(SmallDisk, FullIsAClearErrorAndWhatWasWrittenReads) {
    const std::string file = dir_ / "disk/x.btcap";
    Bindtrace bindtrace(record(file));
    ASSERT_TRUE(is_recording(file));
    Bindtrace::Output output;
    {
        const Load load(netns_);
        output = bindtrace.wait_for_end(60s);
    }
    EXPECT_EQ(output.code, 1) << output.errors;
    EXPECT_NE(output.errors.find("No space left on device"), std::string::npos) << output.errors;
    const Ended later = replayed(file);
    EXPECT_EQ(later.code, 4);
    EXPECT_GT(lines_with(later.out, "\"bind\""), 100u);
    EXPECT_NE(later.errors.find("no end"), std::string::npos) << later.errors;
    EXPECT_EQ(later.errors.find("damaged"), std::string::npos) << "the block that did not fit was not taken back";
    const auto totals = totals_of(output.errors), kept = totals_of(later.errors);
    ASSERT_TRUE(totals && kept) << output.errors << later.errors;
    EXPECT_GT(totals->events, kept->events);
    EXPECT_GE(totals->lost, totals->events - kept->events) << "what came after the last block that did fit";
}

TEST_F(SmallDisk, TheCommandIsNotRunUnrecordedFromTheStart) {
    std::ofstream(dir_ / "disk/filler") << std::string(256 << 10, 'x');
    const Ended ended = run_bindtrace(record(dir_ / "disk/x.btcap", {"--", "/bin/sh", "-c", "echo ran"}));
    EXPECT_EQ(ended.code, 1) << ended.errors;
    EXPECT_EQ(ended.out, "");
    EXPECT_NE(ended.errors.find("No space left on device"), std::string::npos) << ended.errors;
}

TEST_F(SmallDisk, TheCommandGoesOnWhenTheDiskIsFull) {
    const std::string filler = dir_ / "disk/filler";
    Bindtrace bindtrace(
        record(dir_ / "disk/x.btcap",
               {"--", "/bin/sh", "-c", "cat /dev/zero >" + filler + " 2>/dev/null; echo full; read line; exit 7"}));
    ASSERT_TRUE(bindtrace.wait_for([](const Line& line) { return line.text == "full"; }, 60s));
    {
        const Load load(netns_);
        ASSERT_TRUE(load.go_on(3000));
    }
    bindtrace.close_stdin();
    const auto output = bindtrace.wait_for_end(30s);
    EXPECT_EQ(output.code, 7) << output.errors;
    EXPECT_NE(output.errors.find("No space left on device"), std::string::npos) << output.errors;
    EXPECT_NE(output.errors.find("nothing more is recorded"), std::string::npos) << output.errors;
}

TEST_F(Recording, AFileThatMayNotGrowIsAClearError) {
    Words argv = {"/bin/sh", "-c", "ulimit -f 16; exec \"$0\" \"$@\"", bindtrace_binary()};
    const Words words = record(capture());
    argv.insert(argv.end(), words.begin(), words.end());
    Bindtrace bindtrace(argv, Bindtrace::Whole{});
    ASSERT_TRUE(is_recording(capture()));
    const Load load(netns_);
    const auto output = bindtrace.wait_for_end(60s);
    EXPECT_EQ(output.code, 1) << output.errors;
    EXPECT_NE(output.errors.find("File too large"), std::string::npos) << output.errors;
    EXPECT_EQ(replayed(capture()).code, 4);
}

TEST_F(Recording, ADirectoryThatVanishesIsAClearError) {
    const std::string folder = dir_ / "folder";
    ASSERT_TRUE(std::filesystem::create_directory(folder));
    Bindtrace bindtrace(record(folder + "/x.btcap"));
    ASSERT_TRUE(is_recording(folder + "/x.btcap"));
    std::filesystem::remove_all(folder);
    const auto output = bindtrace.wait_for_end(30s);
    EXPECT_EQ(output.code, 1);
    EXPECT_NE(output.errors.find("was deleted"), std::string::npos) << output.errors;
}

// Its files are moved, and the next one cannot be made.
TEST_F(Recording, ADirectoryThatVanishesBetweenTwoFilesIsAClearError) {
    const std::string folder = dir_ / "folder", moved = dir_ / "moved";
    ASSERT_TRUE(std::filesystem::create_directory(folder));
    Bindtrace bindtrace(record(folder + "/x.btcap", {"--max-size", "64K", "--rotate", "3"}));
    ASSERT_TRUE(is_recording(folder + "/x.btcap"));
    const Load load(netns_);
    ASSERT_TRUE(wait_until([&] { return std::filesystem::exists(folder + "/x.btcap.1"); }, 60s));
    std::filesystem::copy(folder, moved);
    std::filesystem::remove_all(folder);
    const auto output = bindtrace.wait_for_end(60s);
    EXPECT_EQ(output.code, 1);
    EXPECT_NE(output.errors.find("x.btcap"), std::string::npos) << output.errors;
    EXPECT_EQ(replayed(moved + "/x.btcap.1").code, 0);
}

TEST_F(OnDisk, ThatIsReadOnlyIsAClearError) {
    mount_disk("size=1m", MS_RDONLY);
    const Ended recorded = run_bindtrace(record(disk() + "/x.btcap"));
    EXPECT_EQ(recorded.code, 1);
    EXPECT_NE(recorded.errors.find("Read-only file system"), std::string::npos) << recorded.errors;
}

// btrfs limits root too.
TEST_F(OnDisk, AQuotaIsAClearErrorAndWhatWasWrittenReads) {
    const std::string image = dir_.write("image", "");
    std::filesystem::resize_file(image, 64 << 20);
    ASSERT_EQ(mkdir(disk().c_str(), 0700), 0);
    const std::string make = "mkfs.btrfs -q -M " + image + " && mount -o loop " + image + " " + disk() +
                             " && btrfs quota enable " + disk() + " && btrfs qgroup limit 512K " + disk();
    const Ended made = run({"/bin/sh", "-c", "PATH=$PATH:/usr/sbin:/sbin; " + make});
    ASSERT_EQ(made.code, 0) << made.errors;
    Bindtrace bindtrace(record(disk() + "/x.btcap"));
    ASSERT_TRUE(is_recording(disk() + "/x.btcap"));
    {
        const Load load(netns_);
        const auto output = bindtrace.wait_for_end(60s);
        EXPECT_EQ(output.code, 1);
        EXPECT_NE(output.errors.find("the quota is used up"), std::string::npos) << output.errors;
    }
    const Ended later = replayed(disk() + "/x.btcap");
    EXPECT_EQ(later.code, 4);
    EXPECT_GT(lines_with(later.out, "\"bind\""), 100u);
    EXPECT_EQ(later.errors.find("damaged"), std::string::npos) << later.errors;
    for (const std::string format : {"jsonl", "sqlite"}) {
        const Ended exported =
            run_bindtrace({"export", disk() + "/x.btcap", "--to", format, "-o", disk() + "/" + format});
        EXPECT_EQ(exported.code, 1) << format;
        EXPECT_NE(exported.errors.find("quota"), std::string::npos) << format << ": " << exported.errors;
    }
}

}  // namespace
}  // namespace bindtrace
