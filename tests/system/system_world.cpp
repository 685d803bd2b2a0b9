// SPDX-License-Identifier: MIT
#include "system_world.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace bindtrace {

using namespace std::chrono_literals;

namespace {

const std::string kCapture = "/tmp/told.btcap";

}  // namespace

int take_port(std::uint16_t port, bool listening, int* kept, int type) {
    const int fd = ::socket(AF_INET, type | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    int error = ::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0 ? 0 : errno;
    if (error == 0 && listening && ::listen(fd, 8) != 0) error = errno;
    if (kept != nullptr && error == 0)
        *kept = fd;
    else
        ::close(fd);
    return error;
}

bool has(const Json& list, std::string_view word) {
    return std::find(list.begin(), list.end(), word) != list.end();
}

void SystemTest::SetUpTestSuite() {
    ASSERT_TRUE(std::filesystem::exists("/run/systemd/system")) << "systemd is not process 1 here";
    looked_at_ = 0;
    bindtrace_ = std::make_unique<Bindtrace>(Words{"record", "--json", "--force", "-o", kCapture});
    ASSERT_TRUE(bindtrace_->attached());
}

void SystemTest::TearDownTestSuite() {
    if (bindtrace_) expect_told_again(bindtrace_->stop(SIGINT).lines);
    bindtrace_.reset();
}

void SystemTest::expect_told_again(const std::vector<Line>& live) {
    const Ended json = run({bindtrace_binary(), "replay", "--json", kCapture}, 150s);
    const Ended text = run({bindtrace_binary(), "replay", kCapture}, 150s);
    EXPECT_EQ(json.code, 0) << json.errors;
    EXPECT_EQ(text.code, 0) << text.errors;
    std::istringstream again(json.out), lines(text.out);
    std::string line;
    const auto under = [](const std::string& words) { return std::string(14, ' ') + words; };
    for (const Line& told : live) {
        ASSERT_TRUE(std::getline(again, line)) << "not told again: " << told.text;
        ASSERT_EQ(line, told.text);
        const Json conflict = told.json.value("conflict", Json());
        if (conflict.is_null()) continue;
        const std::string held = under(conflict["summary"]);
        while (std::getline(lines, line) && line != held) continue;
        ASSERT_EQ(line, held) << "of " << told.text << "\n" << text.out;
        if (conflict["failures"] != 1 || conflict["advice"].empty()) continue;  // said before, where it is the same
        while (std::getline(lines, line) && line.starts_with(under("why: "))) continue;
        EXPECT_EQ(line, under("fix: " + conflict["advice"][0].get<std::string>())) << "of " << told.text;
    }
}

void SystemTest::TearDown() {
    Words stop = units_;
    stop.insert(stop.begin(), "stop");
    if (!units_.empty()) systemctl(stop);
    for (const std::string& name : units_) {  // or the next unit of that name would have the drop-ins of this one
        std::filesystem::remove("/run/systemd/system/" + name);
        std::filesystem::remove_all("/run/systemd/system/" + name + ".d");
    }
}

int SystemTest::systemctl(Words words) {
    words.insert(words.begin(), "/usr/bin/systemctl");
    return run(words, 150s).code.value_or(-1);
}

void SystemTest::make_user(const std::string& name, const std::string& uid) {
    std::ofstream("/etc/passwd", std::ios::app) << name << ":x:" << uid << ":" << uid << "::/tmp:/bin/sh\n";
    std::ofstream("/etc/group", std::ios::app) << name << ":x:" << uid << ":\n";
    std::ofstream("/etc/shadow", std::ios::app) << name << ":*:20000:0:99999:7:::\n";
}

void SystemTest::unit(const std::string& name, const std::string& text) {
    std::ofstream("/run/systemd/system/" + name) << text;
    units_.push_back(name);
    ASSERT_EQ(systemctl({"daemon-reload"}), 0);
}

void SystemTest::drop_in(const std::string& name, const std::string& text) {
    std::filesystem::create_directories("/run/systemd/system/" + name + ".d");
    std::ofstream("/run/systemd/system/" + name + ".d/advised.conf") << text;
    ASSERT_EQ(systemctl({"daemon-reload"}), 0);
}

std::string SystemTest::service(const std::string& words, const std::string& settings) {
    const char* libraries = std::getenv("LD_LIBRARY_PATH");
    return "[Service]\nExecStart=" + own_program() + " " + words +
           "\nEnvironment=LD_LIBRARY_PATH=" + (libraries != nullptr ? libraries : "") + "\n" + settings + "\n";
}

Json SystemTest::bind_of(std::uint16_t port, const std::string& result) {
    std::size_t at = 0;
    const Line* found = bindtrace_->wait_for(
        [&](const Line& line) {
            if (++at <= looked_at_) return false;
            return line.json["type"] == "bind" && line.json["port"] == port && line.json["result"] == result;
        },
        60s);
    looked_at_ = at;
    if (found != nullptr) return found->json;
    ADD_FAILURE() << "no bind of " << port << " that ended with " << result;
    return Json::parse(R"({"conflict": {"holders": [{}], "factors": [], "advice": [""]}})");
}

}  // namespace bindtrace
