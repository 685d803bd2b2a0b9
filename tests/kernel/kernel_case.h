// SPDX-License-Identifier: MIT
// One run of `provoke CASE`: what it said it expects.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "kernel_match.h"
#include "kernel_process.h"

namespace bindtrace {

struct CaseName {
    std::string name;
    bool slow = false;
};
std::vector<CaseName> list_cases(const std::string& provoke);

class CaseRun {
  public:
    // Starts it. `words` follow the program's name.
    CaseRun(const std::string& provoke, const std::vector<std::string>& words);

    // Reads up to the last line of the case. False where it failed; see failure(). `caught_up` is to return when
    // bindtrace has told what has happened up to now, for which a case may wait before it goes on.
    bool read(const std::function<void()>& caught_up);
    // Lets a lingering case undo what it set up, and waits for its exit.
    bool finish(std::chrono::milliseconds deadline);

    const std::string& failure() const { return failure_; }
    const std::string& skipped() const { return skipped_; }
    const std::vector<Expected>& expected() const { return expected_; }
    bool lingers() const { return lingers_; }

    // Boot-time clock: when its network namespace was there, and when it had exited.
    std::uint64_t begin_ns() const { return begin_ns_; }
    std::uint64_t end_ns() const { return end_ns_; }

    // Is this record one of those the case is about: a compared type in one of its network namespaces?
    bool concerns(const Json& record) const;

  private:
    bool take(const std::string& line);

    ChildProcess process_;
    std::string failure_;
    std::string skipped_;
    std::vector<Expected> expected_;
    std::set<std::string> types_;
    std::set<std::uint64_t> netns_;
    bool lingers_ = false;
    std::uint64_t begin_ns_ = 0;
    std::uint64_t end_ns_ = 0;
};

std::uint64_t boot_time_ns();

}  // namespace bindtrace
