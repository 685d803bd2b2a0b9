// SPDX-License-Identifier: MIT
// The kernel's own check, against what each kernel of the matrix answers in the kernel tests.
#include "bindtrace/rules.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cstring>
#include <string>

namespace bindtrace {
namespace {

bt_sock sock(const std::string& address, std::uint32_t opts = 0, std::uint8_t state = TCP_CLOSE) {
    bt_sock sock{};
    sock.family = address.find(':') != std::string::npos ? AF_INET6 : AF_INET;
    EXPECT_EQ(inet_pton(sock.family, address.c_str(), sock.local_addr), 1);
    sock.opts = opts;
    sock.state = state;
    return sock;
}

bool overlap(const bt_sock& one, const bt_sock& other) {
    const bool answer = bt_addresses_overlap(&one, &other) != 0;
    EXPECT_EQ(bt_addresses_overlap(&other, &one) != 0, answer) << "it depends on the order";
    return answer;
}

bool refuses(const bt_sock& claimant, const bt_sock& holder, std::uint32_t claimant_uid = 1,
             std::uint32_t holder_uid = 1) {
    return bt_refuses(&claimant, claimant_uid, &holder, holder_uid) != 0;
}

TEST(Rules, AddressesOfOneFamily) {
    EXPECT_TRUE(overlap(sock("0.0.0.0"), sock("0.0.0.0")));
    EXPECT_TRUE(overlap(sock("0.0.0.0"), sock("10.0.0.1")));
    EXPECT_TRUE(overlap(sock("10.0.0.1"), sock("10.0.0.1")));
    EXPECT_FALSE(overlap(sock("10.0.0.1"), sock("10.0.0.2")));
    EXPECT_TRUE(overlap(sock("::"), sock("::1")));
    EXPECT_TRUE(overlap(sock("::1"), sock("::1")));
    EXPECT_FALSE(overlap(sock("::1"), sock("2001:db8::1")));
    EXPECT_TRUE(overlap(sock("::", BT_OPT_V6ONLY), sock("::")));
}

TEST(Rules, AddressesOfTwoFamilies) {
    EXPECT_TRUE(overlap(sock("::"), sock("0.0.0.0")));
    EXPECT_TRUE(overlap(sock("::"), sock("127.0.0.1")));
    EXPECT_FALSE(overlap(sock("::", BT_OPT_V6ONLY), sock("0.0.0.0")));
    EXPECT_FALSE(overlap(sock("::1"), sock("0.0.0.0")));
    EXPECT_TRUE(overlap(sock("::ffff:10.0.0.1"), sock("10.0.0.1")));
    EXPECT_TRUE(overlap(sock("::ffff:10.0.0.1"), sock("0.0.0.0")));
    EXPECT_FALSE(overlap(sock("::ffff:10.0.0.1"), sock("10.0.0.2")));
    EXPECT_TRUE(overlap(sock("::ffff:10.0.0.1"), sock("::")));
    EXPECT_FALSE(overlap(sock("::ffff:10.0.0.1"), sock("::", BT_OPT_V6ONLY)));
    EXPECT_FALSE(overlap(sock("::ffff:10.0.0.1"), sock("::1")));
}

// An IPv6 socket that was bound to its address has IPV6_V6ONLY; one that connected, or was accepted, need not have it.
TEST(Rules, EveryAddressOfIPv4MeetsIPv6SocketsThatWereNotBoundToTheirs) {
    const bt_sock connected = sock("2001:db8::1", 0, TCP_ESTABLISHED), bound = sock("::1", BT_OPT_V6ONLY);
    EXPECT_TRUE(refuses(sock("0.0.0.0"), connected));
    EXPECT_FALSE(refuses(sock("0.0.0.0"), bound));
    EXPECT_FALSE(refuses(sock("127.0.0.1"), connected));
    EXPECT_FALSE(refuses(sock("::ffff:0.0.0.0"), connected));
    EXPECT_FALSE(refuses(connected, sock("0.0.0.0"))) << "in this order only";
    EXPECT_FALSE(refuses(sock("0.0.0.0", BT_OPT_REUSEADDR), sock("2001:db8::1", BT_OPT_REUSEADDR, TCP_TIME_WAIT)));
}

TEST(Rules, AConnectionIsTheSameIfBothEndsAndTheDeviceAre) {
    const auto connected = [](const char* address, std::uint32_t device = 0) {
        bt_sock one = sock(address, 0, TCP_ESTABLISHED);
        one.remote_port = 443;
        one.bound_dev = device;
        return one;
    };
    const auto same = [](const bt_sock& claimant, const bt_sock& holder) {
        return bt_same_connection(&claimant, &holder) != 0;
    };
    EXPECT_TRUE(same(connected("127.0.0.1"), connected("127.0.0.1")));
    EXPECT_FALSE(same(connected("127.0.0.1"), connected("127.0.0.2")));
    EXPECT_TRUE(same(connected("0.0.0.0"), connected("127.0.0.2"))) << "it has lost its address";
    EXPECT_TRUE(same(connected("::"), connected("::1")));
    bt_sock mapped = connected("::ffff:127.0.0.1");
    mapped.remote_addr[10] = mapped.remote_addr[11] = 0xff;
    EXPECT_TRUE(same(mapped, connected("127.0.0.1")));
    EXPECT_FALSE(same(connected("127.0.0.1"), connected("127.0.0.1", 3)));
    EXPECT_TRUE(same(connected("127.0.0.1", 3), connected("127.0.0.1")));
}

TEST(Rules, ReuseaddrCountsOnBothAndNeverAgainstAListener) {
    constexpr std::uint32_t kReuse = BT_OPT_REUSEADDR;
    const bt_sock plain = sock("0.0.0.0"), reuse = sock("0.0.0.0", kReuse);
    EXPECT_TRUE(refuses(plain, plain));
    EXPECT_TRUE(refuses(reuse, plain));
    EXPECT_TRUE(refuses(plain, reuse));
    EXPECT_FALSE(refuses(reuse, reuse));
    EXPECT_FALSE(refuses(reuse, sock("0.0.0.0", kReuse, TCP_TIME_WAIT)));
    EXPECT_TRUE(refuses(reuse, sock("0.0.0.0", 0, TCP_TIME_WAIT)));
    EXPECT_TRUE(refuses(reuse, sock("0.0.0.0", kReuse, TCP_LISTEN)));
}

TEST(Rules, ReuseportCountsOnBothAndForOneUser) {
    constexpr std::uint32_t kShare = BT_OPT_REUSEPORT;
    const bt_sock share = sock("0.0.0.0", kShare), listener = sock("0.0.0.0", kShare, TCP_LISTEN);
    EXPECT_FALSE(refuses(share, listener));
    EXPECT_TRUE(refuses(share, listener, 1, 2));
    EXPECT_FALSE(refuses(share, sock("0.0.0.0", kShare, TCP_TIME_WAIT), 1, 2));
    EXPECT_TRUE(refuses(share, sock("0.0.0.0", 0, TCP_LISTEN)));
    EXPECT_TRUE(refuses(sock("0.0.0.0"), listener));
}

TEST(Rules, DevicesKeepThemApart) {
    bt_sock one = sock("0.0.0.0"), other = sock("0.0.0.0");
    one.bound_dev = 2;
    EXPECT_TRUE(refuses(one, other));
    other.bound_dev = 3;
    EXPECT_FALSE(refuses(one, other));
    other.bound_dev = 2;
    EXPECT_TRUE(refuses(one, other));
}

}  // namespace
}  // namespace bindtrace
