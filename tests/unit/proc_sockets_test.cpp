// SPDX-License-Identifier: MIT
#include "registry/proc_sockets.h"

#include <gtest/gtest.h>
#include <netinet/tcp.h>

#include <filesystem>

#include "model/endpoint.h"
#include "temp_dir.h"

namespace bindtrace {
namespace {

const char* const kHeading = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid ...\n";

std::string ends(const bt_sock& sock) {
    std::string text;
    append_endpoint(text, sock.family, sock.local_addr, sock.local_port);
    return text;
}

TEST(ProcSockets, ReadsTheTablesAndWhoHasThemOpen) {
    const TempDir proc;
    proc.write("net/tcp",
               std::string(kHeading) +
                   "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 "
                   "4711 1 0000 100 0 0 10 0\n   1: rubbish\n");
    proc.write("net/tcp6", std::string(kHeading) +
                               "   0: 00000000000000000000000001000000:0050 00000000000000000000000000000000:0000 0A "
                               "00000000:00000000 00:00000000 00000000     0        0 4712 1 0000 100 0 0 10 0\n");
    proc.write("net/udp", kHeading);
    proc.write("812/comm", "my\napp\n");
    proc.write("812/status", "Name:\tmy\nUid:\t4294967\t0\t0\t0\n");
    proc.write("812/cgroup", "1:name=systemd:/x\n0::/system.slice/my.service\n");
    std::filesystem::create_directories(proc / "812/fd");
    std::filesystem::create_symlink("socket:[4711]", proc / "812/fd/3");
    std::filesystem::create_symlink("socket:[4711]", proc / "812/fd/4");
    std::filesystem::create_symlink("/usr/bin/my", proc / "812/exe");

    const HeldSockets held = proc_sockets(7, proc.path());
    EXPECT_FALSE(held.with_processes);
    EXPECT_TRUE(held.complete);
    ASSERT_EQ(held.sockets.size(), 2u);
    const HeldSocket& mine = held.sockets[0];
    EXPECT_EQ(ends(mine.holder.raw.sock), "127.0.0.1:8080");
    EXPECT_EQ(mine.holder.raw.sock.state, TCP_LISTEN);
    EXPECT_EQ(mine.holder.raw.sock.netns, 7u);
    EXPECT_EQ(mine.holder.raw.uid, 1000u);
    ASSERT_EQ(mine.users.size(), 1u);
    EXPECT_EQ(mine.users[0].task.key.pid, 812u);
    EXPECT_EQ(mine.users[0].task.uid, 4294967u);
    EXPECT_EQ(mine.users[0].cgroup_path, "/system.slice/my.service");
    EXPECT_EQ(mine.users[0].process->exe, "/usr/bin/my");
    EXPECT_EQ(ends(held.sockets[1].holder.raw.sock), "[::1]:80");
    EXPECT_TRUE(held.sockets[1].users.empty());
}

TEST(ProcSockets, WithoutTheTablesItIsNotComplete) {
    EXPECT_FALSE(proc_sockets(7, "/nosuch").complete);
}

}  // namespace
}  // namespace bindtrace
