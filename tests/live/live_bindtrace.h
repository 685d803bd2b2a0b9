// SPDX-License-Identifier: MIT
// The bindtrace under test: the real binary, given by the environment variable BINDTRACE (default: beside this
// program).
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "kernel_process.h"

namespace bindtrace {

using Json = nlohmann::json;
using Words = std::vector<std::string>;

std::string bindtrace_binary();
std::string own_program();  // this very one, to be run as --bind-and-exit

// Where cgroup v2 is mounted; empty where it is not.
std::string cgroup_mount();

// A program run to its end.
struct Ended {
    std::optional<int> code;  // nothing: killed at the deadline
    std::string out;
    std::string errors;
};
Ended run(const Words& argv, std::chrono::milliseconds deadline = std::chrono::seconds(30));
Ended run_bindtrace(Words words);
// As user nobody, without any capability.
Words as_nobody(Words argv);

struct Line {
    std::string text;
    std::uint64_t arrived_ns = 0;  // boot-time clock
    Json json;                     // discarded where the text is none
};

// One that runs: `bindtrace WORDS`, with its lines as they come.
class Bindtrace {
  public:
    explicit Bindtrace(Words words);
    // The same with the whole command line, where something stands before the binary.
    struct Whole {};
    Bindtrace(const Words& argv, Whole);
    ~Bindtrace();
    Bindtrace(const Bindtrace&) = delete;
    Bindtrace& operator=(const Bindtrace&) = delete;

    pid_t pid() const { return process_.pid(); }
    void signal(int number) { process_.signal(number); }
    void close_stdin() { process_.close_stdin(); }

    // The first line that satisfies `wanted`, waiting for it; null at the deadline or where bindtrace ends before.
    const Line* wait_for(const std::function<bool(const Line&)>& wanted,
                         std::chrono::milliseconds deadline = std::chrono::seconds(20));
    // Waits until everything is attached, that is, for the first line. False where that never comes.
    bool attached() {
        return wait_for([](const Line&) { return true; }, std::chrono::seconds(60)) != nullptr;
    }

    // Ends it by a signal and gives everything that it wrote; a test failure where it does not end.
    struct Output {
        std::optional<int> code;
        std::vector<Line> lines;
        std::string errors;
    };
    Output stop(int number);
    // The same for one that is to end by itself.
    Output wait_for_end(std::chrono::milliseconds deadline);

  private:
    void read();

    ChildProcess process_;
    std::mutex mutex_;
    std::condition_variable more_;
    std::vector<std::unique_ptr<const Line>> lines_;  // never move
    bool ended_ = false;
    std::thread reader_;
};

// Empty where it is not there or no string.
std::string word_of(const Json& object, const char* key);
// Those lines that are events, as JSON.
std::vector<Json> events_of(const std::vector<Line>& lines);
std::uint64_t boot_time_ns();

// One event in one line: "bind tcp 127.0.0.1:8080 EADDRINUSE", "autobind udp ephemeral -> 127.0.0.1:9 ok",
// "listen tcp 127.0.0.1:80 ok", "release tcp 127.0.0.1:80", "state tcp CLOSE > LISTEN".
std::string brief(const Json& event);
Words briefs(const std::vector<Json>& events);

// "EVENTS events, FAILURES of them failures, LOST lost", from what bindtrace wrote to stderr at its end.
struct Totals {
    std::uint64_t events = 0;
    std::uint64_t failures = 0;
    std::uint64_t lost = 0;
};
std::optional<Totals> totals_of(const std::string& errors);

}  // namespace bindtrace
