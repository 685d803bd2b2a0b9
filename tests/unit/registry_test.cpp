// SPDX-License-Identifier: MIT
#include "registry/registry.h"

#include <gtest/gtest.h>
#include <netinet/in.h>

#include <cstdio>
#include <string>
#include <vector>

#include "temp_dir.h"

namespace bindtrace {
namespace {

TEST(Registry, ReadsEntriesWithTheirLines) {
    const auto entries = parse_registry(R"(# the ports of web
[[port]]
port = 8080
owner = "myapp.service"

[[port]]
port = "9000-9010"
proto = "udp"
address = "::1"
owner = ["container:rtp", "user:media", "exe:/usr/bin/rtp proxy"]
netns = "media"
[[port]]
port = 7777
owner = "free"
)",
                                        "web.toml");
    ASSERT_TRUE(entries) << entries.error().what;
    ASSERT_EQ(entries->size(), 3u);
    const PortEntry& app = (*entries)[0];
    EXPECT_EQ(place_text(app), "tcp 8080");
    EXPECT_EQ(owners_text(app.owners), "myapp.service");
    EXPECT_EQ(app.file, "web.toml");
    EXPECT_EQ(app.line, 2u);
    const PortEntry& media = (*entries)[1];
    EXPECT_EQ(place_text(media), "udp [::1]:9000-9010 netns media");
    EXPECT_EQ(owners_text(media.owners), "container:rtp, user:media, exe:/usr/bin/rtp proxy");
    EXPECT_EQ(media.line, 6u);
    EXPECT_EQ(owners_text((*entries)[2].owners), "free");
}

struct Mistake {
    const char* text;
    const char* told;
};

TEST(Registry, SaysWhereAMistakeIsAndWhatWasExpected) {
    const Mistake mistakes[] = {
        {"[[port]]\nowner = 'a.service'", "f.toml:1: port is missing: expected a port from 1 to 65535"},
        {"[[port]]\nport = 0\nowner = 'a.service'", "f.toml:2: port '0': expected a port from 1 to 65535"},
        {"[[port]]\nport = 65536\nowner = 'a.service'", "f.toml:2: port '65536': expected"},
        {"[[port]]\nport = -1\nowner = 'a.service'", "f.toml:2: port '-1': expected"},
        {"[[port]]\nport = '9-3'\nowner = 'a.service'", "f.toml:2: port '9-3': expected"},
        {"[[port]]\nport = '53/udp'\nowner = 'a.service'", "f.toml:2: port '53/udp': expected"},
        {"[[port]]\nport = 80.5\nowner = 'a.service'", "f.toml:2: port: expected"},
        {"[[port]]\nport = 80\nproto = 'sctp'\nowner = 'free'", "f.toml:3: proto 'sctp': expected \"tcp\" or \"udp\""},
        {"[[port]]\nport = 80\naddress = 'localhost'\nowner = 'free'", "f.toml:3: address 'localhost': expected an IP"},
        {"[[port]]\nport = 80\naddress = '10.0.0.0/8'\nowner = 'free'", "f.toml:3: address '10.0.0.0/8': expected"},
        {"[[port]]\nport = 80", "f.toml:1: owner is missing: expected a unit"},
        {"[[port]]\nport = 80\nowner = 'nginx'", "f.toml:3: owner 'nginx': expected a unit such as"},
        {"[[port]]\nport = 80\nowner = 'exe:nginx'", "f.toml:3: owner 'exe:nginx': expected"},
        {"[[port]]\nport = 80\nowner = ''", "f.toml:3: owner '': expected"},
        {"[[port]]\nport = 80\nowner = []", "f.toml:3: owner: expected"},
        {"[[port]]\nport = 80\nowner = ['a.service', 'free']", "f.toml:3: owner 'free': expected"},
        {"[[port]]\nport = 80\nowner = 'free'\nnetns = '../x'", "f.toml:4: netns '../x': expected a name"},
        {"[[port]]\nport = 80\nowner = 'free'\nprotocol = 'tcp'",
         "f.toml:4: unknown key 'protocol': expected port, pr"},
        {"[[port]]\nport = 80\nport = 81\n", "f.toml:3: "},
        {"[port]\nport = 80\n", "f.toml:1: 'port': expected [[port]] entries only"},
        {"[[ports]]\nport = 80\n", "f.toml:1: 'ports': expected [[port]] entries only"},
        {"\n\nport = [", "f.toml:3: "},
        {"", "expected at least one [[port]]"},
        {"\xff\xfe", "f.toml:1: "},
    };
    for (const Mistake& mistake : mistakes) {
        const auto entries = parse_registry(mistake.text, "f.toml");
        ASSERT_FALSE(entries) << mistake.text;
        EXPECT_NE(entries.error().what.find(mistake.told), std::string::npos) << entries.error().what;
    }
}

TEST(Registry, WhateverIsWrongHasALine) {
    const std::string good = "[[port]]\nport = 80\nowner = 'free'\n";
    const std::string mistakes[] = {
        "\xef\xbb\xbf[[port]]\n",
        "[[port]]\r\nport = 80\r\nowner = 7\r\n",
        "[[port]]\rport = 80",
        "[[port]]\nport = 80\nowner = 'a.service\n",
        "[[port]]\nport = 80\nowner = \"\"\"a.service\n",
        "[[port]]\nport = 80\nowner = \"\\u0000.service\"\nx = \"\\ud800\"",
        "[[port]]\nport = 99999999999999999999\nowner = 'free'",
        "[[port]]\nport = 0x1p4\nowner = 'free'",
        "[[port]]\nport = inf\nowner = 'free'",
        "[[port]]\nport = nan\nowner = 'free'",
        "[[port]]\nport = 1979-05-27T07:32:00Z\nowner = 'free'",
        "[[port]]\nport = true\nowner = 'free'",
        "[[port]]\nport = [80]\nowner = 'free'",
        "[[port]]\nport = {a = 1}\nowner = 'free'",
        "[[port]]\nport = ' 80'\nowner = 'free'",
        "[[port]]\nport = '80-'\nowner = 'free'",
        "[[port]]\nport = '-'\nowner = 'free'",
        "[[port]]\nport = '80,81'\nowner = 'free'",
        "[[port]]\nport = 80\nowner = {unit = 'a.service'}",
        "[[port]]\nport = 80\nowner = [['a.service']]",
        "[[port]]\nport = 80\nowner = [7]",
        "[[port]]\nport = 80\nowner = 'free'\nnetns = ''",
        "[[port]]\nport = 80\nowner = 'free'\nnetns = '..'",
        "[[port]]\nport = 80\nowner = 'free'\naddress = ''",
        "[[port]]\nport = 80\nowner = 'free'\naddress = '[::1]'",
        "[[port]]\nport = 80\nowner = 'free'\nproto = ['tcp']",
        "[[port]]\nport = 80\nowner = 'user:'",
        "[[port]]\nport = 80\nowner = 'a b.service'",
        "[[port]]\nport.x = 80\nowner = 'free'",
        "[[port.x]]\nport = 80\n",
        "port = [1, {}]\n",
        "port = []\n",
        "port = [{}]\n",
        good + "[other]\nx = 1\n",
        good + "x = {y = {z = 1}}\n",
        good + "[[port]]\n",
        good + std::string(3, '\0'),
        good + "\x1b[2J = 1\n",
        good + "\"\\u001b[2J\" = 1\n",
        good + "a = \"" + std::string(100'000, 'x'),
    };
    for (const std::string& mistake : mistakes) {
        const auto entries = parse_registry(mistake, "f.toml");
        ASSERT_FALSE(entries) << mistake;
        unsigned line = 0;
        ASSERT_EQ(std::sscanf(entries.error().what.c_str(), "f.toml:%u: ", &line), 1) << entries.error().what;
        EXPECT_GE(line, 1u) << entries.error().what;
        EXPECT_LE(line, 6u) << entries.error().what;
    }
}

TEST(Registry, OtherWaysToWriteTheSameAreRead) {
    for (const char* text :
         {"port = [{port = 80, owner = 'free'}]", "\xef\xbb\xbf[[port]]\nport = 0x50\nowner='free'",
          "[[port]]\r\nport = 8_0\r\nowner = \"free\"\r\n", "[['port']]\n\"port\" = '80-80'\nowner = '''free'''"}) {
        const auto entries = parse_registry(text, "f.toml");
        ASSERT_TRUE(entries) << text << ": " << entries.error().what;
        EXPECT_EQ(place_text(entries->at(0)), "tcp 80");
    }
}

TEST(Registry, SurvivesDeepNestingAndRubbish) {
    EXPECT_FALSE(parse_registry("a = " + std::string(100'000, '['), "f.toml"));
    EXPECT_FALSE(parse_registry(std::string(100'000, '\0'), "f.toml"));
}

// "host" is where we are.
std::optional<std::uint32_t> netns_of(const std::string& name) {
    return name.empty() || name == "host" ? std::optional(1u) : name == "web" ? std::optional(2u) : std::nullopt;
}

std::string two(const std::string& one, const std::string& other) {
    const TempDir folder;
    folder.write("a.toml", "[[port]]\nowner = 'free'\n" + one);
    folder.write("b.toml", "\n[[port]]\nowner = 'free'\n" + other);
    const auto entries = read_registries({folder.path()}, netns_of);
    return entries ? "" : entries.error().what.substr(folder.path().string().size() + 1);
}

// What the library itself takes for impossible: under the sanitizers this fails without care.
TEST(Registry, LettersOutsideOfQuotesAreAMistake) {
    for (const char* wrong : {"\xc3\xa9 = 1", "\xef\xbb\xbb", "[.", "[[port]]\nport = \xc3\xa9"})
        EXPECT_FALSE(parse_registry(wrong, "f.toml")) << wrong;
}

TEST(Registry, RefusesTwoEntriesOfOnePlace) {
    EXPECT_EQ(two("port = 80", "port = 80").find("b.toml:2: tcp 80 is in the registry twice: "), 0u);
    EXPECT_NE(two("port = '80-90'", "port = 85"), "");
    EXPECT_NE(two("port = 85", "port = '80-90'"), "");
    EXPECT_NE(two("port = 80", "port = 80\naddress = '10.0.0.1'"), "");
    EXPECT_NE(two("port = 80\naddress = '0.0.0.0'", "port = 80\naddress = '10.0.0.1'"), "");
    EXPECT_NE(two("port = 80\naddress = '::ffff:10.0.0.1'", "port = 80\naddress = '10.0.0.1'"), "");
    EXPECT_EQ(two("port = 80", "port = 81"), "");
    EXPECT_EQ(two("port = 80", "port = 80\nproto = 'udp'"), "");
    EXPECT_EQ(two("port = 80", "port = 80\nnetns = 'web'"), "");
    EXPECT_EQ(two("port = 80\nnetns = 'web'", "port = 80\nnetns = 'web'")
                  .find("b.toml:2: tcp 80 netns web is in the registry twice: "),
              0u)
        << two("port = 80\nnetns = 'web'", "port = 80\nnetns = 'web'");
    EXPECT_NE(two("port = 80", "port = 80\nnetns = 'host'"), "") << "on the host that is the same";
    EXPECT_EQ(two("port = 80\nnetns = 'gone'", "port = 80\nnetns = 'lost'"), "") << "not known to be the same";
    EXPECT_EQ(two("port = 80\naddress = '10.0.0.2'", "port = 80\naddress = '10.0.0.1'"), "");
    EXPECT_EQ(two("port = 80\naddress = '0.0.0.0'", "port = 80\naddress = '::'"), "");
}

TEST(Registry, ReadsTheTomlFilesOfAFolderInOrder) {
    const TempDir folder;
    folder.write("b.toml", "[[port]]\nport = 2\nowner = 'free'\n");
    folder.write("a.toml", "[[port]]\nport = 1\nowner = 'free'\n");
    folder.write("README", "no registry");
    const auto entries = read_registries({folder.path()}, netns_of);
    ASSERT_TRUE(entries) << entries.error().what;
    ASSERT_EQ(entries->size(), 2u);
    EXPECT_EQ((*entries)[0].first_port, 1);
    EXPECT_EQ((*entries)[0].file, folder / "a.toml");
}

TEST(Registry, SaysWhatCannotBeRead) {
    const TempDir folder;
    EXPECT_NE(read_registries({folder / "nosuch.toml"}, netns_of).error().what.find("nosuch.toml"), std::string::npos);
    EXPECT_NE(read_registries({folder.path()}, netns_of).error().what.find("has no *.toml"), std::string::npos);
}

}  // namespace
}  // namespace bindtrace
