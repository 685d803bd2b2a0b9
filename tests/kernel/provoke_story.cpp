// SPDX-License-Identifier: MIT
#include "provoke_story.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <sstream>

#include "provoke_world.h"

namespace bindtrace {
namespace {

void write_all(const std::string& text) {
    std::size_t done = 0;
    while (done < text.size()) {
        const ssize_t wrote = ::write(STDOUT_FILENO, text.data() + done, text.size() - done);
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote <= 0) fail("cannot write to stdout");
        done += static_cast<std::size_t>(wrote);
    }
}

// Names that a process chose need not be UTF-8; bindtrace prints U+FFFD for what is not.
std::string to_line(const Json& line) {
    return line.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace

void fail(const std::string& what) {
    std::fprintf(stderr, "provoke: %s\n", what.c_str());
    std::fflush(stderr);
    ::_exit(1);
}

void skip(const std::string& reason) {
    print_line({{"skip", reason}});
    ::_exit(0);
}

void must(bool holds, const std::string& what) {
    if (!holds) fail(what);
}

std::uint64_t boot_ns() {
    timespec now{};
    ::clock_gettime(CLOCK_BOOTTIME, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U + static_cast<std::uint64_t>(now.tv_nsec);
}

std::string errno_name(int error) {
    if (error == 0) return "ok";
    if (error == EOPNOTSUPP) return "EOPNOTSUPP";  // glibc says ENOTSUP
    const char* name = strerrorname_np(error);
    return name != nullptr ? name : "errno " + std::to_string(error);
}

std::string read_file(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    must(in.good(), "cannot open " + path);
    std::ostringstream text;
    text << in.rdbuf();
    return text.str();
}

void write_file(const std::string& path, const std::string& text) {
    std::FILE* file = std::fopen(path.c_str(), "we");
    must(file != nullptr, "cannot open " + path + ": " + errno_name(errno));
    const bool wrote = std::fwrite(text.data(), 1, text.size(), file) == text.size();
    must(std::fclose(file) == 0 && wrote, "cannot write " + path + ": " + errno_name(errno));
}

std::uint64_t netns_inum() {
    struct stat about {};
    must(::stat("/proc/thread-self/ns/net", &about) == 0, "stat /proc/thread-self/ns/net: " + errno_name(errno));
    return about.st_ino;
}

Outcome timed(const std::function<long()>& call) {
    Outcome outcome;
    outcome.span.before = boot_ns();
    const long result = call();
    const int error = errno;
    outcome.span.after = boot_ns();
    outcome.error = result < 0 ? error : 0;
    return outcome;
}

void must_be(const Outcome& outcome, int error, const std::string& what) {
    must(outcome.error == error,
         what + ": expected " + errno_name(error) + ", the kernel said " + errno_name(outcome.error));
}

Expectation& Story::expect(Json event) {
    return lines_.emplace_back(Expectation{std::move(event)});
}

Expectation& Story::expect_now(const char* type, const char* op, Span span, int error) {
    Json event = task_facts();
    event["type"] = type;
    event["op"] = op != nullptr ? Json(op) : Json();
    event["result"] = errno_name(error);
    event["errno"] = error;
    event["ktime_ns"] = {{"min", span.before}, {"max", span.after}};
    event["netns"] = {{"inum", netns_inum()}};
    return expect(std::move(event));
}

void Story::print() {
    for (const auto& fact : late_facts_) fact->resolve();
    std::string text;
    for (const Expectation& line : lines_) {
        Json out = {{"expect", line.event}};
        if (!line.unseen_by.empty()) out["unseen_by"] = line.unseen_by;
        text += to_line(out);
    }
    write_all(text);
}

void print_line(const Json& line) {
    write_all(to_line(line));
}

void let_it_rest() {
    pause_ms(300);
}

void let_it_look() {
    print_line({{"look", true}});
    char byte = 0;
    while (::read(STDIN_FILENO, &byte, 1) < 0 && errno == EINTR) {
    }
}

}  // namespace bindtrace
