// SPDX-License-Identifier: MIT
#include "model/names.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>

namespace bindtrace {
namespace {

TEST(ErrnoName, KnowsWhatBindReturns) {
    EXPECT_EQ(errno_name(EADDRINUSE), "EADDRINUSE");
    EXPECT_EQ(errno_name(EADDRNOTAVAIL), "EADDRNOTAVAIL");
    EXPECT_EQ(errno_name(EACCES), "EACCES");
    EXPECT_EQ(errno_name(EAGAIN), "EAGAIN");
    EXPECT_EQ(errno_name(EOPNOTSUPP), "EOPNOTSUPP");
    EXPECT_EQ(errno_name(ESOCKTNOSUPPORT), "ESOCKTNOSUPPORT");
}

TEST(ErrnoName, NumbersWhatItDoesNotKnow) {
    EXPECT_EQ(errno_name(524), "errno-524");  // the kernel's own ENOTSUPP
    EXPECT_EQ(errno_name(0), "errno-0");
    EXPECT_EQ(errno_name(-1), "errno--1");
}

TEST(KindName, IsReversible) {
    for (const bt_kind kind : {BT_KIND_BIND, BT_KIND_LISTEN, BT_KIND_AUTOBIND, BT_KIND_STATE, BT_KIND_RELEASE}) {
        EXPECT_EQ(kind_from_name(kind_name(kind)), kind);
    }
    EXPECT_EQ(kind_name(BT_KIND_AUTOBIND), "autobind");
    EXPECT_EQ(kind_name(0), "");
    EXPECT_EQ(kind_name(6), "");
    EXPECT_EQ(kind_from_name(""), std::nullopt);
    EXPECT_EQ(kind_from_name("Bind"), std::nullopt);
    EXPECT_EQ(kind_from_name("loss"), std::nullopt);
}

TEST(OpName, MatchesTheContract) {
    EXPECT_EQ(op_name(BT_OP_UNKNOWN), "");
    EXPECT_EQ(op_name(BT_OP_BIND), "bind");
    EXPECT_EQ(op_name(BT_OP_LISTEN), "listen");
    EXPECT_EQ(op_name(BT_OP_CONNECT), "connect");
    EXPECT_EQ(op_name(BT_OP_SENDTO), "sendto");
    EXPECT_EQ(op_name(BT_OP_SENDMSG), "sendmsg");
    EXPECT_EQ(op_name(BT_OP_SENDMMSG), "sendmmsg");
    EXPECT_EQ(op_name(BT_OP_CLOSE), "close");
    EXPECT_EQ(op_name(BT_OP_EXIT), "exit");
    EXPECT_EQ(op_name(BT_OP_SHUTDOWN), "shutdown");
    EXPECT_EQ(op_name(BT_OP_IO_URING), "io_uring");
    EXPECT_EQ(op_name(BT_OP_KERNEL), "kernel");
    EXPECT_EQ(op_name(BT_OP_KERNEL + 1), "");
}

TEST(ProtocolName, DependsOnTheSocketType) {
    EXPECT_EQ(protocol_name(IPPROTO_TCP, SOCK_STREAM), "tcp");
    EXPECT_EQ(protocol_name(IPPROTO_UDP, SOCK_DGRAM), "udp");
    EXPECT_EQ(protocol_name(136, SOCK_DGRAM), "udplite");
    EXPECT_EQ(protocol_name(262, SOCK_STREAM), "mptcp");
    EXPECT_EQ(protocol_name(IPPROTO_SCTP, SOCK_SEQPACKET), "sctp");
    EXPECT_EQ(protocol_name(IPPROTO_ICMP, SOCK_DGRAM), "icmp");
    EXPECT_EQ(protocol_name(IPPROTO_ICMPV6, SOCK_DGRAM), "icmp");
    EXPECT_EQ(protocol_name(IPPROTO_ICMP, SOCK_RAW), "raw");
    EXPECT_EQ(protocol_name(IPPROTO_TCP, SOCK_RAW), "raw");
    EXPECT_EQ(protocol_name(IPPROTO_ICMP, SOCK_STREAM), "");
    EXPECT_EQ(protocol_name(IPPROTO_DCCP, SOCK_DCCP), "");
}

TEST(ProtocolBit, KnowsEveryWordThatIsPrinted) {
    EXPECT_EQ(protocol_bit("tcp"), BT_PROTO_TCP);
    EXPECT_EQ(protocol_bit("udp"), BT_PROTO_UDP);
    EXPECT_EQ(protocol_bit("udplite"), BT_PROTO_UDPLITE);
    EXPECT_EQ(protocol_bit("mptcp"), BT_PROTO_MPTCP);
    EXPECT_EQ(protocol_bit("sctp"), BT_PROTO_SCTP);
    EXPECT_EQ(protocol_bit("icmp"), BT_PROTO_ICMP);
    EXPECT_EQ(protocol_bit("raw"), BT_PROTO_RAW);
    EXPECT_EQ(protocol_bit("TCP"), std::nullopt);
    EXPECT_EQ(protocol_bit("other"), std::nullopt);
    EXPECT_EQ(protocol_bit(""), std::nullopt);
}

TEST(TcpStateName, IsSpelledAsInTheKernel) {
    EXPECT_EQ(tcp_state_name(TCP_ESTABLISHED), "ESTABLISHED");
    EXPECT_EQ(tcp_state_name(TCP_SYN_SENT), "SYN_SENT");
    EXPECT_EQ(tcp_state_name(TCP_SYN_RECV), "SYN_RECV");
    EXPECT_EQ(tcp_state_name(TCP_FIN_WAIT1), "FIN_WAIT1");
    EXPECT_EQ(tcp_state_name(TCP_FIN_WAIT2), "FIN_WAIT2");
    EXPECT_EQ(tcp_state_name(TCP_TIME_WAIT), "TIME_WAIT");
    EXPECT_EQ(tcp_state_name(TCP_CLOSE), "CLOSE");
    EXPECT_EQ(tcp_state_name(TCP_CLOSE_WAIT), "CLOSE_WAIT");
    EXPECT_EQ(tcp_state_name(TCP_LAST_ACK), "LAST_ACK");
    EXPECT_EQ(tcp_state_name(TCP_LISTEN), "LISTEN");
    EXPECT_EQ(tcp_state_name(TCP_CLOSING), "CLOSING");
    EXPECT_EQ(tcp_state_name(12), "NEW_SYN_RECV");
    EXPECT_EQ(tcp_state_name(0), "");
    EXPECT_EQ(tcp_state_name(13), "");
    EXPECT_EQ(tcp_state_name(255), "");
}

TEST(LossReasonName, CoversEveryReason) {
    EXPECT_EQ(loss_reason_name(LossReason::ring_full), "ring-buffer-full");
    EXPECT_EQ(loss_reason_name(LossReason::map_full), "map-full");
    EXPECT_EQ(loss_reason_name(LossReason::recursion), "recursion");
    EXPECT_EQ(loss_reason_name(LossReason::kretprobe_missed), "kretprobe-missed");
    EXPECT_EQ(loss_reason_name(LossReason::decode), "decode");
}

}  // namespace
}  // namespace bindtrace
