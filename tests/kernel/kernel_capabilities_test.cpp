// SPDX-License-Identifier: MIT
// What bindtrace may do without, and that the capabilities it asks for suffice.
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <sys/prctl.h>

#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>

#include "kernel_bindtrace.h"

namespace bindtrace {
namespace {

using Capabilities = std::set<std::string>;

const std::map<std::string, int> kNumbers = {{"CAP_BPF", CAP_BPF},
                                             {"CAP_PERFMON", CAP_PERFMON},
                                             {"CAP_NET_ADMIN", CAP_NET_ADMIN},
                                             {"CAP_SYS_RESOURCE", CAP_SYS_RESOURCE},
                                             {"CAP_SYS_ADMIN", CAP_SYS_ADMIN}};

// With these alone, though its user is root. What a thread drops its children do not have.
std::unique_ptr<ChildProcess> start_with(const Capabilities& kept) {
    std::unique_ptr<ChildProcess> process;
    std::thread([&] {
        std::set<int> numbers;
        for (const std::string& name : kept) numbers.insert(kNumbers.at(name));
        for (int number = 0; prctl(PR_CAPBSET_READ, number) >= 0; ++number)
            if (!numbers.contains(number)) prctl(PR_CAPBSET_DROP, number);
        process = std::make_unique<ChildProcess>(
            std::vector<std::string>{from_environment("BINDTRACE", "build/bindtrace"), "--json", "--attach",
                                     from_environment("BT_STRATEGY", "auto"), "--ring-size", "1"});
    }).join();
    return process;
}

// Those of `errors` that are not granted yet.
Capabilities asked_for(const std::string& errors, const Capabilities& granted) {
    Capabilities asked;
    for (const auto& [name, number] : kNumbers)
        if (errors.find(name) != std::string::npos && !granted.contains(name)) asked.insert(name);
    return asked;
}

// Grants what it asks for until it attaches.
void expect_attaches(Capabilities granted) {
    for (;;) {
        const auto process = start_with(granted);
        if (process->read_line()) {
            process->signal(SIGTERM);
            EXPECT_EQ(process->wait(std::chrono::seconds(60)), 0) << process->errors();
            EXPECT_NE(process->errors().find("missing CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH: some names"),
                      std::string::npos)
                << process->errors();
            return;
        }
        EXPECT_EQ(process->wait(std::chrono::seconds(60)), 1);
        const Capabilities asked = asked_for(process->errors(), granted);
        ASSERT_FALSE(asked.empty()) << "names none that it lacks: " << process->errors();
        const auto names = [&](const char* step) { return process->errors().find(step) != std::string::npos; };
        EXPECT_TRUE(names("sudo setcap cap_bpf,cap_perfmon,cap_net_admin") ||
                    (asked.contains("CAP_SYS_ADMIN") && names("--attach auto")))
            << "no next step: " << process->errors();
        granted.insert(asked.begin(), asked.end());
    }
}

TEST(Capabilities, ThatItAsksForSuffice) {
    expect_attaches({"CAP_BPF", "CAP_PERFMON"});
}

TEST(Capabilities, OfTheOldKindStandForTheNewOnes) {
    const auto process = start_with({"CAP_SYS_ADMIN"});
    if (!process->read_line()) {
        process->wait(std::chrono::seconds(60));
        const Capabilities asked = asked_for(process->errors(), {});
        EXPECT_EQ(asked, Capabilities{"CAP_SYS_RESOURCE"}) << process->errors();  // before 5.11, with limited memory
        return;
    }
    process->signal(SIGTERM);
    EXPECT_EQ(process->wait(std::chrono::seconds(60)), 0) << process->errors();
}

}  // namespace
}  // namespace bindtrace
