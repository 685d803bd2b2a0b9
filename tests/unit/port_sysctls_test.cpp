// SPDX-License-Identifier: MIT
#include "registry/port_sysctls.h"

#include <gtest/gtest.h>

#include "temp_dir.h"

namespace bindtrace {
namespace {

TEST(PortSet, ReadsWhatTheKernelPrints) {
    EXPECT_EQ(parse_port_set("")->count(), 0u);
    EXPECT_EQ(parse_port_set("80,9000-9002,65535")->count(), 5u);
    EXPECT_EQ(parse_port_set("0-65535")->count(), 65536u);
    for (const char* wrong : {"x", "80,", ",80", "80-", "9-3", "65536", "1 2", "80;81", "-1"})
        EXPECT_FALSE(parse_port_set(wrong)) << wrong;
}

TEST(PortSet, IsWrittenInTheFewestWords) {
    EXPECT_EQ(port_set_text(*parse_port_set("9001,80,9000,9002-9005,65535,65534")), "80,9000-9005,65534-65535");
    EXPECT_EQ(port_set_text(*parse_port_set("0-65535")), "0-65535");
    EXPECT_EQ(port_set_text({}), "");
}

TEST(PortSysctls, AreReadAndWhatIsNotThereIsNotKnown) {
    const TempDir folder;
    folder.write("ip_local_port_range", "32768\t60999\n");
    folder.write("ip_local_reserved_ports", "\n");
    const PortSysctls sysctls = read_port_sysctls(folder.path());
    ASSERT_TRUE(sysctls.ephemeral);
    EXPECT_EQ(sysctls.ephemeral->first, 32768);
    EXPECT_EQ(sysctls.ephemeral->second, 60999);
    ASSERT_TRUE(sysctls.reserved);
    EXPECT_TRUE(sysctls.reserved->none());
    EXPECT_FALSE(sysctls.unprivileged_start);
    folder.write("ip_unprivileged_port_start", "1024\n");
    EXPECT_EQ(read_port_sysctls(folder.path()).unprivileged_start, 1024u);
}

TEST(PortSysctls, OfThisMachineAreKnown) {
    EXPECT_TRUE(read_port_sysctls().ephemeral);
    EXPECT_TRUE(read_port_sysctls().reserved);
}

}  // namespace
}  // namespace bindtrace
