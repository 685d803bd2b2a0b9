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

// A cgroup of the test's own with one inside, beside another.
class CgroupFilter : public FilterTest {
  protected:
    void SetUp() override {
        if (mount_.empty()) GTEST_SKIP() << "cgroup v2 is not mounted";
        for (const std::string& path : {inner_, other_}) fs::create_directories(mount_ + path);
    }
    void TearDown() override {
        for (const std::string& path : {inner_, wanted_, other_}) {
            std::error_code error;
            wait_until([&] { return fs::remove(mount_ + path, error) || error != std::errc::device_or_resource_busy; });
        }
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

    const std::string name_ = "bindtrace-live-" + std::to_string(::getpid()) + ".service";
    const std::string wanted_ = "/" + name_;
    const std::string inner_ = wanted_ + "/inner";
    const std::string other_ = "/" + name_ + "-other";
    const Words expected_ = {"bind tcp 127.0.0.1:18080 ok", "release tcp 127.0.0.1:18080",
                             "bind tcp 127.0.0.1:18081 ok", "release tcp 127.0.0.1:18081"};
    const std::string mount_ = cgroup_mount();
};

TEST_F(CgroupFilter, ByPathWithDescendants) {
    EXPECT_EQ(told_by_kernel({"--cgroup", wanted_}, [this] { provoke(); }), expected_);
    ASSERT_EQ(events_.size(), 4u);
    EXPECT_EQ(events_[0]["cgroup"]["path"], wanted_);
    EXPECT_EQ(events_[2]["cgroup"]["path"], inner_);
}

TEST_F(CgroupFilter, ByPathInTheFileSystem) {
    EXPECT_EQ(told_by_kernel({"--cgroup", mount_ + wanted_ + "/"}, [this] { provoke(); }), expected_);
}

TEST_F(CgroupFilter, OnlyTheInnerOne) {
    EXPECT_EQ(told_by_kernel({"--cgroup", inner_}, [this] { provoke(); }),
              (Words{"bind tcp 127.0.0.1:18081 ok", "release tcp 127.0.0.1:18081"}));
}

TEST_F(CgroupFilter, ByUnit) {
    EXPECT_EQ(told_by_kernel({"--unit", name_}, [this] { provoke(); }), expected_);
    const std::string short_name = name_.substr(0, name_.rfind('.'));
    EXPECT_EQ(told_by_kernel({"--unit", short_name}, [this] { provoke(); }), expected_);
}

TEST_F(CgroupFilter, TheRootHoldsEverything) {
    EXPECT_EQ(told_by_kernel({"--cgroup", "/"}, [this] { provoke(); }).size(), 8u);
}

}  // namespace
}  // namespace bindtrace
