// SPDX-License-Identifier: MIT
// What is said where the kernel refuses a strategy that was asked for.
#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "kernel_bindtrace.h"

namespace bindtrace {
namespace {

std::string lockdown() {
    std::ifstream file("/sys/kernel/security/lockdown");  // "none integrity [confidentiality]"
    std::string line;
    std::getline(file, line);
    return line;
}

TEST(Lockdown, RefusesKprobesWithASentence) {
    if (lockdown().find("[confidentiality]") == std::string::npos) GTEST_SKIP() << "not locked down: " << lockdown();
    ChildProcess process({from_environment("BINDTRACE", "build/bindtrace"), "--json", "--attach", "kprobe"});
    EXPECT_FALSE(process.read_line()) << "it has begun";
    EXPECT_EQ(process.wait(std::chrono::seconds(60)), 1);
    for (const char* words : {"cannot attach with kprobe", "lockdown", "--attach auto"})
        EXPECT_NE(process.errors().find(words), std::string::npos) << process.errors();
}

}  // namespace
}  // namespace bindtrace
