// SPDX-License-Identifier: MIT
// --registry: whoever takes a port that is somebody else's is told of, whatever the filters say, live and in a capture.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>

#include "live_bindtrace.h"
#include "live_bpf.h"
#include "live_netns.h"

namespace bindtrace {
namespace {

namespace fs = std::filesystem;

// That hide everything that is provoked here.
const Words kHidden = {"--pid", "1", "--port", "7", "--proto", "udplite", "--events", "release", "--failed"};

Words operator+(Words one, const Words& other) {
    one.insert(one.end(), other.begin(), other.end());
    return one;
}

std::vector<Json> warnings_of(const std::vector<Line>& lines) {
    std::vector<Json> warnings;
    for (const Line& line : lines)
        if (word_of(line.json, "type") == "warning") warnings.push_back(line.json);
    return warnings;
}

void run_python(const std::string& code) {
    const Ended ended = run({"/usr/bin/python3", "-c", "import socket\ns = socket.socket()\n" + code});
    EXPECT_EQ(ended.code, 0) << ended.errors;
}

class LiveRegistry : public testing::Test {
  protected:
    LiveRegistry() {
        std::string name = fs::temp_directory_path() / "bindtrace-registry-XXXXXX";
        folder_ = mkdtemp(name.data());
    }
    ~LiveRegistry() override {
        std::error_code ignored;
        fs::remove_all(folder_, ignored);
    }

    std::string registry(const std::string& text) const {
        const std::string file = folder_ + "/ports.toml";
        std::ofstream(file) << text;
        return file;
    }

    // What a bindtrace in the test's namespace tells of what is done there.
    std::vector<Json> told(const Words& words, const std::string& entries, const std::function<void()>& provoke) {
        Bindtrace::Output output;
        const std::string file = registry(entries);
        netns_.run([&] {
            Bindtrace bindtrace(Words{"--json", "--registry", file} + words);
            ASSERT_TRUE(bindtrace.attached()) << bindtrace.stop(SIGTERM).errors;
            provoke();
            submitted_ = events_submitted(bindtrace.pid());
            output = bindtrace.stop(SIGTERM);
        });
        code_ = output.code;
        auto warnings = warnings_of(output.lines);
        events_ = events_of(output.lines).size() - warnings.size();
        return warnings;
    }

    Netns netns_;
    std::string folder_;
    std::optional<int> code_;  // of the last run, as those below
    std::size_t events_ = 0;
    std::uint64_t submitted_ = 0;  // by the kernel side
};

TEST_F(LiveRegistry, AnEphemeralGrabIsToldThoughFiltersHideItAndTheAdviceHelps) {
    const std::string entries = "[[port]]\nport = 9100\nowner = 'node_exporter.service'\n";
    std::string fix;
    const auto connect = [] { run_python("s.connect_ex(('127.0.0.1', 9))"); };
    const auto warnings = told(kHidden, entries, [&] {
        ASSERT_EQ(run({"/bin/sh", "-c", "echo 9100 9100 > /proc/sys/net/ipv4/ip_local_port_range"}).code, 0);
        connect();
        ASSERT_EQ(run({"/bin/sh", "-c", "echo 9200 9201 > /proc/sys/net/ipv4/ip_local_port_range"}).code, 0);
        for (int i = 0; i < 20; ++i) connect();
        ASSERT_EQ(run({"/bin/sh", "-c", "echo 9100 9101 > /proc/sys/net/ipv4/ip_local_port_range"}).code, 0);
    });
    ASSERT_EQ(warnings.size(), 1u);
    EXPECT_EQ(events_, 0u);
    EXPECT_EQ(submitted_, 1u) << "an ephemeral port that is nobody's costs no event";
    const Json& warning = warnings[0];
    EXPECT_EQ(warning["reason"], "ephemeral");
    EXPECT_EQ(warning["proto"], "tcp");
    EXPECT_EQ(warning["local_port"], 9100);
    EXPECT_EQ(warning["registry"]["port"], 9100);
    EXPECT_EQ(warning["registry"]["owners"], Json::array({"node_exporter.service"}));
    EXPECT_EQ(warning["registry"]["line"], 1);
    EXPECT_EQ(warning["holder"]["acquired"], "connect");
    EXPECT_EQ(warning["holder"]["remote_port"], 9);
    EXPECT_EQ(warning["holder"]["process"]["exe"].get<std::string>().find("/usr/bin/python3"), 0u);

    const auto again = told({}, entries, [&] {
        ASSERT_EQ(run({"/bin/sh", "-c", "echo 9100 9100 > /proc/sys/net/ipv4/ip_local_port_range"}).code, 0);
        connect();
    });
    ASSERT_EQ(again.size(), 1u);
    EXPECT_GE(events_, 1u) << "nothing hidden";
    EXPECT_EQ(again[0]["advice"][0], "sysctl -w net.ipv4.ip_local_reserved_ports=9100");
    const auto advised = told(kHidden, entries, [&] {
        const std::string advice = again[0]["advice"][0];
        ASSERT_EQ(run({"/bin/sh", "-c", "PATH=$PATH:/usr/sbin:/sbin; " + advice}).code, 0);
        ASSERT_EQ(run({"/bin/sh", "-c", "echo 9100 9101 > /proc/sys/net/ipv4/ip_local_port_range"}).code, 0);
        for (int i = 0; i < 20; ++i) connect();
    });
    EXPECT_EQ(advised.size(), 0u);
}

TEST_F(LiveRegistry, AStrangerIsToldOnceOfAClaimAndTheOwnerNever) {
    const std::string entries = "[[port]]\nport = '9100-9102'\nowner = 'exe:" + own_program() +
                                "'\n[[port]]\nport = 53\nproto = 'udp'\nowner = 'free'\n"
                                "[[port]]\nport = 9103\naddress = '::1'\nowner = 'free'\n";
    const auto warnings = told(kHidden, entries, [&] {
        Socket own(Kind::tcp), port53(Kind::tcp);
        ASSERT_EQ(own.bind("127.0.0.1", 9100), 0);
        ASSERT_EQ(own.listen(), 0);
        ASSERT_EQ(port53.bind("127.0.0.1", 53), 0) << "of another protocol";
        run_python("s.bind(('127.0.0.1', 9101))\ns.listen()\ns.listen(7)");
        run_python("s.bind(('127.0.0.1', 9103))");
        run_python("s = socket.socket(socket.AF_INET6)\ns.bind(('::1', 9103))");
        run_python("s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\ns.bind(('0.0.0.0', 53))");
        run_python("try:\n  s.bind(('127.0.0.1', 9100))\nexcept OSError:\n  pass");  // a failure is no claim
    });
    ASSERT_EQ(warnings.size(), 3u);
    EXPECT_EQ(warnings[0]["local_port"], 9101);
    EXPECT_EQ(warnings[0]["reason"], "other-owner");
    EXPECT_EQ(warnings[1]["family"], "ipv6");
    EXPECT_EQ(warnings[1]["local_port"], 9103);
    EXPECT_EQ(warnings[2]["proto"], "udp");
    EXPECT_EQ(warnings[2]["registry"]["line"], 4);
}

TEST_F(LiveRegistry, AnEntryOfANamedNamespaceSpeaksOfThatOneOnly) {
    const std::string name = "bt-registry-" + std::to_string(getpid()), ip = "PATH=$PATH:/usr/sbin:/sbin ip netns ";
    const auto in_it = [&](const std::string& address) {
        const char* family = address.find(':') == std::string::npos ? "AF_INET" : "AF_INET6";
        const Ended ended = run({"/bin/sh", "-c",
                                 ip + "exec " + name + " python3 -c \"import socket; s = socket.socket(socket." +
                                     family + "); s.bind(('" + address + "', 9105))\""});
        EXPECT_EQ(ended.code, 0) << ended.errors;
    };
    const auto warnings = told({},
                               "[[port]]\nport = 9105\nowner = 'free'\n[[port]]\nport = 9105\nnetns = '" + name +
                                   "'\naddress = '::'\nowner = 'free'\n",
                               [&] {
                                   ASSERT_EQ(run({"/bin/sh", "-c", ip + "add " + name}).code, 0);  // made while it runs
                                   in_it("0.0.0.0");
                                   in_it("::");
                               });
    EXPECT_EQ(run({"/bin/sh", "-c", ip + "del " + name}).code, 0);
    ASSERT_EQ(warnings.size(), 1u);
    EXPECT_EQ(warnings[0]["family"], "ipv6");
    EXPECT_EQ(warnings[0]["registry"]["netns"], name);
}

TEST_F(LiveRegistry, ListeningOnWhatWasBoundBeforeIsAClaim) {
    Bindtrace::Output output;
    const std::string file = registry("[[port]]\nport = 9100\nowner = 'a.service'\n");
    netns_.run([&] {
        Socket before(Kind::tcp), other(Kind::tcp);
        ASSERT_EQ(before.bind("127.0.0.1", 9100), 0);
        Bindtrace bindtrace({"--json", "--registry", file});
        ASSERT_TRUE(bindtrace.attached());
        ASSERT_EQ(before.listen(), 0);
        output = bindtrace.stop(SIGTERM);
    });
    EXPECT_EQ(warnings_of(output.lines).size(), 1u);
}

TEST_F(LiveRegistry, JoiningTheOwnerBySoReuseportIsTold) {
    std::optional<Socket> own;  // is still there when bindtrace looks
    const auto warnings = told({}, "[[port]]\nport = 9100\nowner = 'exe:" + own_program() + "'\n", [&] {
        own.emplace(Kind::tcp);
        const int on = 1;
        ASSERT_EQ(::setsockopt(own->fd(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)), 0);
        ASSERT_EQ(own->bind("0.0.0.0", 9100), 0);
        ASSERT_EQ(own->listen(), 0);
        ChildProcess stranger({"/usr/bin/python3", "-c",
                               "import socket, sys\ns = socket.socket()\n"
                               "s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)\n"
                               "s.bind(('0.0.0.0', 9100))\ns.listen()\nprint('up', flush=True)\nsys.stdin.read()"});
        ASSERT_EQ(stranger.read_line(), "up");
        stranger.signal(SIGTERM);
    });
    ASSERT_EQ(warnings.size(), 1u);
    EXPECT_EQ(warnings[0]["reason"], "reuseport-join") << warnings[0]["summary"];
}

TEST_F(LiveRegistry, ADaemonThatBecomesItsUserAfterwardsIsTheOwner) {
    const std::string entries = "[[port]]\nport = '9100-9101'\nowner = 'user:nobody'\n";
    std::optional<ChildProcess> daemon;  // is still there when bindtrace ends
    const auto warnings = told({}, entries, [&] {
        daemon.emplace(Words{"/usr/bin/python3", "-c",
                             "import os, socket, sys, time\ns = socket.socket()\ns.bind(('0.0.0.0', 9100))\n"
                             "s.listen()\nos.setuid(65534)\nprint('up', flush=True)\nsys.stdin.read()"});
        ASSERT_EQ(daemon->read_line(), "up");
        run_python("s.bind(('0.0.0.0', 9101))\ns.listen()");  // root's, and gone: told at the end
    });
    ASSERT_EQ(warnings.size(), 1u);
    EXPECT_EQ(warnings[0]["local_port"], 9101);
}

TEST_F(LiveRegistry, ACaptureHasTheWarningsAndReplayTellsTheSame) {
    const std::string file = registry("[[port]]\nport = 9100\nowner = 'a.service'\n"), capture = folder_ + "/x.btcap";
    Ended recorded;
    netns_.run([&] {
        recorded = run_bindtrace({"record", "-o", capture, "--json", "--port", "7", "--registry", file, "--",
                                  "/usr/bin/python3", "-c",
                                  "import socket\ns = socket.socket()\ns.bind(('127.0.0.1', 9100))\ns.listen()"});
    });
    ASSERT_EQ(recorded.code, 0) << recorded.errors;
    EXPECT_NE(recorded.out.find("\"type\":\"warning\""), std::string::npos) << recorded.out;
    EXPECT_NE(recorded.errors.find("1 warning"), std::string::npos) << recorded.errors;
    EXPECT_EQ(run_bindtrace({"replay", "--json", capture}).out, recorded.out);
    EXPECT_EQ(run_bindtrace({"replay", "--json", "--port", "7", capture}).out.find("\"warning\""), std::string::npos);
    EXPECT_NE(run_bindtrace({"report", capture}).out.find("WARNINGS"), std::string::npos);
    EXPECT_NE(run_bindtrace({"report", capture, "--port", "9100"}).out.find("warning"), std::string::npos);
    EXPECT_NE(run_bindtrace({"export", capture, "--to", "csv", "-o", "-"}).out.find(",warning,"), std::string::npos);
    EXPECT_EQ(run_bindtrace({"export", capture, "--to", "sqlite", "-o", folder_ + "/x.db"}).code, 0);
    const Ended row = run({"/usr/bin/python3", "-c",
                           "import sqlite3, sys\nprint(sqlite3.connect(sys.argv[1]).execute("
                           "'SELECT reason, local_port, owner, comm FROM warnings JOIN processes p ON p.id = process')"
                           ".fetchall())",
                           folder_ + "/x.db"});
    EXPECT_EQ(row.out, "[('other-owner', 9100, 'a.service', 'python3')]\n") << row.errors;
}

TEST_F(LiveRegistry, FailOnConflict) {
    const std::string file = registry("[[port]]\nport = 9100\nowner = 'a.service'\n"), capture = folder_ + "/x.btcap";
    const auto code = [&](const Words& words, const std::string& script) {
        Ended ended;
        netns_.run([&] {
            ended = run_bindtrace(
                Words{"record", "--force", "-o", capture} + words +
                Words{"--", "/usr/bin/python3", "-c", "import socket, sys\ns = socket.socket()\n" + script});
        });
        return ended.code;
    };
    const std::string takes = "s.bind(('127.0.0.1', 9100))\n",
                      fails = "try:\n  s.bind(('192.0.2.1', 1))\nexcept OSError: pass\n";
    EXPECT_EQ(code({"--registry", file}, takes), 0);
    EXPECT_EQ(code({"--registry", file, "--fail-on-conflict"}, takes), 3);
    EXPECT_EQ(code({"--registry", file, "--fail-on-conflict"}, takes + "sys.exit(5)"), 5) << "the command's own";
    EXPECT_EQ(code({"--registry", file, "--fail-on-conflict"}, "s.bind(('127.0.0.1', 9101))"), 0);
    EXPECT_EQ(code({"--fail-on-conflict"}, takes), 0);
    EXPECT_EQ(code({"--fail-on-conflict"}, fails), 3);
    EXPECT_EQ(code({"--fail-on-conflict", "--port", "7"}, fails), 0) << "not asked for";

    const auto live = told({"--fail-on-conflict"}, "[[port]]\nport = 9100\nowner = 'a.service'\n",
                           [] { run_python("s.bind(('127.0.0.1', 9100))"); });
    EXPECT_EQ(live.size(), 1u);
    EXPECT_EQ(code_, 3);
}

TEST_F(LiveRegistry, AMistakeInTheRegistryEndsWith2) {
    const Ended wrong = run_bindtrace({"--registry", registry("[[port]]\nport = 80\n")});
    EXPECT_EQ(wrong.code, 2);
    EXPECT_NE(wrong.errors.find("ports.toml:1: owner is missing"), std::string::npos) << wrong.errors;
    EXPECT_EQ(run_bindtrace({"--registry", folder_ + "/nosuch.toml"}).code, 2);
    EXPECT_EQ(run_bindtrace({"--registry", ""}).code, 2);
    EXPECT_EQ(
        run_bindtrace({"record", "-o", folder_ + "/y", "--registry", folder_, "--registry", folder_ + "/no"}).code, 2);
}

}  // namespace
}  // namespace bindtrace
