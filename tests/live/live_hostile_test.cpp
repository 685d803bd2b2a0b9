// SPDX-License-Identifier: MIT
// Names, paths and arguments that were chosen to harm: no byte of them acts on the terminal or breaks a record.
#include <gtest/gtest.h>
#include <sys/prctl.h>

#include <csignal>
#include <filesystem>
#include <thread>

#include "live_bindtrace.h"
#include "live_netns.h"
#include "unit/temp_dir.h"

namespace bindtrace {
namespace {

class Hostile : public testing::Test {
  protected:
    Words filtered(Words more = {}) const {
        more.insert(more.begin(), {"--netns", netns_.inum_text()});
        return more;
    }
    const Netns netns_;
};

struct HostileName {
    std::string given;
    std::string as_json;
};

const std::vector<HostileName> kHostileNames = {
    {"\x1b[31mred\x07\x1b]0;x", "\x1b[31mred\x07\x1b]0;x"},  // valid characters come back as they were
    {"a\xff\xfe\xc3(b", "a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd(b"},
    {"nl\ncr\rtab\t", "nl\ncr\rtab\t"},
    {"c1\xc2\x9b\x33\x31m", "c1\xc2\x9b\x33\x31m"},
    {"\xe2\x80\xaegnp.exe", "\xe2\x80\xaegnp.exe"},
    {"\"\\{}'$(id)`", "\"\\{}'$(id)`"},
    {"\x7f\x01", "\x7f\x01"},
};

// Each name binds a port of its own, so that it can be told apart.
void bind_as_each_name(const Netns& netns) {
    netns.run([] {
        std::uint16_t port = 18000;
        for (const HostileName& name : kHostileNames) {
            std::thread([&] {
                ::prctl(PR_SET_NAME, name.given.c_str());
                EXPECT_EQ(bind_and_close("127.0.0.1", port), 0);
            }).join();
            ++port;
        }
    });
}

bool acts_on_a_terminal(const std::string& text) {
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto byte = static_cast<unsigned char>(text[i]);
        const bool c1 = byte == 0xc2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xa0;
        if (byte < 0x20 || byte == 0x7f || c1) return true;
    }
    return text.find("\xe2\x80\xae") != std::string::npos;  // right-to-left override
}

bool is_utf8(const std::string& text) {
    try {
        return !Json(text).dump().empty();
    } catch (const Json::exception&) {
        return false;
    }
}

TEST_F(Hostile, HostileCommsAreSpelledOutInText) {
    Bindtrace bindtrace(filtered({"--events", "bind"}));
    ASSERT_TRUE(bindtrace.attached());
    bind_as_each_name(netns_);
    const auto output = bindtrace.stop(SIGTERM);
    EXPECT_EQ(output.lines.size(), 1 + kHostileNames.size()) << "a name forged a line";
    for (const Line& line : output.lines) {
        EXPECT_FALSE(acts_on_a_terminal(line.text)) << testing::PrintToString(line.text);
        EXPECT_TRUE(is_utf8(line.text)) << testing::PrintToString(line.text);
    }
    EXPECT_NE(output.lines.at(1).text.find("\\x1b[31mred\\x07"), std::string::npos) << output.lines.at(1).text;
}

TEST_F(Hostile, HostileCommsDoNotBreakJson) {
    Bindtrace bindtrace(filtered({"--json", "--events", "bind"}));
    ASSERT_TRUE(bindtrace.attached());
    bind_as_each_name(netns_);
    const auto output = bindtrace.stop(SIGTERM);
    const std::vector<Json> events = events_of(output.lines);
    ASSERT_EQ(events.size(), kHostileNames.size());
    for (std::size_t i = 0; i < events.size(); ++i) {
        EXPECT_EQ(events[i]["port"], 18000 + i);
        EXPECT_EQ(events[i]["process"]["comm"], kHostileNames[i].as_json);
    }
    for (const Line& line : output.lines) EXPECT_FALSE(acts_on_a_terminal(line.text)) << line.text;
}

TEST_F(Hostile, HostilePathsAndArgumentsDoNotEither) {
    const TempDir dir;
    const std::string program = dir / "\x1b[2Jev\"il\xff\n";
    std::filesystem::copy_file(own_program(), program);
    const Words argv = {program, "--bind-and-exit", "127.0.0.1", "18080", "\x1b]52;c;eA==\x07", "\xc3(", ""};
    for (const bool json : {true, false}) {
        Bindtrace bindtrace(filtered(json ? Words{"--json", "--events", "bind"} : Words{"--events", "bind"}));
        ASSERT_TRUE(bindtrace.attached());
        netns_.run([&] { in_program(argv); });
        const auto output = bindtrace.stop(SIGTERM);
        ASSERT_EQ(output.lines.size(), 2u);
        for (const Line& line : output.lines) {
            EXPECT_FALSE(acts_on_a_terminal(line.text)) << testing::PrintToString(line.text);
            EXPECT_TRUE(is_utf8(line.text)) << testing::PrintToString(line.text);
        }
        if (!json) continue;
        const Json& process = output.lines[1].json["process"];
        EXPECT_EQ(process["exe"], (dir / "\x1b[2Jev\"il\xef\xbf\xbd\n").string());
        EXPECT_EQ(process["cmdline"].size(), argv.size());
        EXPECT_EQ(process["cmdline"][4], "\x1b]52;c;eA==\x07");
        EXPECT_EQ(process["cmdline"][5], "\xef\xbf\xbd(");
        EXPECT_EQ(process["cmdline"][6], "");
    }
}

}  // namespace
}  // namespace bindtrace
