// SPDX-License-Identifier: MIT
#include "enrich/netns_names.h"

#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <thread>

#include "temp_dir.h"
#include "wait_until.h"

namespace bindtrace {
namespace {

// Plain files stand for network namespaces: what counts is the inode number behind a name.
std::uint32_t add(const TempDir& folder, const char* name) {
    const auto inum = NetnsNames::inum_of(folder.write(name, ""));
    EXPECT_TRUE(inum && *inum != 0);
    return inum.value_or(0);
}

NetnsNames of(std::uint32_t host, const std::string& folder) {
    return NetnsNames(
        host, [](const auto&) { return std::nullopt; }, folder, "/nosuch/proc");
}

TEST(NetnsNames, NamesTheHostAndWhatIpNetnsNamed) {
    const TempDir folder;
    const std::uint32_t blue = add(folder, "blue");
    const std::uint32_t red = add(folder, "red");
    NetnsNames names = of(4026531840, folder.path());
    EXPECT_EQ(names.name(4026531840), "host");
    EXPECT_EQ(names.name(blue), "blue");
    EXPECT_EQ(names.name(red), "red");
    EXPECT_EQ(names.name(1), std::nullopt);
    EXPECT_EQ(names.name(0), std::nullopt);
}

TEST(NetnsNames, CallsTheHostHostWhateverElseItIsCalled) {
    const TempDir folder;
    const std::uint32_t init = add(folder, "init");
    NetnsNames names = of(init, folder.path());
    EXPECT_EQ(names.name(init), "host");
}

TEST(NetnsNames, KnowsNoHostThatWasNotFound) {
    const TempDir folder;
    NetnsNames names = of(0, folder.path());
    EXPECT_EQ(names.name(0), std::nullopt);
}

TEST(NetnsNames, BearsAMissingFolder) {
    NetnsNames names = of(7, "/nosuch/folder");
    EXPECT_EQ(names.name(7), "host");
    EXPECT_EQ(names.name(8), std::nullopt);
}

TEST(NetnsNames, LearnsOfANewOne) {
    const TempDir folder;
    NetnsNames names = of(4026531840, folder.path());
    const std::uint32_t late = add(folder, "late");
    EXPECT_EQ(names.name(late), "late") << "when it is first asked for";
    EXPECT_TRUE(wait_until([&, later = add(folder, "later")] { return names.name(later) == "later"; }));
}

// The kernel gives the lowest free number to the next namespace: a name must not outlive its namespace.
TEST(NetnsNames, ForgetsANameThatHasGone) {
    const TempDir folder;
    const std::uint32_t inum = add(folder, "old");
    NetnsNames names = of(4026531840, folder.path());
    EXPECT_EQ(names.name(inum), "old");
    std::filesystem::rename(folder / "old", folder / "new");
    EXPECT_TRUE(wait_until([&] { return names.name(inum) == "new"; })) << *names.name(inum);
    std::filesystem::remove(folder / "new");
    EXPECT_TRUE(wait_until([&] { return names.name(inum) == std::nullopt; })) << *names.name(inum);
}

TEST(NetnsNames, FollowsLinksToTheNamespaceItself) {
    const TempDir folder;
    const std::uint32_t inum = add(folder, "target");
    std::filesystem::create_symlink(folder / "target", folder / "link");
    EXPECT_EQ(NetnsNames::inum_of(folder / "link"), inum);
    EXPECT_EQ(NetnsNames::inum_of(folder / "nosuch"), std::nullopt);
    EXPECT_TRUE(NetnsNames::inum_of("/proc/self/ns/net"));
}

// A folder that looks like /proc, with processes in network namespaces.
struct Proc {
    TempDir folder;

    void add(const std::string& pid, const std::string& netns, int started, const std::string& flags = "0") const {
        folder.write(netns, "");
        folder.write("proc/" + pid + "/stat", pid + " (app) S 1 0 0 0 0 " + flags + " 0 0 0 0 0 0 0 0 0 0 0 0 " +
                                                  std::to_string(started) + " 0");
        std::filesystem::create_directories(folder / ("proc/" + pid + "/ns"));
        std::filesystem::create_symlink(folder / netns, folder / ("proc/" + pid + "/ns/net"));
    }
    NetnsNames names(const std::string& host) const {
        const auto by_first = [](const NetnsProcesses& processes) {
            return std::optional(processes.front().comm + std::to_string(processes.front().pid) + " of " +
                                 std::to_string(processes.size()));
        };
        return NetnsNames(inum(host), by_first, "/nosuch/folder", folder / "proc");
    }
    std::uint32_t inum(const std::string& netns) const { return NetnsNames::inum_of(folder / netns).value_or(0); }
};

TEST(NetnsNames, CallsTheNamelessByTheOldestProcessInThem) {
    const Proc proc;
    proc.add("1", "host", 0);
    proc.add("30", "blue", 7);
    proc.add("20", "blue", 9);
    proc.add("40", "red", 8);
    proc.folder.write("proc/self/stat", "");
    NetnsNames names = proc.names("host");
    EXPECT_EQ(names.name(proc.inum("host")), "host");
    EXPECT_EQ(names.name(proc.inum("blue")), "app30 of 2");
    EXPECT_EQ(names.name(proc.inum("red")), "app40 of 1");
    proc.add("50", "netns-2b5a9a20-59ae-76c4-b214-04a9efa4d74f", 9);
    proc.add("60", "netns-blue", 9);
    NetnsNames podmans = NetnsNames(
        0, [](const auto&) { return std::optional<std::string>("pweb"); }, proc.folder.path(), proc.folder / "proc");
    EXPECT_EQ(podmans.name(proc.inum("netns-2b5a9a20-59ae-76c4-b214-04a9efa4d74f")), "pweb") << "says more";
    EXPECT_EQ(podmans.name(proc.inum("netns-blue")), "netns-blue") << "somebody called it so";
    const bt_process_key goes_on{.start_ns = 5, .pid = 41, .exec_id = 1},
        another{.start_ns = 6, .pid = 42, .exec_id = 1};
    EXPECT_EQ(names.name(proc.inum("red"), goes_on), "app40 of 1");
    std::filesystem::remove_all(proc.folder / "proc/40");
    EXPECT_EQ(names.name(proc.inum("red"), another), std::nullopt) << "the number may be another one's by now";
    EXPECT_EQ(names.name(proc.inum("red"), goes_on), std::nullopt);
}

TEST(NetnsNames, AreNoneThatAThreadOfTheKernelGives) {
    const Proc proc;
    proc.add("1", "host", 0);
    proc.add("2", "first", 0, "2129984");  // kthreadd: PF_KTHREAD among others
    proc.add("30", "first", 9, "4194560");
    proc.add("3", "second", 0, "69238880");
    NetnsNames names = proc.names("host");
    EXPECT_EQ(names.name(proc.inum("first")), "app30 of 1");
    EXPECT_EQ(names.name(proc.inum("second")), std::nullopt);
}

// Whoever has the processes of a network namespace: here, of those that were added to it.
struct Inside {
    const Proc proc{};
    std::map<std::uint32_t, NetnsProcesses> processes;
    int looks = 0;
    std::chrono::milliseconds takes{};
    NetnsNames names{1, [](const NetnsProcesses& found) { return std::optional(found.front().comm); }, "/nosuch/folder",
                     proc.folder / "proc",
                     [this](std::uint32_t inum) {
                         ++looks;
                         std::this_thread::sleep_for(takes);
                         return processes[inum];
                     }};

    std::uint32_t add(std::uint32_t pid, const std::string& netns) {
        proc.add(std::to_string(pid), netns, 9);
        const std::uint32_t inum = proc.inum(netns);
        processes[inum].push_back({.pid = pid, .netns = inum, .started = pid, .comm = "app" + std::to_string(pid)});
        return inum;
    }
};

bt_process_key process(std::uint32_t pid) {
    return {.start_ns = pid, .pid = pid, .exec_id = 1};
}

TEST(NetnsNames, AsksWhoeverHasTheProcessesOfEachThatIsNew) {
    Inside inside;
    const std::uint32_t blue = inside.add(30, "blue");
    inside.add(31, "blue");
    EXPECT_EQ(inside.names.name(1), "host");
    EXPECT_EQ(inside.looks, 0) << "only where it is needed";
    EXPECT_EQ(inside.names.name(blue), "app30");
    const std::uint32_t red = inside.add(40, "red");
    EXPECT_EQ(inside.names.name(red), "app40") << "at once, whatever was looked at before";
    EXPECT_EQ(inside.looks, 2);
    std::filesystem::remove_all(inside.proc.folder / "proc/30");
    inside.processes[blue].erase(inside.processes[blue].begin());
    EXPECT_EQ(inside.names.name(blue), "app31") << "the next oldest, at once";
}

TEST(NetnsNames, LooksForNoMoreThanAPartOfTheTime) {
    Inside inside;
    inside.takes = std::chrono::milliseconds(30);  // more than a fiftieth of a second
    const std::uint32_t blue = inside.add(30, "blue"), red = inside.add(40, "red");
    EXPECT_EQ(inside.names.name(blue), "app30");
    EXPECT_EQ(inside.names.name(red), std::nullopt);
    EXPECT_EQ(inside.looks, 1);
    EXPECT_TRUE(wait_until([&] { return inside.names.name(red) == "app40"; }));
}

TEST(NetnsNames, LearnsThatItsOldestProcessIsCalledOtherwiseByNow) {
    Inside inside;
    const std::uint32_t blue = inside.add(30, "blue");
    EXPECT_EQ(inside.names.name(blue), "app30");
    inside.processes[blue].front().comm = "container web";  // which was not written down yet
    EXPECT_TRUE(wait_until([&] { return inside.names.name(blue) == "container web"; }));
}

// To ask /proc takes longer than all else that an event needs. (What is seen of that: it is not missed while they go
// on, for a tenth of a second. A machine may take longer than that to get here.)
TEST(NetnsNames, DoesNotAskAgainWhileSeveralProcessesTakeTurns) {
    EXPECT_TRUE(wait_until([] {
        Inside inside;
        const std::uint32_t blue = inside.add(30, "blue");
        for (int round = 0; round < 2; ++round)
            for (std::uint32_t pid = 30; pid < 38; ++pid) inside.names.name(blue, process(pid));
        std::filesystem::remove_all(inside.proc.folder / "proc/30");
        inside.processes.clear();
        for (std::uint32_t pid = 30; pid < 38; ++pid)
            if (!inside.names.name(blue, process(pid))) return false;
        return !inside.names.name(blue, process(38)) && !inside.names.name(blue, process(30));
    }));
}

}  // namespace
}  // namespace bindtrace
