// SPDX-License-Identifier: MIT
#include "enrich/processes.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <climits>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "temp_dir.h"

namespace bindtrace {
namespace {

using namespace std::literals;
using Words = std::vector<std::string>;

const std::uint64_t kTickNs = 1'000'000'000 / static_cast<std::uint64_t>(sysconf(_SC_CLK_TCK));

bt_process described(std::string_view exe, std::string_view argv) {
    bt_process raw{};
    std::memcpy(raw.exe, exe.data(), exe.size());
    raw.exe_len = static_cast<std::uint32_t>(exe.size());
    std::memcpy(raw.argv, argv.data(), argv.size());
    raw.argv_len = raw.argv_total = static_cast<std::uint32_t>(argv.size());
    return raw;
}

TEST(ProcessFromKernel, PutsThePathTogetherLeafFirst) {
    EXPECT_EQ(process_from_kernel(described("nginx\0sbin\0usr\0"sv, "")).exe, "/usr/sbin/nginx");
    EXPECT_EQ(process_from_kernel(described("init\0"sv, "")).exe, "/init");
    EXPECT_EQ(process_from_kernel(described("nginx\0sbin"sv, "")).exe, "/sbin/nginx");       // the end got lost
    EXPECT_EQ(process_from_kernel(described("a\nb\x1b\xff\0"sv, "")).exe, "/a\nb\x1b\xff");  // escaped later
}

TEST(ProcessFromKernel, KnowsNothingWhereThereIsNothing) {
    const Process process = process_from_kernel(bt_process{});
    EXPECT_EQ(process.exe, std::nullopt);
    EXPECT_EQ(process.cmdline, std::nullopt);
    EXPECT_TRUE(process.ancestry.empty());
}

TEST(ProcessFromKernel, SplitsArguments) {
    EXPECT_EQ(process_from_kernel(described("", "nginx\0-g\0daemon off;\0"sv)).cmdline,
              (Words{"nginx", "-g", "daemon off;"}));
    EXPECT_EQ(process_from_kernel(described("", "a\0\0b\0"sv)).cmdline, (Words{"a", "", "b"}));
    EXPECT_EQ(process_from_kernel(described("", "a\0\0"sv)).cmdline, (Words{"a", ""}));
    EXPECT_EQ(process_from_kernel(described("", "cut in the mid"sv)).cmdline, (Words{"cut in the mid"}));
    EXPECT_EQ(process_from_kernel(described("", "\0"sv)).cmdline, (Words{""}));
    EXPECT_EQ(process_from_kernel(described("", "nginx: master process\0"sv)).cmdline,
              (Words{"nginx: master process"}));
}

TEST(ProcessFromKernel, ReadsNoFurtherThanItsArrays) {
    bt_process raw;
    std::memset(&raw, 'x', sizeof(raw));  // lengths of 0x78787878, no NUL anywhere
    Process process = process_from_kernel(raw);
    ASSERT_TRUE(process.exe && process.cmdline);
    EXPECT_EQ(*process.exe, "/" + std::string(BT_EXE_LEN, 'x'));
    EXPECT_EQ(*process.cmdline, Words{std::string(BT_ARGV_LEN, 'x')});
    ASSERT_EQ(process.ancestry.size(), std::size_t{BT_ANCESTORS});
    for (const Ancestor& ancestor : process.ancestry) EXPECT_EQ(ancestor.comm, std::string(BT_COMM_LEN, 'x'));

    std::memset(&raw, 0, sizeof(raw));
    raw.exe_len = raw.argv_len = raw.argv_total = raw.ancestor_count = UINT_MAX;
    process = process_from_kernel(raw);
    ASSERT_TRUE(process.cmdline);
    EXPECT_EQ(process.cmdline->size(), std::size_t{BT_ARGV_LEN});
    EXPECT_EQ(process.ancestry.size(), std::size_t{BT_ANCESTORS});
}

TEST(ProcessFromKernel, KeepsTheOrderOfAncestors) {
    bt_process raw{};
    raw.ancestor_count = 2;
    raw.ancestors[0].pid = 20;
    std::memcpy(raw.ancestors[0].comm, "bash", 4);
    raw.ancestors[1].pid = 1;
    std::memcpy(raw.ancestors[1].comm, "systemd", 7);
    raw.ancestors[2].pid = 99;  // beyond the count
    const Process process = process_from_kernel(raw);
    ASSERT_EQ(process.ancestry.size(), 2u);
    EXPECT_EQ(process.ancestry[0].pid, 20u);
    EXPECT_EQ(process.ancestry[0].comm, "bash");
    EXPECT_EQ(process.ancestry[1].comm, "systemd");
}

// A /proc of three processes: init, a shell, and a server that the kernel side never described.
class ProcFallback : public testing::Test {
  protected:
    ProcFallback() {
        stat(1, "init", 0, 0);
        stat(100, "sh", 1, 500);
        stat(4242, "server", 100, kStartTicks);
        proc_.write("4242/cmdline", "server\0--port\0008080\0"sv);
        std::filesystem::create_symlink("/opt/server (v2)", proc_ / "4242/exe");
    }

    void stat(int pid, const std::string& comm, int ppid, std::uint64_t start_ticks) {
        std::string text = std::to_string(pid) + " (" + comm + ") S " + std::to_string(ppid);
        for (int field = 5; field < 22; ++field) text += " " + std::to_string(1000 + field);
        text += " " + std::to_string(start_ticks) + " 0 0\n";
        proc_.write(std::to_string(pid) + "/stat", text);
    }

    static bt_process_key key(std::uint32_t pid, std::uint64_t ticks, std::uint32_t exec_id = 1) {
        return {
            .start_ns = ticks * kTickNs + kTickNs / 3, .pid = pid, .exec_id = exec_id};  // ticks are cut, not rounded
    }

    Processes processes() {
        return Processes([this](const bt_process_key&) { return ++asked_, from_kernel_; }, proc_.path());
    }

    static constexpr std::uint64_t kStartTicks = 123'456;
    TempDir proc_;
    std::optional<bt_process> from_kernel_;
    int asked_ = 0;
};

TEST_F(ProcFallback, ServesWhatTheKernelDidNotDescribe) {
    Processes all = processes();
    const Process* process = all.find(key(4242, kStartTicks));
    ASSERT_NE(process, nullptr);
    EXPECT_EQ(process->exe, "/opt/server (v2)");
    EXPECT_EQ(process->cmdline, (Words{"server", "--port", "8080"}));
    ASSERT_EQ(process->ancestry.size(), 2u);
    EXPECT_EQ(process->ancestry[0].pid, 100u);
    EXPECT_EQ(process->ancestry[0].comm, "sh");
    EXPECT_EQ(process->ancestry[1].pid, 1u);
    EXPECT_EQ(process->ancestry[1].comm, "init");
}

TEST_F(ProcFallback, KnowsWhoIsAlive) {
    const Processes all = processes();
    EXPECT_TRUE(all.is_alive(key(4242, kStartTicks)));
    EXPECT_FALSE(all.is_alive(key(4242, kStartTicks + 1))) << "another one with its number";
    EXPECT_FALSE(all.is_alive(key(4243, kStartTicks)));
}

// A process that goes away between open() and read() gives ESRCH; a directory fails alike, and can be made.
TEST_F(ProcFallback, TakesWhatCannotBeReadForGone) {
    std::filesystem::create_directories(proc_ / "77/stat");
    Processes all = processes();
    EXPECT_FALSE(all.is_alive(key(77, kStartTicks)));
    EXPECT_EQ(all.find(key(77, kStartTicks)), nullptr);
}

TEST_F(ProcFallback, IsNotAskedWhereTheKernelKnows) {
    from_kernel_ = described("other\0"sv, "other\0"sv);
    Processes all = processes();
    const Process* process = all.find(key(4242, kStartTicks));
    ASSERT_NE(process, nullptr);
    EXPECT_EQ(process->exe, "/other");
    EXPECT_EQ(process->cmdline, Words{"other"});
}

TEST_F(ProcFallback, NeverNamesAnotherProcessUnderARecycledPid) {
    Processes all = processes();
    EXPECT_EQ(all.find(key(4242, kStartTicks - 1)), nullptr);
    EXPECT_EQ(all.find(key(4242, kStartTicks + 1)), nullptr);
    EXPECT_NE(all.find(key(4242, kStartTicks)), nullptr);
    stat(4242, "thief", 1, kStartTicks + 1000);
    EXPECT_NE(all.find(key(4242, kStartTicks)), nullptr);  // remembered
    EXPECT_NE(all.find(key(4242, kStartTicks + 1000)), nullptr);
    EXPECT_EQ(all.find(key(4242, kStartTicks, 2)), nullptr) << "an exec that came before the thief";
}

TEST_F(ProcFallback, RemembersWhatItFound) {
    Processes all = processes();
    EXPECT_NE(all.find(key(4242, kStartTicks)), nullptr);
    std::filesystem::remove_all(proc_ / "4242");
    const Process* process = all.find(key(4242, kStartTicks));
    ASSERT_NE(process, nullptr);
    EXPECT_EQ(process->exe, "/opt/server (v2)");
    EXPECT_EQ(asked_, 1);
}

TEST_F(ProcFallback, DoesNotRememberIgnorance) {
    Processes all = processes();
    EXPECT_EQ(all.find(key(777, 1)), nullptr);
    from_kernel_ = described("late\0"sv, "");
    const Process* process = all.find(key(777, 1));
    ASSERT_NE(process, nullptr);
    EXPECT_EQ(process->exe, "/late");
}

TEST_F(ProcFallback, ReadsACommThatLooksLikeTheRestOfTheLine) {
    stat(4242, ") S 1 (x", 100, kStartTicks);
    stat(100, "a b) R 7 7 7 7", 1, 500);
    Processes all = processes();
    const Process* process = all.find(key(4242, kStartTicks));
    ASSERT_NE(process, nullptr);
    ASSERT_EQ(process->ancestry.size(), 2u);
    EXPECT_EQ(process->ancestry[0].comm, "a b) R 7 7 7 7");
    EXPECT_EQ(process->ancestry[1].comm, "init");
}

TEST_F(ProcFallback, BearsABrokenProc) {
    for (const char* text : {"", "4242", "4242 (server", "4242 )server( S 1", "4242 (server) S", "\0\0\0"}) {
        proc_.write("4242/stat", text);
        Processes all = processes();
        EXPECT_EQ(all.find(key(4242, kStartTicks)), nullptr) << text;
    }
    std::filesystem::remove(proc_ / "4242/exe");
    std::filesystem::remove(proc_ / "4242/cmdline");
    stat(4242, "kworker", 5000, kStartTicks);  // a parent that has gone
    Processes all = processes();
    const Process* process = all.find(key(4242, kStartTicks));
    ASSERT_NE(process, nullptr);
    EXPECT_EQ(process->exe, std::nullopt);
    EXPECT_EQ(process->cmdline, std::nullopt);
    EXPECT_TRUE(process->ancestry.empty());
}

TEST_F(ProcFallback, EndsWhereAncestorsGoInCircles) {
    stat(100, "sh", 4242, 500);
    Processes all = processes();
    const Process* process = all.find(key(4242, kStartTicks));
    ASSERT_NE(process, nullptr);
    EXPECT_EQ(process->ancestry.size(), std::size_t{BT_ANCESTORS});
}

TEST(Processes, KnowsThisProcessByTheRealProc) {
    std::ifstream stat("/proc/self/stat");
    std::string word;
    for (int field = 1; field <= 22; ++field) stat >> word;  // this program's comm has no blank
    Processes all([](const bt_process_key&) { return std::nullopt; });
    const auto pid = static_cast<std::uint32_t>(getpid());
    const Process* process = all.find({.start_ns = std::stoull(word) * kTickNs, .pid = pid, .exec_id = 0});
    ASSERT_NE(process, nullptr);
    EXPECT_EQ(process->exe, std::filesystem::read_symlink("/proc/self/exe").string());
    ASSERT_FALSE(process->ancestry.empty());
    EXPECT_EQ(process->ancestry[0].pid, static_cast<std::uint32_t>(getppid()));
}

}  // namespace
}  // namespace bindtrace
