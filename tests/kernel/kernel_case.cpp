// SPDX-License-Identifier: MIT
#include "kernel_case.h"

#include <ctime>
#include <stdexcept>

namespace bindtrace {
namespace {

std::vector<std::string> command(const std::string& provoke, const std::vector<std::string>& words) {
    std::vector<std::string> argv = {provoke};
    argv.insert(argv.end(), words.begin(), words.end());
    return argv;
}

}  // namespace

std::uint64_t boot_time_ns() {
    timespec now{};
    ::clock_gettime(CLOCK_BOOTTIME, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U + static_cast<std::uint64_t>(now.tv_nsec);
}

std::vector<CaseName> list_cases(const std::string& provoke) {
    ChildProcess process({provoke, "--list"});
    std::vector<CaseName> cases;
    while (const auto line = process.read_line()) {
        const std::size_t space = line->find(' ');
        cases.push_back({line->substr(0, space), space != std::string::npos});
    }
    if (process.wait(std::chrono::seconds(10)) != 0) throw std::runtime_error(provoke + " --list failed");
    return cases;
}

CaseRun::CaseRun(const std::string& provoke, const std::vector<std::string>& words)
    : process_(command(provoke, words)) {}

bool CaseRun::read(const std::function<void()>& caught_up) {
    bool done = false;
    while (!done && skipped_.empty()) {
        const auto line = process_.read_line();
        if (!line) {
            process_.wait(std::chrono::seconds(10));
            failure_ = process_.errors();
            if (failure_.empty()) failure_ = "provoke ended before the case did";
            return false;
        }
        const Json parsed = Json::parse(*line, nullptr, false);
        if (!parsed.is_object()) {
            failure_ = "provoke printed: " + *line;
            return false;
        }
        done = parsed.contains("done");
        if (parsed.contains("look")) {
            caught_up();
            process_.write_line("");
        }
        if (parsed.contains("skip")) skipped_ = parsed["skip"];
        if (parsed.contains("case")) {
            types_ = parsed["events"].get<std::set<std::string>>();
            netns_.insert(parsed["netns"].get<std::uint64_t>());
            begin_ns_ = parsed["begin_ns"];
            lingers_ = parsed["lingers"];
        }
        if (parsed.contains("expect")) {
            const Json& event = parsed["expect"];
            if (event.contains("netns")) netns_.insert(event["netns"]["inum"].get<std::uint64_t>());
            expected_.push_back({event, parsed.value("unseen_by", std::vector<std::string>{})});
        }
    }
    return true;
}

bool CaseRun::finish(std::chrono::milliseconds deadline) {
    process_.close_stdin();
    const auto code = process_.wait(deadline);
    end_ns_ = boot_time_ns();
    if (code == 0) return true;
    failure_ = code ? "provoke exited with " + std::to_string(*code) : "provoke does not exit";
    return false;
}

bool CaseRun::concerns(const Json& record) const {
    const auto type = record.find("type");
    const auto netns = record.find("netns");
    const auto ktime = record.find("ktime_ns");
    if (ktime == record.end() || *ktime < begin_ns_) return false;  // of a namespace that had this number before
    if (type == record.end() || !type->is_string() || types_.count(*type) == 0) return false;
    if (netns == record.end() || !netns->is_object()) return false;
    const auto inum = netns->find("inum");
    return inum != netns->end() && inum->is_number_unsigned() && netns_.count(*inum) != 0;
}

}  // namespace bindtrace
