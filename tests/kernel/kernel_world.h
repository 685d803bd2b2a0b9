// SPDX-License-Identifier: MIT
// What all tests share: the settings, the one bindtrace they watch, and the check of a case against it.
//
// Environment: BINDTRACE and PROVOKE (paths; default: beside this program), BT_STRATEGY (auto, fentry, kprobe or
// tracepoint, the default), BT_SLOW=1 (also the cases that take a minute), BT_DEADLINE (seconds to wait for one event,
// 20), BT_SHORT_LIVED (how many processes, 1000), BT_FLOOD_SECONDS (1), BT_DUMP=FILE (the matched events of each case
// without what differs from run to run, one JSON object a line, to be compared between strategies), BT_EXHAUST_MEMORY=1
// (also the cases for which the machine must have no memory for a moment: only for a guest).
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "kernel_case.h"
#include "kernel_match.h"
#include "kernel_tracer.h"

namespace bindtrace {

struct Settings {
    std::string bindtrace;
    std::string provoke;
    std::string strategy;
    std::string dump;
    bool second_chance = false;  // for a case that fails, where emulation upsets what it waits for
    bool slow = false;
    int short_lived = 1000;
    std::chrono::seconds deadline{20};

    static Settings from_environment(const std::string& own_path);
};

class World : public testing::Environment {
  public:
    World(Settings settings, std::vector<CaseName> cases) : settings_(std::move(settings)), cases_(std::move(cases)) {}
    ~World() override;

    void SetUp() override;
    void TearDown() override { stop_tracing(); }

    // Nothing can be checked after it.
    void stop_tracing();

    const Settings& settings() const { return settings_; }

    // Runs it and compares; failures and skips are the current test's.
    void check(const std::vector<std::string>& words);
    // One that SetUp() started.
    void check_slow(const std::string& name);
    // Of the whole stream so far.
    void check_records();

  private:
    struct SlowRun {
        std::unique_ptr<CaseRun> run;
        std::size_t first_record = 0;
        bool succeeded = false;
        std::thread thread;
    };

    bool take_meta();
    bool run_succeeded(const CaseRun& run, bool succeeded);
    // Waits until bindtrace reports an event made just now, and so all that was before it.
    bool catch_up();
    // The same, and feeds the matcher.
    bool catch_up(const CaseRun& run, Matcher& matcher, std::size_t& next);
    bool catch_up_from(std::size_t& next, const std::function<void(const Json&)>& take);
    bool attempt(const std::vector<std::string>& words);
    bool settle(CaseRun& run, Matcher& matcher, std::size_t next);
    void dump(const std::string& name, const Matcher& matcher);

    Settings settings_;
    std::vector<CaseName> cases_;
    std::string strategy_;  // the one in use
    std::unique_ptr<Tracer> tracer_;
    std::map<std::string, SlowRun> slow_;
    std::ofstream dump_;
    std::atomic<int> markers_ = 0;
};

// Is `reason` one for which this case may be skipped?
bool may_skip(const std::string& name, const std::string& reason);

}  // namespace bindtrace
