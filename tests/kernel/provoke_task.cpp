// SPDX-License-Identifier: MIT
// What bindtrace must say of the calling thread, read from /proc.
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <sstream>

#include "provoke_story.h"

namespace bindtrace {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

std::vector<std::string> own_cmdline() {
    std::vector<std::string> arguments;
    std::istringstream words(read_file("/proc/self/cmdline"));
    for (std::string word; std::getline(words, word, '\0');) arguments.push_back(word);
    return arguments;
}

struct Stat {
    std::string comm;
    int ppid = 0;
    std::int64_t start_ticks = 0;
};

Stat stat_of(int pid) {
    const std::string text = read_file("/proc/" + std::to_string(pid) + "/stat");
    const std::size_t open = text.find('('), close = text.rfind(')');
    must(open != std::string::npos && close != std::string::npos, "stat of " + std::to_string(pid) + ": " + text);
    Stat stat{text.substr(open + 1, close - open - 1)};
    std::istringstream fields(text.substr(close + 2));
    std::string state, unused;
    fields >> state >> stat.ppid;
    for (int i = 5; i < 22; ++i) fields >> unused;  // numbers as in proc(5)
    fields >> stat.start_ticks;
    return stat;
}

Json ancestry(int ppid) {
    Json list = Json::array();
    for (; ppid != 0 && list.size() < kMostAncestors;) {
        const Stat parent = stat_of(ppid);
        list.push_back({{"pid", ppid}, {"comm", parent.comm}});
        ppid = parent.ppid;
    }
    return list;
}

Json user_name(uid_t uid) {
    std::ifstream lines("/etc/passwd");  // which not every system has
    for (std::string line; std::getline(lines, line);) {
        std::istringstream fields(line);
        std::string name, password, number;
        std::getline(fields, name, ':') && std::getline(fields, password, ':') && std::getline(fields, number, ':');
        if (number == std::to_string(uid)) return name;
    }
    return nullptr;
}

std::int64_t now(clockid_t clock) {
    timespec time{};
    ::clock_gettime(clock, &time);
    return time.tv_sec * kSecond + time.tv_nsec;
}

std::string utc(std::int64_t ns) {
    const time_t seconds = ns / kSecond;
    tm parts{};
    ::gmtime_r(&seconds, &parts);
    std::array<char, 32> text{};
    const std::size_t size = ::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &parts);
    return std::string(text.data(), size);  // a prefix, so it comes before all of that second
}

// /proc has it in ticks, and a clock may be set a little between our look and bindtrace's.
Json start_time(std::int64_t ticks) {
    const std::int64_t since_boot = ticks * (kSecond / ::sysconf(_SC_CLK_TCK));
    const std::int64_t start = now(CLOCK_REALTIME) - now(CLOCK_BOOTTIME) + since_boot;
    return {{"min", utc(start - kSecond)}, {"max", utc(start + 2 * kSecond)}};
}

}  // namespace

std::string cgroup_path() {
    std::istringstream lines(read_file("/proc/thread-self/cgroup"));
    for (std::string line; std::getline(lines, line);) {
        if (line.rfind("0::", 0) == 0) return line.substr(3);
    }
    return {};
}

std::optional<std::string> cgroup2_mount() {
    std::istringstream mounts(read_file("/proc/self/mountinfo"));
    for (std::string line; std::getline(mounts, line);) {
        if (line.find(" - cgroup2 ") == std::string::npos) continue;
        std::istringstream fields(line);
        std::string id, parent, device, root, at;
        fields >> id >> parent >> device >> root >> at;
        return at;
    }
    return std::nullopt;
}

std::optional<std::uint64_t> cgroup_id() {
    const auto mount = cgroup2_mount();
    struct stat about {};
    if (!mount || ::stat((*mount + cgroup_path()).c_str(), &about) != 0) return std::nullopt;
    return about.st_ino;
}

std::string own_exe() {
    // Once, since a process that changed its uid may no longer ask.
    static const std::string exe = [] {
        std::array<char, 4096> path{};
        const ssize_t size = ::readlink("/proc/self/exe", path.data(), path.size());
        must(size > 0, "readlink /proc/self/exe: " + errno_name(errno));
        return std::string(path.data(), static_cast<std::size_t>(size));
    }();
    return exe;
}

Json task_facts() {
    std::array<char, 17> comm{};
    ::prctl(PR_GET_NAME, comm.data());
    const Stat stat = stat_of(::getpid());
    Json facts = {{"process",
                   {{"pid", ::getpid()},
                    {"tid", ::gettid()},
                    {"ppid", ::getppid()},
                    {"comm", comm.data()},
                    {"exe", own_exe()},
                    {"cmdline", own_cmdline()},
                    {"uid", ::getuid()},
                    {"user", user_name(::getuid())},
                    {"start_time", start_time(stat.start_ticks)},
                    {"ancestry", ancestry(stat.ppid)}}}};
    if (const auto id = cgroup_id()) facts["cgroup"] = {{"id", *id}, {"path", cgroup_path()}};
    return facts;
}

}  // namespace bindtrace
