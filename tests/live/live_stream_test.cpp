// SPDX-License-Identifier: MIT
// What a stream promises whatever runs: meta first and nothing missed after it, names for those that live for a moment,
// no name that is somebody else's, and lines in time.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>

#include "live_bindtrace.h"
#include "live_load.h"
#include "live_netns.h"
#include "unit/wait_until.h"

namespace bindtrace {
namespace {

using namespace std::chrono_literals;

std::string own_cgroup() {
    std::ifstream file("/proc/self/cgroup");
    for (std::string line; std::getline(file, line);)
        if (line.starts_with("0::")) return line.substr(3);
    return "";
}

class Stream : public testing::Test {
  protected:
    Words filtered(Words more = {}) const {
        more.insert(more.begin(), {"--netns", netns_.inum_text()});
        return more;
    }
    Netns netns_;
};

TEST_F(Stream, BeginsWithMetaAndSeesAllThatFollows) {
    for (int i = 0; i < 20; ++i) {
        const auto port = static_cast<std::uint16_t>(18000 + i);
        Bindtrace bindtrace(filtered({"--json", "--events", "bind"}));
        ASSERT_TRUE(bindtrace.attached());
        netns_.run([&] { EXPECT_EQ(bind_and_close("127.0.0.1", port), 0); });
        const auto output = bindtrace.stop(SIGTERM);
        ASSERT_EQ(output.lines.size(), 2u) << "start " << i;
        EXPECT_EQ(output.lines[0].json["type"], "meta");
        EXPECT_EQ(brief(output.lines[1].json), "bind tcp 127.0.0.1:" + std::to_string(port) + " ok");
        EXPECT_LE(output.lines[0].json["ktime_ns"], output.lines[1].json["ktime_ns"]);
    }
}

TEST_F(Stream, MetaTellsWhatWasAskedFor) {
    Bindtrace bindtrace(filtered({"--json", "--port", "80,90-91", "--failed"}));
    ASSERT_TRUE(bindtrace.attached());
    const auto output = bindtrace.stop(SIGTERM);
    const Json& meta = output.lines.at(0).json;
    EXPECT_EQ(meta["v"], 1);
    EXPECT_EQ(meta["type"], "meta");
    EXPECT_EQ(meta["filters"], (Words{"--port 80,90-91", "--netns " + netns_.inum_text(), "--failed"}));
    for (const char* key : {"version", "kernel", "strategy", "time"}) EXPECT_NE(word_of(meta, key), "") << key;
}

// Even where ports are taken all the time while it attaches.
TEST_F(Stream, NothingComesBeforeMeta) {
    const Load load(netns_);
    ASSERT_TRUE(load.go_on(1));
    for (const bool json : {true, false}) {
        Bindtrace bindtrace(filtered(json ? Words{"--json"} : Words{}));
        EXPECT_NE(bindtrace.wait_for([](const Line& line) { return line.text.find("release") != std::string::npos; }),
                  nullptr);
        const auto output = bindtrace.stop(SIGTERM);
        ASSERT_GE(output.lines.size(), 2u);
        for (std::size_t i = 0; i < output.lines.size(); ++i) {
            const std::string& text = output.lines[i].text;
            const bool is_meta = json ? output.lines[i].json["type"] == "meta" : text.starts_with("bindtrace ");
            ASSERT_EQ(is_meta, i == 0) << "line " << i << ": " << text;
        }
    }
}

TEST_F(Stream, NamesProcessesThatAreGoneAtOnce) {
    constexpr int kShortLived = 200;
    const std::string exe = own_program();
    std::map<pid_t, Words> started;
    Bindtrace bindtrace(filtered({"--json", "--events", "bind"}));
    ASSERT_TRUE(bindtrace.attached());
    netns_.run([&] {
        for (int i = 0; i < kShortLived; ++i) {
            const Words argv = {exe, "--bind-and-exit", "127.0.0.1", std::to_string(10000 + i),
                                "number " + std::to_string(i)};
            started[in_program(argv)] = argv;
        }
    });
    const auto output = bindtrace.stop(SIGTERM);
    const std::vector<Json> events = events_of(output.lines);
    EXPECT_EQ(events.size(), std::size_t{kShortLived});
    for (const Json& event : events) {
        const Json& process = event["process"];
        const auto known = started.find(process["pid"].get<pid_t>());
        ASSERT_NE(known, started.end()) << event;
        EXPECT_EQ(process["exe"], exe) << event;
        EXPECT_EQ(process["cmdline"], known->second) << event;
        EXPECT_EQ(process["comm"], exe.substr(exe.rfind('/') + 1, 15)) << event;
        EXPECT_EQ(process["ppid"], ::getpid()) << event;
        EXPECT_EQ(process["user"], "root") << event;
        EXPECT_FALSE(process["ancestry"].empty()) << event;
        EXPECT_NE(word_of(process, "start_time"), "") << event;
        if (!own_cgroup().empty()) {
            EXPECT_EQ(event["cgroup"]["path"], own_cgroup()) << event;
        }
        started.erase(known);
    }
    EXPECT_TRUE(started.empty()) << started.size() << " processes were not seen";
}

// A service that fails to bind takes its cgroup with it, and that cgroup is its name.
TEST_F(Stream, NamesCgroupsThatAreGoneAtOnce) {
    if (cgroup_mount().empty()) GTEST_SKIP() << "cgroup v2 is not mounted";
    constexpr int kCgroups = 50;
    const std::string prefix = "/bindtrace-live-" + std::to_string(::getpid()) + "-";
    Bindtrace bindtrace(filtered({"--json", "--events", "bind"}));
    ASSERT_TRUE(bindtrace.attached());
    bindtrace.signal(SIGSTOP);  // it looks only when all is over
    netns_.run([&] {
        for (int i = 0; i < kCgroups; ++i) {
            const std::string folder = cgroup_mount() + prefix + std::to_string(i);
            std::filesystem::create_directory(folder);
            in_child([&] {
                std::ofstream(folder + "/cgroup.procs") << "0" << std::flush;
                bind_and_close("127.0.0.1", static_cast<std::uint16_t>(10000 + i));
            });
            std::error_code error;
            EXPECT_TRUE(wait_until([&] { return std::filesystem::remove(folder, error); }));
        }
    });
    bindtrace.signal(SIGCONT);
    const std::vector<Json> events = events_of(bindtrace.stop(SIGTERM).lines);
    EXPECT_EQ(events.size(), std::size_t{kCgroups});
    int nameless = 0;
    for (std::size_t i = 0; i < events.size(); ++i) {
        const Json& path = events[i]["cgroup"]["path"];
        if (path.is_null()) {
            ++nameless;
        } else {
            EXPECT_EQ(path, prefix + std::to_string(i));
        }
    }
    EXPECT_EQ(nameless, 0) << "of " << events.size() << " events have no cgroup path";
}

// The kernel gives the number of a namespace that has gone to the next one.
TEST_F(Stream, NamesNoNamespaceByItsPredecessor) {
    const auto ip = [](const Words& words) {
        Words argv = {"/bin/sh", "-c", "PATH=$PATH:/usr/sbin:/sbin; exec ip netns \"$@\"", "ip"};
        argv.insert(argv.end(), words.begin(), words.end());
        const Ended ended = run(argv);
        EXPECT_EQ(ended.code, 0) << ended.errors << " (ip is in iproute2)";
    };
    Bindtrace bindtrace({"--json", "--events", "bind", "--pid", std::to_string(::getpid())});
    Bindtrace children({"--json", "--events", "bind", "--addr", "127.66.6.6"});
    ASSERT_TRUE(bindtrace.attached() && children.attached());
    const std::string base = "bindtrace-live-" + std::to_string(::getpid()) + "-";
    std::map<std::uint64_t, int> uses;  // of a number
    for (int i = 0; i < 6; ++i) {
        const std::string name = base + std::to_string(i);
        ip({"add", name});
        ip({"exec", name, own_program(), "--bind-and-exit", "127.66.6.6", std::to_string(18000 + i)});
        ip({"del", name});
        const Netns nameless;
        nameless.run([&] { EXPECT_EQ(bind_and_close("127.66.6.6", static_cast<std::uint16_t>(18100 + i)), 0); });
    }
    const auto bound = [](int port) { return [port](const Line& line) { return line.json["port"] == port; }; };
    for (int i = 0; i < 6; ++i) {
        const Line* named = children.wait_for(bound(18000 + i));
        const Line* nameless = bindtrace.wait_for(bound(18100 + i));
        ASSERT_TRUE(named != nullptr && nameless != nullptr) << i;
        // It may have gone before bindtrace looked, and then its name is not known.
        const Json& name = named->json["netns"]["name"];
        EXPECT_TRUE(name.is_null() || name == base + std::to_string(i)) << name;
        EXPECT_TRUE(nameless->json["netns"]["name"].is_null()) << nameless->json["netns"];
        ++uses[named->json["netns"]["inum"]];
        ++uses[nameless->json["netns"]["inum"]];
    }
    EXPECT_LT(uses.size(), 12u) << "no number was given twice: nothing has been tested";
}

// As where a host starts all its containers: each is told by whoever is in it, which is looked for at once; but for a
// part of the time only, so that an emulator may not get to all of them.
TEST_F(Stream, NamesEachOfManyNewNamespacesByItsProcess) {
    constexpr int kNamespaces = 40, kFirstPort = 18200;
    Bindtrace bindtrace({"--json", "--events", "bind", "--addr", "127.66.7.7"});
    ASSERT_TRUE(bindtrace.attached());
    std::vector<pid_t> processes;
    for (int i = 0; i < kNamespaces; ++i) {
        const pid_t pid = ::fork();
        if (pid == 0) {
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);
            if (::unshare(CLONE_NEWNET) != 0) ::_exit(1);
            const Socket socket(Kind::tcp);
            const int on = 1;
            ::setsockopt(socket.fd(), SOL_IP, IP_FREEBIND, &on, sizeof(on));
            sockaddr_in address{};
            address.sin_family = AF_INET;
            address.sin_port = htons(static_cast<std::uint16_t>(kFirstPort + i));
            address.sin_addr.s_addr = inet_addr("127.66.7.7");
            if (::bind(socket.fd(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) ::_exit(1);
            for (;;) ::pause();
        }
        processes.push_back(pid);
    }
    int named = 0;
    for (int i = 0; i < kNamespaces; ++i) {
        const Line* const bound = bindtrace.wait_for([&](const Line& it) { return it.json["port"] == kFirstPort + i; });
        ASSERT_NE(bound, nullptr) << i;
        const Json& process = bound->json["process"];
        const Json& name = bound->json["netns"]["name"];
        EXPECT_TRUE(name.is_null() || name.get<std::string>().find(process["pid"].dump()) != std::string::npos ||
                    name == bound->json["unit"] || !bound->json["container"].is_null())
            << bound->text;
        named += name.is_null() ? 0 : 1;
    }
    for (const pid_t pid : processes) ::kill(pid, SIGKILL);
    for (const pid_t pid : processes) ::waitpid(pid, nullptr, 0);
    EXPECT_GT(named, kNamespaces / 2);
}

TEST_F(Stream, PrintsALineSoonAfterItsEvent) {
    constexpr int kBinds = 50;
    constexpr double kLimitMs = 50;
    // The reading end must not be what is late.
    ::setpriority(PRIO_PROCESS, 0, -20);
    Bindtrace bindtrace(filtered({"--json", "--events", "bind"}));
    ASSERT_TRUE(bindtrace.attached());
    std::vector<double> delays_ms;
    for (int i = 0; i < kBinds; ++i) {
        const auto port = static_cast<std::uint16_t>(18000 + i);
        netns_.run([&] { EXPECT_EQ(bind_and_close("127.0.0.1", port), 0); });
        const Line* line = bindtrace.wait_for([&](const Line& it) { return it.json["port"] == port; });
        ASSERT_NE(line, nullptr) << "bind " << i;
        const auto happened_ns = line->json["ktime_ns"].get<std::uint64_t>();
        ASSERT_GT(line->arrived_ns, happened_ns);
        delays_ms.push_back(static_cast<double>(line->arrived_ns - happened_ns) / 1e6);
    }
    ::setpriority(PRIO_PROCESS, 0, 0);
    std::sort(delays_ms.begin(), delays_ms.end());
    const double median = delays_ms[kBinds / 2];
    std::printf("latency from event to line: median %.2f ms, longest %.2f ms\n", median, delays_ms.back());
    RecordProperty("median_ms", std::to_string(median));
    EXPECT_LE(median, kLimitMs);
    EXPECT_LE(delays_ms[kBinds * 9 / 10], kLimitMs) << "the slowest tenth may be the machine's own business";
}

}  // namespace
}  // namespace bindtrace
