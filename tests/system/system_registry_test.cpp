// SPDX-License-Identifier: MIT
// --registry where systemd is process 1: units, restarts, socket units.
#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <fstream>
#include <string>

#include "live/live_bindtrace.h"
#include "system/system_world.h"

namespace bindtrace {
namespace {

using namespace std::chrono_literals;

class SystemRegistry : public SystemTest {
  protected:
    static std::string registry(const std::string& text) {
        const std::string file = "/tmp/watched.toml";
        std::ofstream(file) << text;
        return file;
    }
    static bool is_warning(const Line& line) { return word_of(line.json, "type") == "warning"; }
    static bool is_bound(const Line& line, std::uint16_t port) {
        return word_of(line.json, "type") == "bind" && word_of(line.json, "result") == "ok" &&
               line.json["local_port"] == port;
    }
};

// Another unit comes up on a port while its owner is being restarted: told before the owner fails.
TEST_F(SystemRegistry, AnotherUnitIsToldBeforeTheOwnerFails) {
    const std::string file = registry("[[port]]\nport = 9110\nowner = 'exporter.service'\n");
    unit("exporter.service", service("--listen 9110", ""));
    unit("metrics.service", service("--listen 9110", ""));
    Bindtrace bindtrace({"--json", "--registry", file});
    ASSERT_TRUE(bindtrace.attached());
    for (const char* verb : {"start", "restart", "stop"}) ASSERT_EQ(systemctl({verb, "exporter.service"}), 0);
    ASSERT_EQ(systemctl({"start", "metrics.service"}), 0);
    const Line* const told = bindtrace.wait_for(is_warning, 60s);
    ASSERT_NE(told, nullptr);
    EXPECT_EQ(told->json["reason"], "other-owner");
    EXPECT_EQ(told->json["holder"]["unit"], "metrics.service") << told->text;
    EXPECT_EQ(told->json["advice"][0], "systemctl stop metrics.service");
    ASSERT_EQ(systemctl({"start", "exporter.service"}), 0);
    ASSERT_NE(bindtrace.wait_for([](const Line& line) { return word_of(line.json, "result") == "EADDRINUSE"; }, 60s),
              nullptr);
    ASSERT_EQ(systemctl({"stop", "metrics.service"}), 0);  // as advised
    const Bindtrace::Output output = bindtrace.stop(SIGTERM);
    std::size_t warnings = 0, failures = 0;
    bool first_is_warning = false;
    for (const Line& line : output.lines) {
        if (is_warning(line) && warnings++ == 0) first_is_warning = failures == 0;
        if (word_of(line.json, "result") == "EADDRINUSE") ++failures;
    }
    EXPECT_EQ(warnings, 1u) << "the owner's own starts are none";
    EXPECT_TRUE(first_is_warning);
    const Ended checked = run({bindtrace_binary(), "check", "--wait", "5s", file}, 60s);
    EXPECT_NE(checked.code, 1) << checked.errors;
}

TEST_F(SystemRegistry, ASocketUnitAndItsServiceAreOneOwnerAndAnotherSocketUnitIsNot) {
    const std::string file = registry(
        "[[port]]\nport = 8191\nowner = 'mine.service'\n[[port]]\nport = 8192\nowner = 'mine.service'\n"
        "[[port]]\nport = 8193\nproto = 'udp'\nowner = 'mine.socket'\n");
    unit("mine.socket", "[Socket]\nListenStream=8191\nListenDatagram=8193\n");
    unit("mine.service", "[Service]\nExecStart=/bin/sleep infinity\n");
    unit("theirs.socket", "[Socket]\nListenStream=8192\n");
    unit("theirs.service", "[Service]\nExecStart=/bin/sleep infinity\n");
    Bindtrace bindtrace({"--json", "--registry", file});
    ASSERT_TRUE(bindtrace.attached());
    for (const char* name : {"mine.socket", "mine.service", "theirs.socket"}) ASSERT_EQ(systemctl({"start", name}), 0);
    ASSERT_NE(bindtrace.wait_for([](const Line& line) { return is_bound(line, 8192); }, 60s), nullptr);
    const Bindtrace::Output output = bindtrace.stop(SIGTERM);
    Words told;
    for (const Line& line : output.lines)
        if (is_warning(line)) told.push_back(word_of(line.json["holder"], "socket_unit"));
    EXPECT_EQ(told, Words{"theirs.socket"});
}

}  // namespace
}  // namespace bindtrace
