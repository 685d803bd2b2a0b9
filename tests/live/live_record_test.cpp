// SPDX-License-Identifier: MIT
// `record` and `replay`: the real binary, what it writes, and how it ends.
#include "live_record.h"

#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace bindtrace {
namespace {

using namespace std::chrono_literals;

// Whatever happens, and whoever failed before: not a byte's difference.
TEST_F(Recording, ReplayIsWhatWasToldLive) {
    Bindtrace bindtrace(record(capture(), {"--json", "--events", "bind,listen,autobind,release,state"}));
    ASSERT_TRUE(bindtrace.attached());
    netns_.run([&bindtrace] {
        Socket server(Kind::tcp), client(Kind::tcp), udp(Kind::udp);
        ASSERT_EQ(server.bind("127.0.0.1", 7100), 0);
        ASSERT_EQ(server.listen(), 0);
        ASSERT_EQ(client.connect("127.0.0.1", 7100), 0);
        ASSERT_EQ(udp.bind("127.0.0.1", 7101), 0);
        for (int i = 0; i < 4; ++i)
            in_child([] { EXPECT_EQ(Socket(Kind::tcp).bind("0.0.0.0", 7100), EADDRINUSE); });  // a restart loop
        EXPECT_EQ(Socket(Kind::udp).bind("127.0.0.1", 7101), EADDRINUSE);
        EXPECT_EQ(Socket(Kind::tcp).bind("10.99.99.99", 7102), EADDRNOTAVAIL);
        // While this thread is there its network namespace can be looked into.
        EXPECT_NE(bindtrace.wait_for([](const Line& line) { return line.json["port"] == 7102; }), nullptr);
        in_program({own_program(), "--bind-and-exit", "127.0.0.1", "7103", "\x1b[31m\n\xff\""});
    });
    const auto live = bindtrace.stop(SIGTERM);
    ASSERT_EQ(live.code, 0) << live.errors;
    std::string told;
    for (const Line& line : live.lines) told += line.text + "\n";
    EXPECT_NE(told.find("restart-loop"), std::string::npos);
    EXPECT_NE(told.find("\"local_addresses\":["), std::string::npos);
    const Ended later = replayed(capture());
    EXPECT_EQ(later.code, 0) << later.errors;
    EXPECT_EQ(later.out, told);
    struct stat file {};
    ASSERT_EQ(stat(capture().c_str(), &file), 0);
    EXPECT_EQ(file.st_mode & 07777, 0600u);

    const Ended failed = replayed(capture(), {"--failed", "--port", "7100"});
    EXPECT_EQ(lines_with(failed.out, "\"EADDRINUSE\""), 4u) << failed.out;
    EXPECT_EQ(lines_with(failed.out, "\n"), 5u);
}

TEST_F(Recording, OfNothingTellsHowLongItLooked) {
    ASSERT_EQ(run_bindtrace(record(capture(), {"--port", "7", "--duration", "3s"})).code, 0);
    const Json told = Json::parse(run_bindtrace({"report", capture(), "--json"}).out)["recordings"][0];
    EXPECT_EQ(told["events"], 0);
    EXPECT_EQ(told["begun"], told["start"]);
    const auto seconds = [](const Json& time) { return std::stoi(time.get<std::string>().substr(17, 2)); };
    const int passed = (seconds(told["last"]) - seconds(told["start"]) + 60) % 60;
    EXPECT_GE(passed, 2) << told;
    EXPECT_EQ(run_bindtrace({"report", capture(), "--port", "7", "--at", told["last"]}).code, 3) << "nobody held it";
}

TEST_F(Recording, FromAPipeAsFromAFile) {
    const Ended whole = run({"/bin/sh", "-c",
                             "\"$0\" record -o - --netns self -- \"$1\" --bind-and-exit 127.0.0.1 7110 | "
                             "\"$0\" replay - --json --comm live_tests",
                             bindtrace_binary(), own_program()});
    EXPECT_EQ(whole.code, 0) << whole.errors;
    EXPECT_EQ(lines_with(whole.out, "\"local_port\":7110"), 2u) << whole.out;
}

TEST_F(Recording, TellsFailuresAsTheyHappen) {
    Socket server(Kind::tcp);
    netns_.run([&] {
        Socket holder(Kind::tcp);
        ASSERT_EQ(holder.bind("127.0.0.1", 7120), 0);
        Words words = record(capture(), {"--", own_program(), "--bind-and-exit", "127.0.0.1", "7120"});
        const Ended ended = run_bindtrace(words);
        EXPECT_EQ(ended.code, EADDRINUSE) << "the command's own exit code";
        EXPECT_NE(ended.errors.find("127.0.0.1:7120"), std::string::npos) << ended.errors;
        EXPECT_NE(ended.errors.find("held by live_tests["), std::string::npos) << ended.errors;
        EXPECT_EQ(ended.out, "");
    });
}

TEST_F(Recording, PassesTheStatusOfTheCommandOn) {
    int number = 0;
    const auto status = [&](const std::string& script) {
        const std::string file = dir_ / ("status" + std::to_string(number++));
        const Ended ended = run_bindtrace(record(file, {"--", "/bin/sh", "-c", script}));
        EXPECT_EQ(replayed(file).code, 0);
        return ended.code;
    };
    EXPECT_EQ(status("exit 0"), 0);
    EXPECT_EQ(status("exit 42"), 42);
    EXPECT_EQ(status("kill -9 $$"), 128 + 9);
    const std::string own_nice = std::to_string(getpriority(PRIO_PROCESS, 0));
    EXPECT_EQ(status("test \"$(nice)\" = " + own_nice + " && grep -q 'SigBlk:.0000000000000000' /proc/self/status"), 0);
    const Ended none = run_bindtrace(record(dir_ / "none", {"--", "/nonexistent/command"}));
    EXPECT_EQ(none.code, 127);
    EXPECT_NE(none.errors.find("cannot run '/nonexistent/command': No such file"), std::string::npos) << none.errors;
}

TEST_F(Recording, ForwardsSignalsToTheCommand) {
    Bindtrace bindtrace(record(
        capture(), {"--", "/bin/sh", "-c", "trap 'echo got; exit 5' TERM; echo ready; while :; do sleep 0.01; done"}));
    ASSERT_TRUE(bindtrace.wait_for([](const Line& line) { return line.text == "ready"; }, 60s));
    const auto output = bindtrace.stop(SIGTERM);
    EXPECT_EQ(output.code, 5) << output.errors;
    ASSERT_EQ(output.lines.size(), 2u);
    EXPECT_EQ(output.lines[1].text, "got");
    EXPECT_EQ(replayed(capture()).code, 0);
}

TEST_F(Recording, EndsAfterItsDuration) {
    const Ended ended = run_bindtrace(record(capture(), {"--duration", "1s"}));
    EXPECT_EQ(ended.code, 0) << ended.errors;
    EXPECT_EQ(replayed(capture()).code, 0);
}

std::uintmax_t size_of_all(const std::string& file, int count) {
    std::error_code none;
    std::uintmax_t size = std::filesystem::file_size(file, none);
    if (none) size = 0;
    for (int i = 1; i <= count; ++i) {
        const std::uintmax_t one = std::filesystem::file_size(file + "." + std::to_string(i), none);
        if (!none) size += one;
    }
    return size;
}

TEST_F(Recording, RotatesAndTheSeriesReadsAsOne) {
    Bindtrace bindtrace(record(capture(), {"--json", "--max-size", "64K", "--rotate", "50"}));
    ASSERT_TRUE(bindtrace.attached());
    {
        const Load load(netns_);
        EXPECT_TRUE(wait_until([&] { return std::filesystem::exists(capture() + ".2"); }, 60s));
    }
    const auto live = bindtrace.stop(SIGINT);
    ASSERT_EQ(live.code, 0) << live.errors;
    Words words = {"replay", "--json"};
    std::error_code none;
    for (const auto& entry : std::filesystem::directory_iterator(dir_.path())) {
        EXPECT_LE(entry.file_size(), 64u << 10);
        words.push_back(entry.path());
    }
    std::string told;
    for (const Line& line : live.lines) told += line.text + "\n";
    const Ended later = run_bindtrace(words);
    EXPECT_EQ(later.code, 0) << later.errors;
    EXPECT_TRUE(later.out == told) << later.out.size() << " bytes, and live " << told.size();
    EXPECT_EQ(replayed(capture() + ".1").code, 0) << "each file reads alone";
}

TEST_F(Recording, AFlightRecorderKeepsItsBound) {
    Bindtrace bindtrace(record(capture(), {"--keep", "512K"}));
    ASSERT_TRUE(is_recording(capture()));
    std::uintmax_t largest = 0;
    {
        const Load load(netns_);
        EXPECT_TRUE(wait_until(
            [&] {
                largest = std::max(largest, size_of_all(capture(), 9));
                return std::filesystem::exists(capture() + ".7") && load.binds() > 0;
            },
            90s));
        EXPECT_TRUE(load.go_on(1000));
        largest = std::max(largest, size_of_all(capture(), 9));
    }
    EXPECT_EQ(bindtrace.stop(SIGINT).code, 0);
    EXPECT_LE(largest, 512u << 10);
    EXPECT_FALSE(std::filesystem::exists(capture() + ".8"));
    EXPECT_EQ(replayed(capture()).code, 0);
}

TEST_F(Recording, NeverWritesWhereSomethingIs) {
    const auto refused = [&](const std::string& file, const Words& more = {}) {
        Words words = {"--duration", "1s"};
        words.insert(words.end(), more.begin(), more.end());
        const Ended ended = run_bindtrace(record(file, words));
        EXPECT_EQ(ended.code, 1) << file;
        return ended.errors;
    };
    dir_.write("here", "precious");
    EXPECT_NE(refused(dir_ / "here").find("is there already"), std::string::npos);
    std::filesystem::create_symlink(dir_ / "here", dir_ / "link");
    EXPECT_NE(refused(dir_ / "link", {"--force"}).find("no plain file"), std::string::npos);
    std::filesystem::create_symlink(dir_ / "nowhere", dir_ / "dangling");
    EXPECT_NE(refused(dir_ / "dangling").find("no plain file"), std::string::npos);
    EXPECT_FALSE(std::filesystem::exists(dir_ / "nowhere"));
    EXPECT_NE(refused(dir_.path()).find("no plain file"), std::string::npos);
    EXPECT_NE(refused(dir_ / "none/x").find("cannot write to the directory"), std::string::npos);
    dir_.write("y.1", "precious");
    EXPECT_NE(refused(dir_ / "y", {"--max-size", "1M"}).find("'y.1' is there already"), std::string::npos);
    std::ifstream file(dir_ / "here");
    EXPECT_EQ(std::string(std::istreambuf_iterator<char>(file), {}), "precious");
    EXPECT_EQ(run_bindtrace(record(dir_ / "here", {"--duration", "1s", "--force"})).code, 0);
    EXPECT_EQ(replayed(dir_ / "here").code, 0);
}

TEST_F(Recording, WhatIsNoCaptureIsRefused) {
    dir_.write("empty", "");
    dir_.write("text", "hello, this is no capture at all\n");
    for (const std::string& file : {std::string(dir_ / "empty"), std::string(dir_ / "text"), dir_.path().string(),
                                    std::string(dir_ / "none"), std::string("/dev/null")}) {
        const Ended ended = replayed(file);
        EXPECT_EQ(ended.code, 1) << file;
        EXPECT_EQ(lines_with(ended.errors, "\n"), 1u) << ended.errors;
    }
}

TEST(RecordUsage, IsChecked) {
    const auto code = [](Words words) {
        words.insert(words.begin(), "record");
        return run_bindtrace(words).code;
    };
    EXPECT_EQ(code({}), 2);
    for (const Words& words :
         {Words{"--duration", "10"}, Words{"--duration", "0s"}, Words{"--duration", "99999999999999999999s"},
          Words{"--max-size", "1K"}, Words{"--max-size", "-1M"}, Words{"--rotate", "3"}, Words{"--keep", "10"},
          Words{"--keep", "1M", "--max-size", "1M"}, Words{"--duration", "1s", "--", "true"}, Words{"--"},
          Words{"command"}}) {
        Words all = {"-o", "/nonexistent/x"};
        all.insert(all.end(), words.begin(), words.end());
        EXPECT_EQ(code(all), 2) << words.front();
    }
    EXPECT_EQ(code({"-o", "-", "--json"}), 2);
    EXPECT_EQ(code({"-o", "-", "--keep", "10m"}), 2);
    EXPECT_EQ(run_bindtrace({"replay"}).code, 2);
    EXPECT_EQ(run_bindtrace({"--comm", "record", "--", "true"}).code, 2);
    EXPECT_EQ(run_bindtrace({"replay", "/dev/null", "--netns", "self"}).code, 2);
}

}  // namespace
}  // namespace bindtrace
