// SPDX-License-Identifier: MIT
// The bindtrace under test: `bindtrace trace --json`, and everything it has said so far.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "kernel_process.h"

namespace bindtrace {

using Json = nlohmann::json;

class Tracer {
  public:
    using Clock = std::chrono::steady_clock;

    Tracer(const std::string& binary, const std::string& strategy);
    ~Tracer();
    Tracer(const Tracer&) = delete;
    Tracer& operator=(const Tracer&) = delete;

    // Calls `look` with every record from number `next` on, which it advances, now and whenever there are more, until
    // it says true. False at the deadline, or when bindtrace has ended.
    bool follow(std::size_t& next, const std::function<bool(const Json&)>& look, Clock::time_point deadline);

    pid_t pid() const { return process_.pid(); }
    std::size_t count();
    std::vector<Json> all();
    std::vector<std::string> bad_lines();
    bool ended();

    // SIGTERM: its exit code, and what it wrote to stderr.
    std::optional<int> stop(std::chrono::milliseconds deadline);
    std::string errors() { return process_.errors(); }

  private:
    void read();

    ChildProcess process_;
    std::mutex mutex_;
    std::condition_variable more_;
    std::vector<std::unique_ptr<const Json>> records_;
    std::vector<std::string> bad_lines_;
    bool ended_ = false;
    std::thread reader_;
};

}  // namespace bindtrace
