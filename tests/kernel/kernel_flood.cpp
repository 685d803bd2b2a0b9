// SPDX-License-Identifier: MIT
// Binds alone on every CPU, which is where the kernel skips programs (see README, Limits): each is told, or counted as
// lost. What it prints is what README says of it.
#include "kernel_flood.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "kernel_bindtrace.h"

namespace bindtrace {
namespace {

constexpr int kThreads = 6;
constexpr std::uint16_t kFirstPort = 24000;

std::uint64_t bind_until(const std::atomic<bool>& enough, std::uint16_t port) {
    std::uint64_t made = 0;
    for (; !enough; ++made) Socket(SOCK_STREAM).bind(port);
    return made;
}

struct Told {
    std::string strategy;
    std::uint64_t binds = 0;
    std::map<std::string, std::uint64_t> lost;  // by reason
};

// A line of an event is only looked at, since there are many.
Told read_all(const std::string& file) {
    Told told;
    std::ifstream lines(file);
    for (std::string line; std::getline(lines, line);) {
        if (line.find("\"type\":\"bind\"") != std::string::npos) {
            ++told.binds;
            continue;
        }
        const Json other = Json::parse(line, nullptr, false);
        if (!other.is_object()) continue;  // half of a line
        if (other["type"] == "loss") told.lost[other["reason"]] += other["count"].get<std::uint64_t>();
        if (other["type"] == "meta") told.strategy = other["strategy"];
    }
    return told;
}

}  // namespace

void flood_is_told_or_counted_as_lost() {
    const std::string file = "/tmp/bindtrace-flood-" + std::to_string(getpid());  // nobody need keep up with it
    ChildProcess bindtrace({"/bin/sh", "-c",
                            "exec " + from_environment("BINDTRACE", "build/bindtrace") + " --json --attach " +
                                from_environment("BT_STRATEGY", "auto") + " --events bind --pid " +
                                std::to_string(getpid()) + " >" + file});
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(120);
    while (read_all(file).strategy.empty()) {  // it is attached when it has said so
        ASSERT_FALSE(bindtrace.wait(std::chrono::milliseconds(0))) << bindtrace.errors();
        ASSERT_LT(std::chrono::steady_clock::now(), deadline) << "it does not begin";
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    std::atomic<bool> enough = false;
    std::atomic<std::uint64_t> made = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < kThreads; ++i)
        threads.emplace_back(
            [&, port = static_cast<std::uint16_t>(kFirstPort + i)] { made += bind_until(enough, port); });
    std::this_thread::sleep_for(std::chrono::seconds(std::atoi(from_environment("BT_FLOOD_SECONDS", "1").c_str())));
    enough = true;
    for (std::thread& thread : threads) thread.join();
    bindtrace.signal(SIGINT);  // what is in the buffer is told first
    EXPECT_EQ(bindtrace.wait(std::chrono::seconds(60)), 0) << bindtrace.errors();

    const Told told = read_all(file);
    unlink(file.c_str());
    std::uint64_t lost = 0;
    std::string reasons;
    for (const auto& [reason, count] : told.lost) {
        lost += count;
        reasons += ", " + std::to_string(count) + " " + reason;
    }
    std::cout << told.strategy << ": " << made << " binds by " << kThreads << " threads, " << told.binds << " told, "
              << made - told.binds << " missed; counted as lost " << lost << reasons << std::endl;
    EXPECT_GT(made, 1000u);
    EXPECT_LE(told.binds, made) << "some are told twice";
    EXPECT_GE(told.binds + lost, made) << "some are neither told nor counted";
}

}  // namespace bindtrace
