// SPDX-License-Identifier: MIT
// Filters on who did it and where: each keeps and each drops.
#include <grp.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <thread>

#include "live_filter.h"
#include "unit/wait_until.h"

namespace bindtrace {
namespace {

namespace fs = std::filesystem;

constexpr uid_t kNobody = 65534;

void bind_as(uid_t uid, std::uint16_t port) {
    in_child([&] {
        if (::setgroups(0, nullptr) != 0 || ::setresgid(uid, uid, uid) != 0 || ::setresuid(uid, uid, uid) != 0)
            throw std::runtime_error("setuid");
        if (bind_and_close("127.0.0.1", port) != 0) throw std::runtime_error("bind");
    });
}

TEST_F(FilterTest, Pid) {
    // The number must be known before bindtrace starts, so this very process is the one that is wanted.
    EXPECT_EQ(told_by_kernel({"--pid", std::to_string(::getpid())},
                             [] {
                                 in_child([] { bind_and_close("127.0.0.1", 18080); });
                                 EXPECT_EQ(bind_and_close("127.0.0.1", 18081), 0);
                                 in_child([] { bind_and_close("127.0.0.1", 18082); });
                             }),
              (Words{"bind tcp 127.0.0.1:18081 ok", "release tcp 127.0.0.1:18081"}));
    for (const Json& event : events_) EXPECT_EQ(event["process"]["pid"], ::getpid());
}

TEST_F(FilterTest, PidOfSomebodyElseShowsNothing) {
    EXPECT_EQ(told_by_kernel({"--pid", "1"}, [] { EXPECT_EQ(bind_and_close("127.0.0.1", 18081), 0); }), Words{});
}

TEST_F(FilterTest, UidByNumberAndName) {
    const auto provoke = [] {
        bind_as(kNobody, 18080);
        bind_as(1234, 18081);
        EXPECT_EQ(bind_and_close("127.0.0.1", 18082), 0);  // root
    };
    const std::map<std::string, Words> users = {
        {"nobody", {"bind tcp 127.0.0.1:18080 ok", "release tcp 127.0.0.1:18080"}},
        {"65534", {"bind tcp 127.0.0.1:18080 ok", "release tcp 127.0.0.1:18080"}},
        {"1234", {"bind tcp 127.0.0.1:18081 ok", "release tcp 127.0.0.1:18081"}},
        {"0", {"bind tcp 127.0.0.1:18082 ok", "release tcp 127.0.0.1:18082"}},
        {"root", {"bind tcp 127.0.0.1:18082 ok", "release tcp 127.0.0.1:18082"}},
        {"4321", {}},
    };
    for (const auto& [user, expected] : users)
        EXPECT_EQ(told_by_kernel({"--uid", user}, provoke), expected) << "--uid " << user;
}

TEST_F(FilterTest, Comm) {
    const auto bind_named = [](const char* name, std::uint16_t port) {
        std::thread([&] {
            ::prctl(PR_SET_NAME, name);
            EXPECT_EQ(bind_and_close("127.0.0.1", port), 0);
        }).join();
    };
    EXPECT_EQ(told({"--comm", "wanted"},
                   [&] {
                       bind_named("wanted", 18080);
                       bind_named("wanted2", 18081);
                       bind_named("want", 18082);
                   }),
              (Words{"bind tcp 127.0.0.1:18080 ok", "release tcp 127.0.0.1:18080"}));
}

class NetnsFilter : public testing::Test {
  protected:
    // Binds in a namespace of its own, in another one and in this test's, under a filter. Tells where what was seen.
    void check(const std::string& word, std::uint64_t expected, const Netns& own) {
        const Netns other;
        Bindtrace bindtrace({"--json", "--netns", word, "--events", "bind"});
        ASSERT_TRUE(bindtrace.attached()) << bindtrace.stop(SIGTERM).errors;
        for (const Netns* netns : {&other, &own}) netns->run([] { EXPECT_EQ(bind_and_close("127.77.7.7", 18080), 0); });
        EXPECT_EQ(bind_and_close("127.77.7.7", 18080), 0);
        const auto output = bindtrace.stop(SIGTERM);
        int seen = 0;
        for (const Json& event : events_of(output.lines)) {
            EXPECT_EQ(event["netns"]["inum"], expected) << event;
            seen += event["addr"] == "127.77.7.7" ? 1 : 0;
        }
        EXPECT_EQ(seen, 1) << "--netns " << word;
    }
};

TEST_F(NetnsFilter, ByNumber) {
    const Netns own;
    check(own.inum_text(), own.inum(), own);
}

TEST_F(NetnsFilter, Self) {
    const Netns own;
    check("self", netns_of_this_thread(), own);
}

TEST_F(NetnsFilter, ByTheNameThatIpGave) {
    const std::string name = "bindtrace-live-" + std::to_string(::getpid());
    const auto ip = [&](const char* verb) {
        return run({"/bin/sh", "-c", "PATH=$PATH:/usr/sbin:/sbin; exec ip netns " + std::string(verb) + " " + name});
    };
    const Ended added = ip("add");
    ASSERT_EQ(added.code, 0) << added.errors << " (ip is in iproute2)";
    const std::string path = "/run/netns/" + name;
    struct stat status {};
    ASSERT_EQ(::stat(path.c_str(), &status), 0);
    Bindtrace bindtrace({"--json", "--netns", name, "--events", "bind"});
    EXPECT_TRUE(bindtrace.attached());
    EXPECT_EQ(run({"/usr/bin/nsenter", "--net=" + path, own_program(), "--bind-and-exit", "0.0.0.0", "18080"}).code, 0);
    EXPECT_EQ(bind_and_close("0.0.0.0", 18081), 0);
    const auto output = bindtrace.stop(SIGTERM);
    EXPECT_EQ(ip("del").code, 0);
    const auto events = events_of(output.lines);
    EXPECT_EQ(briefs(events), (Words{"bind tcp 0.0.0.0:18080 ok"}));
    for (const Json& event : events) {
        EXPECT_EQ(event["netns"]["inum"], status.st_ino);
        EXPECT_EQ(event["netns"]["name"], name);
    }
}

// A slice of the test's own with two services, one with a cgroup inside:
//
//     /bindtrace-live-N.slice/wanted-N.service/inner
//                            /wanted-N.service-other
class CgroupFilter : public FilterTest {
  protected:
    void SetUp() override {
        if (mount_.empty()) GTEST_SKIP() << "cgroup v2 is not mounted";
        for (const std::string& path : {inner_, other_}) fs::create_directories(mount_ + path);
    }
    void TearDown() override {
        if (mount_.empty()) return;
        for (const std::string& path : {inner_, wanted_, other_, slice_}) remove(path);
    }

    void remove(const std::string& cgroup) const {
        std::error_code error;
        EXPECT_TRUE(wait_until([&] {
            fs::remove(mount_ + cgroup, error);
            return !fs::exists(mount_ + cgroup);
        })) << cgroup
            << ": " << error.message();
    }
    void bind_in(const std::string& cgroup, std::uint16_t port) const {
        in_child([&] {
            std::ofstream(mount_ + cgroup + "/cgroup.procs") << "0" << std::flush;
            if (bind_and_close("127.0.0.1", port) != 0) throw std::runtime_error("bind");
        });
    }
    void provoke() const {
        bind_in(wanted_, 18080);
        bind_in(inner_, 18081);
        bind_in(other_, 18082);
        EXPECT_EQ(bind_and_close("127.0.0.1", 18083), 0);
    }
    Words told_of(const std::string& flag, const std::string& word) {
        return told({flag, word}, [this] { provoke(); });
    }

    const std::string number_ = std::to_string(::getpid());
    const std::string slice_ = "/bindtrace-live-" + number_ + ".slice";
    const std::string unit_ = "wanted-" + number_ + ".service";
    const std::string wanted_ = slice_ + "/" + unit_;
    const std::string inner_ = wanted_ + "/inner";
    const std::string other_ = wanted_ + "-other";
    const Words expected_ = {"bind tcp 127.0.0.1:18080 ok", "release tcp 127.0.0.1:18080",
                             "bind tcp 127.0.0.1:18081 ok", "release tcp 127.0.0.1:18081"};
    const std::string mount_ = cgroup_mount();
};

TEST_F(CgroupFilter, ByPathWithDescendants) {
    EXPECT_EQ(told_of("--cgroup", wanted_), expected_);
    ASSERT_EQ(events_.size(), 4u);
    EXPECT_EQ(events_[0]["cgroup"]["path"], wanted_);
    EXPECT_EQ(events_[2]["cgroup"]["path"], inner_);
}

// The kernel knows the cgroup above, which stays when a unit is started anew; what is beside that one it holds back.
TEST_F(CgroupFilter, IsAppliedInTheKernelToTheCgroupAbove) {
    EXPECT_EQ(told_of("--cgroup", wanted_), expected_);
    EXPECT_EQ(submitted_, 6u) << "the two services of the slice, and not the test itself";
}

TEST_F(CgroupFilter, ByPathInTheFileSystem) {
    EXPECT_EQ(told_of("--cgroup", mount_ + wanted_ + "/"), expected_);
}

TEST_F(CgroupFilter, OnlyTheInnerOne) {
    EXPECT_EQ(told_of("--cgroup", inner_), (Words{"bind tcp 127.0.0.1:18081 ok", "release tcp 127.0.0.1:18081"}));
    EXPECT_EQ(submitted_, 4u);
}

TEST_F(CgroupFilter, TheWholeSlice) {
    EXPECT_EQ(told_of("--cgroup", slice_).size(), 6u);
}

TEST_F(CgroupFilter, ByUnit) {
    EXPECT_EQ(told_of("--unit", unit_), expected_);
    EXPECT_EQ(told_of("--unit", unit_.substr(0, unit_.rfind('.'))), expected_);
}

TEST_F(CgroupFilter, FollowsAUnitThatIsStartedAnew) {
    for (const auto& [flag, word] : {std::pair{"--unit", unit_}, std::pair{"--cgroup", wanted_}}) {
        const Words seen = told({flag, word, "--events", "bind"}, [this] {
            bind_in(wanted_, 18080);
            remove(inner_);
            remove(wanted_);
            fs::create_directories(mount_ + inner_);
            bind_in(wanted_, 18081);
            bind_in(inner_, 18082);
            bind_in(other_, 18083);
        });
        EXPECT_EQ(seen,
                  (Words{"bind tcp 127.0.0.1:18080 ok", "bind tcp 127.0.0.1:18081 ok", "bind tcp 127.0.0.1:18082 ok"}))
            << flag;
    }
}

// A cgroup that has gone before bindtrace could look is no reason to show what somebody else did.
TEST_F(CgroupFilter, ShowsNoStrangerWhoseCgroupHasGone) {
    const Words seen = told({"--cgroup", wanted_, "--events", "bind"}, [this] {
        for (int i = 0; i < 50; ++i) {
            const std::string brief_one = slice_ + "/brief.service";
            fs::create_directory(mount_ + brief_one);
            bind_in(brief_one, static_cast<std::uint16_t>(19000 + i));
            remove(brief_one);
        }
        bind_in(wanted_, 18080);
    });
    EXPECT_EQ(seen, Words{"bind tcp 127.0.0.1:18080 ok"});
}

TEST_F(CgroupFilter, TheRootHoldsEverything) {
    EXPECT_EQ(told_of("--cgroup", "/").size(), 8u);
}

}  // namespace
}  // namespace bindtrace
