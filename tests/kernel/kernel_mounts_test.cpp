// SPDX-License-Identifier: MIT
// Of the kernel's file systems /proc and /sys suffice: a container often has no more. Without securityfs nobody says
// that the kernel is locked down.
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>

#include <filesystem>
#include <memory>
#include <thread>

#include "kernel_bindtrace.h"

namespace bindtrace {
namespace {

constexpr const char* kNotNeeded[] = {"/sys/kernel/security", "/sys/kernel/tracing", "/sys/kernel/debug/tracing",
                                      "/sys/kernel/debug", "/sys/fs/bpf"};

TEST(Mounts, OtherThanProcAndSysAreNotNeeded) {
    std::unique_ptr<ChildProcess> process;
    std::thread([&] {
        ASSERT_EQ(unshare(CLONE_NEWNS), 0);
        ASSERT_EQ(mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
        for (const char* folder : kNotNeeded)
            while (umount2(folder, MNT_DETACH) == 0) {
            }
        EXPECT_FALSE(std::filesystem::exists("/sys/kernel/security/lockdown"));
        process = std::make_unique<ChildProcess>(
            std::vector<std::string>{from_environment("BINDTRACE", "build/bindtrace"), "--json", "--attach",
                                     from_environment("BT_STRATEGY", "auto"), "--ring-size", "1", "--port", "22999"});
    }).join();
    ASSERT_TRUE(process);
    const auto meta = process->read_line();
    EXPECT_TRUE(meta);
    if (meta) {
        Socket(SOCK_STREAM).bind(22999);
        const auto bind = process->read_line();
        EXPECT_TRUE(bind && Json::parse(*bind, nullptr, false)["port"] == 22999);
        process->signal(SIGTERM);
    }
    EXPECT_EQ(process->wait(std::chrono::seconds(60)), 0) << process->errors();
}

}  // namespace
}  // namespace bindtrace
