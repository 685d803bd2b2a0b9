// SPDX-License-Identifier: MIT
#include "diagnose/range_use.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <vector>

namespace bindtrace {
namespace {

class RangeUseTest : public testing::Test {
  protected:
    RangeUseTest() {
        event.kind = BT_KIND_AUTOBIND;
        event.sock.netns = 1;
        event.sock.protocol = IPPROTO_TCP;
        event.sock.type = SOCK_STREAM;
        event.sock.remote_port = 443;
        event.sock.remote_addr[0] = 10;
        refusal.ephemeral_first = 40000;
        refusal.ephemeral_last = 40099;
    }

    bt_sock& add(std::uint16_t port, std::uint32_t pid, std::uint8_t state = TCP_ESTABLISHED) {
        PortHolder& holder = holders.emplace_back();
        holder.socket.sock = event.sock;
        holder.socket.sock.local_port = port;
        holder.socket.substate = state;
        holder.socket.task.key.pid = pid;
        return holder.socket.sock;
    }

    Event event{};
    Refusal refusal;
    std::vector<PortHolder> holders;
};

TEST_F(RangeUseTest, NamesTheLargestFirst) {
    add(40000, 7);
    for (std::uint16_t port = 40001; port < 40011; ++port) add(port, 8);
    for (std::uint16_t port = 40011; port < 40016; ++port) add(port, 0, TCP_TIME_WAIT);
    const RangeClaims use = range_use(event, refusal, holders);
    EXPECT_EQ(use.taken, 16u);
    ASSERT_EQ(use.claims.size(), 3u);
    EXPECT_EQ(use.claims[0].task.key.pid, 8u);
    EXPECT_EQ(use.claims[0].ports, 10u);
    EXPECT_EQ(use.claims[1].task.key.pid, 0u);
    EXPECT_EQ(use.claims[1].state, TCP_TIME_WAIT);
    EXPECT_EQ(use.claims[2].ports, 1u);
}

TEST_F(RangeUseTest, CountsWithinTheSocketsOwnRange) {
    refusal.own_first = 40001;
    for (std::uint16_t port = 40000; port < 40003; ++port) add(port, 7);
    EXPECT_EQ(range_use(event, refusal, holders).taken, 2u);
    refusal.own_last = 40001;
    EXPECT_EQ(range_use(event, refusal, holders).taken, 1u);
    refusal.own_first = 1024;  // outside of the namespace's: the kernel takes no notice
    EXPECT_EQ(range_use(event, refusal, holders).taken, 2u);
}

TEST_F(RangeUseTest, CountsAPortOnce) {
    add(40000, 7);
    add(40000, 7);
    add(40000, 8);
    const RangeClaims use = range_use(event, refusal, holders);
    EXPECT_EQ(use.taken, 1u);
    EXPECT_EQ(use.claims[0].ports, 1u);
    EXPECT_EQ(use.claims[1].ports, 1u);
}

TEST_F(RangeUseTest, LeavesOutWhatIsNotInTheWay) {
    add(39999, 7);
    add(40100, 7);
    add(40000, 7).netns = 2;
    add(40001, 7).protocol = IPPROTO_UDP;
    add(40002, 7).remote_port = 80;
    add(40003, 7).remote_addr[0] = 11;
    EXPECT_EQ(range_use(event, refusal, holders).taken, 0u);
    add(40004, 7).remote_port = 0;  // bound: in everybody's way
    EXPECT_EQ(range_use(event, refusal, holders).taken, 1u);
}

// Wherever it sends to.
TEST_F(RangeUseTest, EveryPortCountsForADatagramSocket) {
    event.sock.protocol = IPPROTO_UDP;
    event.sock.type = SOCK_DGRAM;
    add(40000, 7).remote_port = 80;
    EXPECT_EQ(range_use(event, refusal, holders).taken, 1u);
}

TEST_F(RangeUseTest, EveryPortCountsForABindToPortZero) {
    event.kind = BT_KIND_BIND;
    event.sock.remote_port = 0;
    add(40000, 7).remote_port = 80;
    add(40001, 7).remote_port = 443;
    EXPECT_EQ(range_use(event, refusal, holders).taken, 2u);
}

}  // namespace
}  // namespace bindtrace
