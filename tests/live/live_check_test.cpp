// SPDX-License-Identifier: MIT
// `bindtrace check` against sockets that are really there.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <pwd.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>

#include "../unit/wait_until.h"
#include "live_bindtrace.h"
#include "live_netns.h"

namespace bindtrace {
namespace {

namespace fs = std::filesystem;

class LiveCheck : public testing::Test {
  protected:
    LiveCheck() {
        std::string name = fs::temp_directory_path() / "bindtrace-check-XXXXXX";
        folder_ = mkdtemp(name.data());
        fs::permissions(folder_, fs::perms::all);
    }
    ~LiveCheck() override {
        std::error_code ignored;
        fs::remove_all(folder_, ignored);
    }

    std::string registry(const std::string& text) const {
        const std::string file = folder_ + "/ports.toml";
        std::ofstream(file) << text;
        return file;
    }
    // In the namespace of the test.
    Ended check(Words words) const {
        Ended ended;
        words.insert(words.begin(), "check");
        netns_.run([&] { ended = run_bindtrace(words); });
        return ended;
    }
    // The first entry, and the exit code.
    std::pair<Json, int> check_one(const std::string& entry) const {
        const Ended ended = check({"--json", registry("[[port]]\n" + entry)});
        const Json json = Json::parse(ended.out.substr(0, ended.out.find('\n')), nullptr, false);
        EXPECT_TRUE(json.is_object()) << ended.out << ended.errors;
        return {json.is_object() ? json : Json::object(), ended.code.value_or(-1)};
    }
    std::string status(const std::string& entry) const {
        const auto [json, code] = check_one(entry);
        const std::string status = word_of(json, "status");
        EXPECT_EQ(code, status == "ok" ? 0 : 3);
        return status;
    }

    std::string folder_;
    Netns netns_;
};

std::string own_exe() {
    return "'exe:" + own_program() + "'";
}

TEST_F(LiveCheck, TellsWhosePortItIs) {
    netns_.run([&] {
        Socket server(Kind::tcp), server6(Kind::tcp, true), datagrams(Kind::udp), bound(Kind::tcp);
        ASSERT_EQ(server.bind("127.0.0.1", 8080), 0);
        ASSERT_EQ(server.listen(), 0);
        ASSERT_EQ(server6.bind("::1", 8081), 0);
        ASSERT_EQ(server6.listen(), 0);
        ASSERT_EQ(datagrams.bind("0.0.0.0", 8082), 0);
        ASSERT_EQ(bound.bind("127.0.0.1", 8083), 0);
        EXPECT_EQ(status("port = 8080\nowner = " + own_exe()), "ok");
        EXPECT_EQ(status("port = 8080\nowner = 'user:root'"), "ok");
        EXPECT_EQ(status("port = 8080\nowner = 'user:nobody'"), "taken");
        EXPECT_EQ(status("port = 8080\nowner = 'nginx.service'"), "taken");
        EXPECT_EQ(status("port = 8080\naddress = '127.0.0.2'\nowner = 'free'"), "ok");
        EXPECT_EQ(status("port = 8080\nproto = 'udp'\nowner = 'free'"), "ok");
        EXPECT_EQ(status("port = 8081\nowner = " + own_exe()), "ok");
        EXPECT_EQ(status("port = 8081\naddress = '0.0.0.0'\nowner = 'free'"), "ok");
        EXPECT_EQ(status("port = 8082\nproto = 'udp'\nowner = " + own_exe()), "ok");
        EXPECT_EQ(status("port = 8083\nowner = 'free'"), "taken") << "bound, and not listening";
        EXPECT_EQ(status("port = 8083\nowner = " + own_exe()), "free") << "it does not serve";
        EXPECT_EQ(status("port = 8084\nowner = 'nginx.service'"), "free");
        EXPECT_EQ(status("port = '8070-8090'\nowner = " + own_exe()), "ok");
    });
}

TEST_F(LiveCheck, NamesWhoHasItAndWhereTheEntryStands) {
    netns_.run([&] {
        Socket server(Kind::tcp, true);
        ASSERT_EQ(server.bind("::", 8080), 0);
        ASSERT_EQ(server.listen(), 0);
        const auto [taken, code] = check_one("port = 8080\naddress = '10.0.0.1'\nowner = 'nginx.service'");
        EXPECT_EQ(code, 3);
        EXPECT_EQ(taken["status"], "taken");
        EXPECT_EQ(taken["holders"][0]["process"]["pid"], getpid());
        EXPECT_EQ(taken["holders"][0]["is_owner"], false);
        EXPECT_EQ(taken["risks"][0]["risk"], "dual-stack-shadow");
        EXPECT_EQ(taken["line"], 1);
        const Ended text = check({registry("[[port]]\nport = 8080\nowner = 'nginx.service'\n")});
        EXPECT_EQ(text.code, 3);
        EXPECT_NE(text.out.find("taken   tcp 8080  nginx.service  live_tests[" + std::to_string(getpid()) + "]"),
                  std::string::npos)
            << text.out;
        EXPECT_NE(text.out.find("1 entry: 1 taken; "), std::string::npos) << text.out;
    });
}

TEST_F(LiveCheck, AClientThatHasThePortIsNamed) {
    netns_.run([&] {
        Socket server(Kind::tcp), client(Kind::tcp);
        ASSERT_EQ(server.bind("127.0.0.1", 8848), 0);
        ASSERT_EQ(server.listen(), 0);
        ASSERT_EQ(client.connect("127.0.0.1", 8848), 0);
        const std::string port = std::to_string(client.local_port());
        EXPECT_EQ(status("port = " + port + "\nowner = 'nginx.service'"), "taken");
        EXPECT_EQ(status("port = " + port + "\nowner = " + own_exe()), "free") << "it does not listen";
        EXPECT_EQ(status("port = 8848\nowner = " + own_exe()), "ok") << "its connections are its own";
    });
}

TEST_F(LiveCheck, TheLineThatItPrintsReservesThePort) {
    netns_.run([&] {
        const std::string file = registry(
            "[[port]]\nport = 9100\nowner = 'free'\n[[port]]\nport = '40000-40002'\nowner = 'free'\n"
            "[[port]]\nport = 40003\nproto = 'udp'\nowner = 'free'\n");
        ASSERT_EQ(run({"/bin/sh", "-c", "echo 39999,50000 > /proc/sys/net/ipv4/ip_local_reserved_ports"}).code, 0);
        const Ended before = check({"--json", file});
        EXPECT_EQ(before.code, 0) << "a risk is no mismatch";
        std::istringstream lines(before.out);
        std::string line;
        std::getline(lines, line);
        EXPECT_EQ(Json::parse(line)["risks"], Json::array()) << "not in the range";
        std::getline(lines, line);
        const Json risk = Json::parse(line)["risks"][0];
        EXPECT_EQ(risk["risk"], "range-overlap");
        EXPECT_EQ(risk["fix"], "sysctl -w net.ipv4.ip_local_reserved_ports=39999-40003,50000");
        const Ended fixed = run({"/bin/sh", "-c", "PATH=$PATH:/usr/sbin:/sbin; " + risk["fix"].get<std::string>()});
        ASSERT_EQ(fixed.code, 0) << fixed.errors;
        const Ended after = check({"--json", file});
        EXPECT_EQ(after.out.find("range-overlap"), std::string::npos) << after.out;
    });
}

// An `ip netns` of the test's own.
class NamedNetns {
  public:
    NamedNetns() : name_("bt-check-" + std::to_string(getpid())) {
        EXPECT_EQ(run({"/bin/sh", "-c", "PATH=$PATH:/usr/sbin:/sbin ip netns add " + name_}).code, 0);
    }
    ~NamedNetns() { run({"/bin/sh", "-c", "PATH=$PATH:/usr/sbin:/sbin ip netns del " + name_}); }
    NamedNetns(const NamedNetns&) = delete;
    NamedNetns& operator=(const NamedNetns&) = delete;

    const std::string& name() const { return name_; }
    void inside(const std::function<void()>& body) const {
        std::thread([&] {
            const int fd = ::open(("/run/netns/" + name_).c_str(), O_RDONLY | O_CLOEXEC);
            ASSERT_EQ(::setns(fd, CLONE_NEWNET), 0);
            ::close(fd);
            body();
        }).join();
    }

  private:
    std::string name_;
};

TEST_F(LiveCheck, LooksIntoTheNamespaceThatTheRegistryNames) {
    const NamedNetns other;
    const std::string entry = "port = 40000\nnetns = '" + other.name() + "'\nowner = ";
    other.inside([&] {
        Socket server(Kind::tcp);
        ASSERT_EQ(server.bind("0.0.0.0", 40000), 0);
        ASSERT_EQ(server.listen(), 0);
        EXPECT_EQ(status("port = 40000\nowner = 'free'"), "ok") << "not in the own one";
        EXPECT_EQ(status(entry + own_exe()), "ok");
        const Json taken = check_one(entry + "'nginx.service'").first;
        EXPECT_EQ(taken["status"], "taken");
        EXPECT_EQ(taken["netns"]["name"], other.name());
        EXPECT_EQ(taken["netns"]["inum"], netns_of_this_thread());
        const std::string fix = taken["risks"][0]["fix"];
        EXPECT_EQ(fix, "ip netns exec " + other.name() + " sysctl -w net.ipv4.ip_local_reserved_ports=40000");
        ASSERT_EQ(run({"/bin/sh", "-c", "PATH=$PATH:/usr/sbin:/sbin; " + fix}).code, 0);
        EXPECT_EQ(check_one(entry + own_exe()).first["risks"], Json::array());
    });
    EXPECT_EQ(status("port = 80\nnetns = 'bt-nosuch'\nowner = 'free'"), "unknown");
}

void allow_reuseport(const Socket& socket) {
    const int on = 1;
    ASSERT_EQ(::setsockopt(socket.fd(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)), 0);
}

TEST_F(LiveCheck, AStrangerThatSharesThePortIsToldAndAWildcardToo) {
    netns_.run([&] {
        Socket server(Kind::tcp);
        allow_reuseport(server);
        ASSERT_EQ(server.bind("0.0.0.0", 8080), 0);
        ASSERT_EQ(server.listen(), 0);
        const Json wide = check_one("port = 8080\naddress = '127.0.0.1'\nowner = " + own_exe()).first;
        EXPECT_EQ(wide["status"], "ok");
        EXPECT_EQ(wide["risks"][0]["risk"], "wildcard-exposed");

        ChildProcess stranger({"/usr/bin/python3", "-c",
                               "import socket, sys\ns = socket.socket()\n"
                               "s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)\n"
                               "s.bind(('0.0.0.0', 8080))\ns.listen()\nprint('up', flush=True)\nsys.stdin.read()"});
        ASSERT_EQ(stranger.read_line(), "up");
        const Json shared = check_one("port = 8080\nowner = " + own_exe()).first;
        EXPECT_EQ(shared["status"], "taken");
        EXPECT_EQ(shared["risks"][0]["risk"], "reuseport-shared");
        EXPECT_EQ(shared["holders"][0]["process"]["pid"], stranger.pid()) << "who is in the way comes first";
        stranger.signal(SIGTERM);
    });
}

TEST_F(LiveCheck, WhatIsLearnedIsOkAtOnce) {
    netns_.run([&] {
        Socket one(Kind::tcp), two(Kind::tcp, true), three(Kind::udp), chosen(Kind::tcp);
        ASSERT_EQ(one.bind("127.0.0.1", 8080), 0);
        ASSERT_EQ(two.bind("::", 8081), 0);
        ASSERT_EQ(three.bind("0.0.0.0", 5353), 0);
        ASSERT_EQ(chosen.bind("127.0.0.1", 0), 0);
        for (Socket* server : {&one, &two, &chosen}) ASSERT_EQ(server->listen(), 0);
        const Ended learned = check({"--learn"});
        ASSERT_EQ(learned.code, 0) << learned.errors;
        EXPECT_NE(learned.out.find("# Not listed:"), std::string::npos) << learned.out;
        const Ended checked = check({registry(learned.out)});
        EXPECT_EQ(checked.code, 0) << learned.out << checked.out << checked.errors;
        EXPECT_NE(checked.out.find("3 entries: 3 ok"), std::string::npos) << checked.out;
        one.close();
        EXPECT_EQ(check({folder_}).code, 3) << "a folder, and one has gone";
    });
}

TEST_F(LiveCheck, HostileNamesAreNamesOnly) {
    netns_.run([&] {
        const std::string program = folder_ + "/x\"\n[[port]]\x1b[2J";
        fs::copy_file(fs::canonical("/usr/bin/python3"), program);
        ChildProcess stranger({program, "-c",
                               "import socket, sys\ns = socket.socket()\ns.bind(('127.0.0.1', 8080))\ns.listen()\n"
                               "print('up', flush=True)\nsys.stdin.read()"});
        ASSERT_EQ(stranger.read_line(), "up");
        const Ended learned = check({"--learn"});
        const Ended checked = check({registry(learned.out)});
        EXPECT_EQ(checked.code, 0) << learned.out << checked.out << checked.errors;
        EXPECT_EQ((learned.out + checked.out).find('\x1b'), std::string::npos);
        stranger.signal(SIGTERM);
    });
}

TEST_F(LiveCheck, WithoutRootItSaysWhatItDoesNotSeeAndNothingUnknownPasses) {
    netns_.run([&] {
        Socket server(Kind::tcp);
        ASSERT_EQ(server.bind("127.0.0.1", 8080), 0);
        ASSERT_EQ(server.listen(), 0);
        const std::string file = registry(
            "[[port]]\nport = 8080\nowner = 'user:root'\n[[port]]\nport = 8081\nowner = 'free'\n"
            "[[port]]\nport = 8081\nproto = 'udp'\nowner = 'free'\n");
        const std::string program = folder_ + "/bindtrace";  // where nobody may reach it
        fs::copy_file(bindtrace_binary(), program);
        const Ended ended = run(as_nobody({program, "check", file}));
        EXPECT_EQ(ended.code, 3) << ended.out << ended.errors;
        EXPECT_NE(ended.errors.find("not seen are other network namespaces"), std::string::npos) << ended.errors;
        EXPECT_NE(ended.out.find("3 entries: 1 ok, 2 unknown"), std::string::npos) << ended.out;
    });
}

bool sleeps_in_poll(pid_t pid) {
    std::string where;
    std::ifstream("/proc/" + std::to_string(pid) + "/wchan") >> where;
    return where.find("poll") != std::string::npos;
}

TEST_F(LiveCheck, WaitsUntilThePortIsItsOwners) {
    netns_.run([&] {
        const std::string file = registry("[[port]]\nport = 8080\nowner = " + own_exe() + "\n");
        Socket early(Kind::tcp);
        ASSERT_EQ(early.bind("127.0.0.1", 8080), 0);
        ASSERT_EQ(early.listen(), 0);
        EXPECT_EQ(check({"--wait", "60s", file}).code, 0) << "all is well already";
        early.close();

        const auto start = std::chrono::steady_clock::now();
        EXPECT_EQ(check({"--wait", "200ms", file}).code, 3) << "the time is over";
        EXPECT_GE(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(200));

        Bindtrace waiting({"check", "--json", "--wait", "60s", "-v", file});
        ASSERT_TRUE(wait_until([&] { return sleeps_in_poll(waiting.pid()); }, std::chrono::seconds(30)));
        Socket late(Kind::tcp);
        ASSERT_EQ(late.bind("127.0.0.1", 8080), 0);
        ASSERT_EQ(late.listen(), 0);
        const Bindtrace::Output output = waiting.wait_for_end(std::chrono::seconds(30));
        EXPECT_EQ(output.code, 0) << output.errors;
        ASSERT_EQ(output.lines.size(), 1u);
        EXPECT_EQ(output.lines[0].json["status"], "ok");
    });
}

// It listens as root, and drops that when it is told to: nothing happens to its port then.
constexpr const char* kDropsRoot =
    "import os, socket, sys\ns = socket.socket()\ns.bind(('127.0.0.1', 8080))\ns.listen()\nprint('up', flush=True)\n"
    "sys.stdin.read()\nos.setuid(65534)\nprint('dropped', flush=True)\ns.accept()";

TEST_F(LiveCheck, WaitsForAnOwnerThatBecomesOneLater) {
    netns_.run([&] {
        const passwd* nobody = ::getpwuid(65534);
        ASSERT_NE(nobody, nullptr);
        const std::string file =
            registry("[[port]]\nport = 8080\nowner = 'user:" + std::string(nobody->pw_name) + "'\n");
        Bindtrace waiting({"check", "--json", "--wait", "1h", file});
        ASSERT_TRUE(wait_until([&] { return sleeps_in_poll(waiting.pid()); }, std::chrono::seconds(30)));
        ChildProcess daemon({"/usr/bin/python3", "-c", kDropsRoot});
        ASSERT_EQ(daemon.read_line(), "up");
        std::this_thread::sleep_for(std::chrono::milliseconds(400));  // until what its port has told is looked at
        daemon.close_stdin();
        ASSERT_EQ(daemon.read_line(), "dropped");
        const Bindtrace::Output output = waiting.wait_for_end(std::chrono::seconds(30));
        EXPECT_EQ(output.code, 0) << output.errors;
        ASSERT_EQ(output.lines.size(), 1u);
        EXPECT_EQ(output.lines[0].json["status"], "ok");
    });
}

TEST_F(LiveCheck, ASignalEndsTheWaitWithWhatThereIs) {
    netns_.run([&] {
        const std::string file = registry("[[port]]\nport = 8080\nowner = 'nginx.service'\n");
        for (const int signal : {SIGINT, SIGTERM}) {
            Bindtrace waiting({"check", "--json", "--wait", "1h", file});
            ASSERT_TRUE(wait_until([&] { return sleeps_in_poll(waiting.pid()); }, std::chrono::seconds(30)));
            const Bindtrace::Output output = waiting.stop(signal);
            EXPECT_EQ(output.code, 3) << output.errors;
            ASSERT_EQ(output.lines.size(), 1u);
            EXPECT_EQ(output.lines[0].json["status"], "free");
        }
    });
}

TEST_F(LiveCheck, AMistakeIsToldWithItsLineAndEndsWith2) {
    const Ended wrong = check({registry("[[port]]\nport = 80\nowner = \"a\\u001b[2J\"\n")});
    EXPECT_EQ(wrong.code, 2);
    EXPECT_EQ(wrong.out, "");
    EXPECT_NE(wrong.errors.find("ports.toml:3: owner 'a\\x1b[2J': expected a unit"), std::string::npos) << wrong.errors;
    EXPECT_EQ(check({folder_ + "/nosuch.toml"}).code, 2);
    EXPECT_EQ(check({}).code, 2);
    EXPECT_EQ(check({"--learn", "x.toml"}).code, 2);
    EXPECT_EQ(check({"--learn", "--json"}).code, 2);
    for (const char* time : {"30", "-5s", "0s", "s", "5x", "99999999999999d"}) {
        const Ended ended = check({std::string("--wait=") + time, "x.toml"});
        EXPECT_EQ(ended.code, 2) << time;
        EXPECT_NE(ended.errors.find("is not a time such as 500ms, 30s or 5m"), std::string::npos) << ended.errors;
    }
    EXPECT_EQ(check({"--wait", "", "x.toml"}).code, 2);
    const std::string good = registry("[[port]]\nport = 8080\nowner = 'free'\n");
    for (const char* time : {"500ms", "5m", "1h", "2d"}) EXPECT_EQ(check({"--wait", time, good}).code, 0) << time;
    const Ended empty = check({good, ""});
    EXPECT_EQ(empty.code, 2);
    EXPECT_NE(empty.errors.find("REGISTRY: must not be empty"), std::string::npos) << empty.errors;
}

}  // namespace
}  // namespace bindtrace
