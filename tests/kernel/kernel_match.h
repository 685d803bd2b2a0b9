// SPDX-License-Identifier: MIT
// Compares what provoke expects with what bindtrace told.
//
// Every event is taken by the first expectation that agrees with it and has none yet; an expectation agrees where all
// the keys it states do. So an event that is wrong in one key is at the same time an expectation without event and an
// event nobody expected, and the report pairs the two that differ least.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace bindtrace {

using Json = nlohmann::json;

struct Expected {
    Json event;
    std::vector<std::string> unseen_by;  // attach strategies
};

// Empty where it is not there or no string.
std::string word_of(const Json& object, const char* key);

bool agrees(const Json& expected, const Json& actual);

// One line per key: "process.pid: expected 12, is 13".
std::vector<std::string> differences(const Json& expected, const Json& actual);

// Before each event in Matcher::report() that nothing expects, not even with another value.
inline constexpr const char* kExtraMark = "\nEXTRA    ";

class Matcher {
  public:
    Matcher(std::vector<Expected> expected, const std::string& strategy);

    void add(const Json& event);

    // Has every expectation that this strategy can meet its event?
    bool complete() const { return open_ == 0; }
    // Those among them that took place before the case ended, that is, whose ktime_ns has a known end?
    bool prompt_complete() const { return prompt_ == 0; }
    std::size_t extra_count() const { return extra_.size(); }

    // What is missing and what is too much, for people; empty where all is well.
    std::string report() const;

    // By expectation; null where the event was not seen.
    std::vector<Json> matched() const;

  private:
    struct Slot {
        Expected expected;
        bool required;
        bool prompt;
        bool taken = false;
        Json event = {};
    };

    std::vector<Slot> slots_;
    std::vector<Json> extra_;
    std::size_t open_ = 0;
    std::size_t prompt_ = 0;
    std::size_t first_free_ = 0;
};

// The same event with what differs from run to run replaced: times, process and socket numbers, ports that the kernel
// chose. What is null stays null.
Json normalised(const Json& event);

}  // namespace bindtrace
