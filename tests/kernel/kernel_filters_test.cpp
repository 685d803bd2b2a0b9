// SPDX-License-Identifier: MIT
// The filters that are applied in the kernel: what they match is told, what they do not match is not.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/stat.h>

#include <fstream>
#include <functional>
#include <memory>
#include <set>
#include <sstream>
#include <thread>

#include "core/unique_fd.h"
#include "kernel_bindtrace.h"
#include "kernel_bpf_objects.h"

namespace bindtrace {
namespace {

// A port each for what is told apart.
constexpr std::uint16_t kOwnTcp = 23001;
constexpr std::uint16_t kOwnUdp = 23002;
constexpr std::uint16_t kOfUser = 23003;
constexpr std::uint16_t kInNetns = 23004;
constexpr std::uint16_t kInCgroup = 23005;
constexpr std::uint16_t kInChildCgroup = 23006;
constexpr std::uint16_t kBesideCgroup = 23007;
constexpr uid_t kUser = 65534;

// No address of a network namespace needs to be there.
int bind_any(const Socket& socket, std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    return ::bind(socket.fd(), reinterpret_cast<const sockaddr*>(&address), sizeof(address));
}

std::string cgroup2_mount() {
    std::ifstream mounts("/proc/self/mounts");
    std::string device, at, type, rest;
    while (mounts >> device >> at >> type && std::getline(mounts, rest))
        if (type == "cgroup2") return at;
    return "/nowhere";
}

// A process that enters something, and binds by both protocols.
void bind_in_child(std::uint16_t port, const std::function<bool()>& enter) {
    const pid_t child = fork();
    if (child == 0) {
        if (!enter()) _exit(1);
        const Socket stream(SOCK_STREAM), datagram(SOCK_DGRAM);
        _exit(bind_any(stream, port) == 0 && bind_any(datagram, port) == 0 ? 0 : 2);
    }
    int status = -1;
    waitpid(child, &status, 0);
    EXPECT_EQ(status, 0) << port;
}

bool enter_cgroup(const std::string& folder) {
    const UniqueFd file(open((folder + "/cgroup.procs").c_str(), O_WRONLY | O_CLOEXEC));
    return write(file.get(), "0", 1) == 1;
}

struct Filter {
    const char* words;  // "PID", "NETNS" and "CGROUP" are of this run
    std::set<std::string> told;
};

class Filters : public testing::Test {
  protected:
    void SetUp() override {
        ASSERT_GE(netns_.get(), 0);
        has_cgroups_ = mkdir(above_.c_str(), 0755) == 0 && mkdir(cgroup_.c_str(), 0755) == 0 &&
                       mkdir(child_cgroup_.c_str(), 0755) == 0 && mkdir(beside_.c_str(), 0755) == 0;
    }
    void TearDown() override {
        for (const std::string& cgroup : {child_cgroup_, cgroup_, beside_, above_}) rmdir(cgroup.c_str());
    }

    bool can_run(const Filter& filter) const {
        return has_cgroups_ || std::string(filter.words).find("CGROUP") == std::string::npos;
    }

    std::unique_ptr<ChildProcess> start(const Filter& filter) const {
        std::vector<std::string> words = {from_environment("BINDTRACE", "build/bindtrace"), "--json",      "--attach",
                                          from_environment("BT_STRATEGY", "auto"),          "--ring-size", "1"};
        std::istringstream text(filter.words);
        for (std::string word; text >> word;) {
            if (word == "PID") word = std::to_string(getpid());
            if (word == "NETNS") word = std::to_string(inum_of(netns_file()));
            if (word == "CGROUP") word = path_;
            words.push_back(word);
        }
        return std::make_unique<ChildProcess>(words);
    }

    // Everything, whatever the filter, where nobody else has these ports.
    void act() {
        ASSERT_EQ(unshare(CLONE_NEWNET), 0);
        own_ = inum_of("/proc/thread-self/ns/net");
        {
            const Socket holder(SOCK_STREAM), late(SOCK_STREAM), datagram(SOCK_DGRAM);
            EXPECT_EQ(bind_any(holder, kOwnTcp), 0);
            holder.listen();
            EXPECT_EQ(bind_any(late, kOwnTcp), -1);
            EXPECT_EQ(bind_any(datagram, kOwnUdp), 0);
        }
        bind_in_child(kOfUser, [] { return setuid(kUser) == 0; });
        bind_in_child(kInNetns, [&] { return setns(netns_.get(), CLONE_NEWNET) == 0; });
        if (!has_cgroups_) return;
        bind_in_child(kInCgroup, [&] { return enter_cgroup(cgroup_); });
        bind_in_child(kInChildCgroup, [&] { return enter_cgroup(child_cgroup_); });
        bind_in_child(kBesideCgroup, [&] { return enter_cgroup(beside_); });
    }

    // "TYPE PROTOCOL PORT RESULT" of each event, to the end.
    std::set<std::string> told_by(ChildProcess& bindtrace) const {
        std::set<std::string> told;
        while (const auto line = bindtrace.read_line()) {
            const Json event = Json::parse(*line, nullptr, false);
            if (!event.contains("local_port") || !event["netns"].is_object()) continue;
            const Json& netns = event["netns"]["inum"];
            if (netns != own_ && netns != inum_of(netns_file())) continue;  // somebody else's, meanwhile
            const Json& port = event["port"].is_number() ? event["port"] : event["local_port"];
            const std::string result = event["result"].is_string() ? " " + event["result"].get<std::string>() : "";
            told.insert(event["type"].get<std::string>() + " " + event["proto"].get<std::string>() + " " + port.dump() +
                        result);
        }
        EXPECT_EQ(bindtrace.wait(std::chrono::seconds(60)), 0) << bindtrace.errors();
        return told;
    }

  private:
    static std::uint64_t inum_of(const std::string& file) {
        struct stat about {};
        stat(file.c_str(), &about);
        return about.st_ino;
    }
    std::string netns_file() const { return "/proc/" + std::to_string(elsewhere_.pid()) + "/ns/net"; }

    const Child elsewhere_{[](int) {
        if (unshare(CLONE_NEWNET) != 0) _exit(1);
    }};
    const UniqueFd netns_{open(netns_file().c_str(), O_RDONLY | O_CLOEXEC)};
    std::uint64_t own_ = 0;
    // The kernel is told of the one above the one asked for.
    const std::string path_above_ = "/bindtrace-filter-" + std::to_string(getpid());
    const std::string path_ = path_above_ + "/wanted";
    const std::string above_ = cgroup2_mount() + path_above_;
    const std::string beside_ = above_ + "/beside";
    const std::string cgroup_ = cgroup2_mount() + path_;
    const std::string child_cgroup_ = cgroup_ + "/child";
    bool has_cgroups_ = false;
};

// Two at a time, each of which hides some of what the other would tell.
const Filter kFilters[] = {
    {"--uid 65534 --proto udp", {"bind udp 23003 ok", "release udp 23003"}},
    {"--netns NETNS --events release", {"release tcp 23004", "release udp 23004"}},
    {"--cgroup CGROUP --events bind",
     {"bind tcp 23005 ok", "bind udp 23005 ok", "bind tcp 23006 ok", "bind udp 23006 ok"}},
    {"--pid PID --port 23002,23004-23006", {"bind udp 23002 ok", "release udp 23002"}},
    {"--failed", {"bind tcp 23001 EADDRINUSE"}},
};

// All at once, since it is to load that takes the time.
TEST_F(Filters, LetThroughWhatTheyMatchAndNothingElse) {
    std::vector<std::pair<const Filter*, std::unique_ptr<ChildProcess>>> running;
    for (const Filter& filter : kFilters)
        if (can_run(filter)) running.emplace_back(&filter, start(filter));
    for (auto& [filter, bindtrace] : running) ASSERT_TRUE(bindtrace->read_line()) << filter->words;  // meta
    std::thread([this] { act(); }).join();
    for (auto& [filter, bindtrace] : running) {
        if (std::string_view(filter->words).find("CGROUP") == std::string_view::npos) continue;
        EXPECT_EQ(events_submitted(bindtrace->pid()), filter->told.size() + 2) << "what is beside it, and no others";
    }
    for (auto& [filter, bindtrace] : running) bindtrace->signal(SIGINT);  // what is in the buffer is told first
    for (auto& [filter, bindtrace] : running) EXPECT_EQ(told_by(*bindtrace), filter->told) << filter->words;
}

}  // namespace
}  // namespace bindtrace
