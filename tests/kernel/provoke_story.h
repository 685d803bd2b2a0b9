// SPDX-License-Identifier: MIT
// What a case tells: the events that bindtrace must report for the system calls the case made.
//
// A line of output is {"expect": {...}} with exactly the keys the case knows, named as in bindtrace's own JSON, or a
// special value where only bounds are known:
//
//     "held_ns":  {"min": 10, "max": 20}    either end may be missing; of numbers, or of texts in their order
//     "op":       {"any": ["connect", null]}
//     "factors":  {"has": ["dual-stack"], "lacks": ["same-unit"]}    either may be missing
//     "holders":  {"first": {"local_port": 8080}}
//
// "unseen_by": ["tracepoint"] beside "expect" names the attach strategies that cannot see the event. The first line,
// {"case", "events", "netns", "begin_ns", "lingers"}, says which types of event are compared, in which network
// namespace the case began and when (another one may have had its number before), and whether the process waits for the
// end of its stdin before it undoes what it set up (so that a reader may look things up); the last line is {"done":
// true}. A case that the kernel cannot do prints {"skip": "reason"} instead and exits 0; a kernel that answers
// otherwise than the case claims makes it exit 1 with a message.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace bindtrace {

using Json = nlohmann::json;

[[noreturn]] void fail(const std::string& what);
[[noreturn]] void skip(const std::string& reason);
void must(bool holds, const std::string& what);

// CLOCK_BOOTTIME, the clock of ktime_ns and held_ns.
std::uint64_t boot_ns();

// "ok" for 0, else the name of a positive errno as the kernel's documentation spells it.
std::string errno_name(int error);

std::string read_file(const std::string& path);
void write_file(const std::string& path, const std::string& text);

// Of the calling thread.
std::uint64_t netns_inum();
std::string cgroup_path();
std::optional<std::uint64_t> cgroup_id();  // nothing where v2 is not mounted
std::string own_exe();

// Where the v2 hierarchy is mounted: at /sys/fs/cgroup, at /sys/fs/cgroup/unified beside v1, or nowhere.
std::optional<std::string> cgroup2_mount();

inline constexpr std::size_t kMostAncestors = 8;

// {"process": {...}, "cgroup": {...}} of the calling thread, as it is now.
Json task_facts();

// Boot time just before and just after a system call.
struct Span {
    std::uint64_t before = 0;
    std::uint64_t after = 0;
};

// Runs a system call: when it ran, and its errno (0 for success).
struct Outcome {
    Span span;
    int error = 0;
};
Outcome timed(const std::function<long()>& call);
void must_be(const Outcome& outcome, int error, const std::string& what);

struct Expectation {
    Json event;
    std::vector<std::string> unseen_by = {};
    bool cookie_may_be_null = false;

    // Refused before the kernel looks at the socket, so that nobody may have made it generate its cookie.
    Expectation& refused_early() {
        cookie_may_be_null = true;
        return *this;
    }

    // Only with hooks on kernel functions.
    Expectation& needs_function_hooks() {
        unseen_by = {"tracepoint"};
        return *this;
    }
};

// Something to be completed just before the lines are printed, e.g. a cookie to read while its socket is still open.
class LateFact {
  public:
    virtual ~LateFact() = default;
    virtual void resolve() = 0;
};

class Story {
  public:
    Story() = default;
    Story(const Story&) = delete;
    Story& operator=(const Story&) = delete;

    // The reference stays valid as long as the story.
    Expectation& expect(Json event);
    void resolve_later(std::shared_ptr<LateFact> fact) { late_facts_.push_back(std::move(fact)); }

    // An event of the calling thread that took place in `span` and ended with `error`.
    Expectation& expect_now(const char* type, const char* op, Span span, int error);

    // For what must outlast the case's function.
    void keep(std::shared_ptr<void> thing) { kept_.push_back(std::move(thing)); }

    // To be called once. Writes the lines in one go, so that several processes may print.
    void print();

  private:
    std::deque<Expectation> lines_;
    std::vector<std::shared_ptr<LateFact>> late_facts_;
    std::vector<std::shared_ptr<void>> kept_;
};

void print_line(const Json& line);

// The verdict names who has the socket open when bindtrace looks, a moment later: waits until kernel_tests has seen it,
// or stdin has ended.
void let_it_look();

// It looks at all ports, or all addresses, of a network namespace four times a second at most; and goes by its number,
// which that of the case before may have had.
void let_it_rest();

}  // namespace bindtrace
