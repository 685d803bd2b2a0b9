// SPDX-License-Identifier: MIT
#include "model/endpoint.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <random>
#include <string>

namespace bindtrace {
namespace {

using Bytes = std::array<std::uint8_t, 16>;

Bytes bytes_of(int family, const std::string& text) {
    Bytes bytes{};
    EXPECT_EQ(inet_pton(family, text.c_str(), bytes.data()), 1) << text;
    return bytes;
}

std::string address(int family, const Bytes& bytes) {
    std::string out;
    append_address(out, static_cast<std::uint16_t>(family), bytes.data());
    return out;
}

std::string ipv6_again(const std::string& text) {
    return address(AF_INET6, bytes_of(AF_INET6, text));
}

std::string endpoint(int family, const std::string& text, std::uint16_t port) {
    std::string out;
    append_endpoint(out, static_cast<std::uint16_t>(family), bytes_of(family, text).data(), port);
    return out;
}

bool matches(const char* cidr, int family, const std::string& text) {
    const auto parsed = Cidr::parse(cidr);
    EXPECT_TRUE(parsed) << cidr;
    return parsed && parsed->matches(static_cast<std::uint16_t>(family), bytes_of(family, text).data());
}

TEST(Address, WritesIpv4) {
    for (const char* text : {"0.0.0.0", "127.0.0.1", "10.20.99.100", "255.255.255.255"}) {
        EXPECT_EQ(address(AF_INET, bytes_of(AF_INET, text)), text);
    }
}

TEST(Address, FollowsRfc5952) {
    EXPECT_EQ(ipv6_again("::"), "::");
    EXPECT_EQ(ipv6_again("::1"), "::1");
    EXPECT_EQ(ipv6_again("1::"), "1::");
    EXPECT_EQ(ipv6_again("2001:0DB8:0:0:0:0:0:1"), "2001:db8::1");
    EXPECT_EQ(ipv6_again("2001:db8:0:1:1:1:1:1"), "2001:db8:0:1:1:1:1:1");  // 4.2.2: one group is not shortened
    EXPECT_EQ(ipv6_again("2001:0:0:1:0:0:0:1"), "2001:0:0:1::1");           // 4.2.3: the longest run
    EXPECT_EQ(ipv6_again("2001:db8:0:0:1:0:0:1"), "2001:db8::1:0:0:1");     // 4.2.3: the first of equals
    EXPECT_EQ(ipv6_again("fe80::1234:5678:9abc:def0"), "fe80::1234:5678:9abc:def0");
    EXPECT_EQ(ipv6_again("1:2:3:4:5:6::"), "1:2:3:4:5:6::");
    EXPECT_EQ(ipv6_again("0:0:3:4:5:6:7:8"), "::3:4:5:6:7:8");
}

TEST(Address, WritesMappedAddressesWithDots) {
    EXPECT_EQ(ipv6_again("::ffff:10.0.0.1"), "::ffff:10.0.0.1");
    EXPECT_EQ(ipv6_again("::ffff:0.0.0.0"), "::ffff:0.0.0.0");
    EXPECT_EQ(ipv6_again("1::ffff:10.0.0.1"), "1::ffff:a00:1");
}

TEST(Address, AgreesWithInetNtop) {
    std::mt19937 random(1);
    for (int i = 0; i < 100'000; ++i) {
        Bytes bytes{};
        const auto zero_groups = random();  // each bit empties a group, so that runs of zeros are common
        for (std::size_t group = 0; group < 8; ++group) {
            if ((zero_groups >> group & 1) != 0) continue;
            bytes[2 * group] = static_cast<std::uint8_t>(random() % 3 == 0 ? 0 : random());
            bytes[2 * group + 1] = static_cast<std::uint8_t>(random() % 3 == 0 ? 0xff : random());
        }
        std::array<char, INET6_ADDRSTRLEN> expected{};
        ASSERT_NE(inet_ntop(AF_INET6, bytes.data(), expected.data(), expected.size()), nullptr);
        ASSERT_EQ(address(AF_INET6, bytes), expected.data());
        ASSERT_NE(inet_ntop(AF_INET, bytes.data(), expected.data(), expected.size()), nullptr);
        ASSERT_EQ(address(AF_INET, bytes), expected.data());
    }
}

TEST(Address, LongestFitsTheConstant) {
    const std::string longest = "1111:2222:3333:4444:5555:6666:7777:8888";
    EXPECT_EQ(ipv6_again(longest), longest);
    EXPECT_LE(longest.size(), kAddressLength);
}

TEST(Address, WritesNothingForOtherFamilies) {
    EXPECT_EQ(address(AF_UNIX, Bytes{}), "");
}

TEST(Endpoint, BracketsIpv6) {
    EXPECT_EQ(endpoint(AF_INET, "0.0.0.0", 80), "0.0.0.0:80");
    EXPECT_EQ(endpoint(AF_INET, "127.0.0.1", 0), "127.0.0.1:0");
    EXPECT_EQ(endpoint(AF_INET6, "::", 65535), "[::]:65535");
    EXPECT_EQ(endpoint(AF_INET6, "::ffff:10.0.0.1", 8080), "[::ffff:10.0.0.1]:8080");
}

TEST(CidrParse, TakesAddressesAndNetworks) {
    const auto network = Cidr::parse("10.1.2.3/8");
    ASSERT_TRUE(network);
    EXPECT_EQ(network->family, AF_INET);
    EXPECT_EQ(network->prefix, 8);
    EXPECT_EQ(network->address, bytes_of(AF_INET, "10.0.0.0"));

    const auto host = Cidr::parse("2001:db8::1");
    ASSERT_TRUE(host);
    EXPECT_EQ(host->family, AF_INET6);
    EXPECT_EQ(host->prefix, 128);

    const auto mapped = Cidr::parse("::ffff:10.0.0.0/104");
    ASSERT_TRUE(mapped);
    EXPECT_EQ(mapped->family, AF_INET);
    EXPECT_EQ(mapped->prefix, 8);
}

TEST(CidrParse, RefusesWhatIsNotOne) {
    for (const char* text : {"", "/", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/256", "10.0.0.0/-1", "10.0.0.0/+8",
                             "10.0.0.0/8x", "10.0.0.0/8/8", "10.0.0", "::/129", "localhost", " 10.0.0.1", "[::1]"}) {
        EXPECT_FALSE(Cidr::parse(text)) << text;
    }
    EXPECT_FALSE(Cidr::parse(std::string_view("10.0.0.1\0", 9)));
}

TEST(CidrMatches, ComparesThePrefixOnly) {
    EXPECT_TRUE(matches("10.0.0.0/8", AF_INET, "10.255.0.1"));
    EXPECT_FALSE(matches("10.0.0.0/8", AF_INET, "11.0.0.0"));
    EXPECT_TRUE(matches("192.168.4.0/22", AF_INET, "192.168.7.255"));
    EXPECT_FALSE(matches("192.168.4.0/22", AF_INET, "192.168.8.0"));
    EXPECT_TRUE(matches("0.0.0.0/0", AF_INET, "203.0.113.9"));
    EXPECT_TRUE(matches("0.0.0.0", AF_INET, "0.0.0.0"));
    EXPECT_FALSE(matches("0.0.0.0", AF_INET, "0.0.0.1"));
    EXPECT_TRUE(matches("2001:db8::/33", AF_INET6, "2001:db8:7fff::1"));
    EXPECT_FALSE(matches("2001:db8::/33", AF_INET6, "2001:db8:8000::1"));
    EXPECT_TRUE(matches("::1", AF_INET6, "::1"));
    EXPECT_FALSE(matches("::1", AF_INET6, "::2"));
    EXPECT_TRUE(matches("::/0", AF_INET6, "::ffff:10.0.0.1"));
}

TEST(CidrMatches, SeesIpv4InsideMappedIpv6) {
    EXPECT_TRUE(matches("10.0.0.0/8", AF_INET6, "::ffff:10.1.2.3"));
    EXPECT_FALSE(matches("10.0.0.0/8", AF_INET6, "::ffff:11.1.2.3"));
    EXPECT_FALSE(matches("10.0.0.0/8", AF_INET6, "::10.1.2.3"));
    EXPECT_TRUE(matches("0.0.0.0/0", AF_INET6, "::ffff:1.2.3.4"));
    EXPECT_FALSE(matches("0.0.0.0/0", AF_INET6, "::1"));
    EXPECT_FALSE(matches("::/0", AF_INET, "10.0.0.1"));
    EXPECT_TRUE(matches("::ffff:0:0/96", AF_INET, "10.0.0.1"));
}

}  // namespace
}  // namespace bindtrace
