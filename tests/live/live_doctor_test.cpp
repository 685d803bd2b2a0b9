// SPDX-License-Identifier: MIT
// doctor, what --attach does where the machine refuses, and a user who may not trace.
#include <gtest/gtest.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <sstream>

#include "live_bindtrace.h"
#include "live_netns.h"
#include "unit/temp_dir.h"

namespace bindtrace {
namespace {

const std::vector<std::string> kAllStrategies = {"fentry", "kprobe", "tracepoint"};

Json doctor_report() {
    const Ended ended = run_bindtrace({"doctor", "--json"});
    EXPECT_EQ(ended.code, 0) << ended.errors;
    Json report = Json::parse(ended.out, nullptr, false);
    EXPECT_TRUE(report.is_object()) << ended.out;
    return report;
}

const Json& strategy_in(const Json& report, const std::string& name) {
    static const Json kNone;
    for (const Json& strategy : report["strategies"])
        if (strategy["name"] == name) return strategy;
    ADD_FAILURE() << "no strategy " << name << " in " << report;
    return kNone;
}

std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    std::istringstream stream(text);
    for (std::string line; std::getline(stream, line);) lines.push_back(line);
    return lines;
}

// A copy that every user may run, wherever the build folder is.
class Nobody : public testing::Test {
  protected:
    Nobody() {
        std::filesystem::permissions(dir_.path(), std::filesystem::perms(0755));
        std::filesystem::copy_file(bindtrace_binary(), copy_);
        std::filesystem::permissions(copy_, std::filesystem::perms(0755));
    }

    Ended run_as_nobody(Words words) const {
        words.insert(words.begin(), copy_);
        return run(as_nobody(words));
    }

    const TempDir dir_;
    const std::string copy_ = dir_ / "bindtrace";
};

TEST(Doctor, SaysWhatTheKernelAllowsAsJson) {
    const Json report = doctor_report();
    for (const char* key :
         {"v", "type", "version", "kernel", "machine", "btf", "lockdown", "missing_capabilities", "cgroup2_mount",
          "cgroup_units_mount", "ring_buffer_bytes", "strategies", "chosen", "problems"})
        EXPECT_TRUE(report.contains(key)) << key;
    utsname system{};
    uname(&system);
    EXPECT_EQ(report["v"], 1);
    EXPECT_EQ(report["type"], "doctor");
    EXPECT_EQ(report["kernel"], system.release);
    EXPECT_EQ(report["machine"], system.machine);
    EXPECT_EQ(report["btf"], std::filesystem::exists("/sys/kernel/btf/vmlinux"));
    EXPECT_GE(report["ring_buffer_bytes"], 4096);
    ASSERT_EQ(report["strategies"].size(), kAllStrategies.size());
    for (const std::string& name : kAllStrategies) {
        const Json& strategy = strategy_in(report, name);
        const std::string answer = word_of(strategy, "answer");
        EXPECT_TRUE(answer == "yes" || answer == "no") << "root can always tell: " << strategy;
        EXPECT_EQ(answer == "yes", strategy["why"].is_null()) << strategy;
        EXPECT_EQ(answer == "yes", !strategy["not_seen"].empty()) << strategy;
    }
    for (const Json& problem : report["problems"]) {
        EXPECT_NE(word_of(problem, "what"), "");
        EXPECT_NE(word_of(problem, "next"), "");
    }
}

TEST(Doctor, TakesTheFirstStrategyThatWorksAndItAttaches) {
    const Json report = doctor_report();
    const std::string chosen = word_of(report, "chosen");
    for (const std::string& name : kAllStrategies) {
        if (name == chosen) break;
        EXPECT_EQ(strategy_in(report, name)["answer"], "no") << name << " comes before " << chosen;
    }
    for (const std::string& word : {std::string("auto"), chosen}) {
        Bindtrace bindtrace({"--json", "--attach", word});
        EXPECT_TRUE(bindtrace.attached());
        const auto output = bindtrace.stop(SIGTERM);
        EXPECT_EQ(output.code, 0) << output.errors;
        ASSERT_FALSE(output.lines.empty());
        EXPECT_EQ(output.lines.front().json["strategy"], chosen) << "--attach " << word;
    }
}

TEST(Doctor, SaysTheSameAsText) {
    const Json report = doctor_report();
    const Ended ended = run_bindtrace({"doctor"});
    EXPECT_EQ(ended.code, 0) << ended.errors;
    EXPECT_EQ(ended.errors, "");
    for (const char* word : {"kernel", "BTF", "lockdown", "capabilities", "cgroup", "ring buffer", "strategies"})
        EXPECT_NE(ended.out.find(word), std::string::npos) << word;
    EXPECT_NE(ended.out.find(word_of(report, "kernel")), std::string::npos);
    for (const std::string& name : kAllStrategies) {
        const Json& strategy = strategy_in(report, name);
        const auto lines = lines_of(ended.out);
        const auto line = std::find_if(lines.begin(), lines.end(),
                                       [&](const std::string& it) { return it.starts_with("  " + name); });
        ASSERT_NE(line, lines.end()) << name;
        EXPECT_NE(line->find(word_of(strategy, "answer")), std::string::npos) << *line;
        EXPECT_NE(line->find(word_of(strategy, "why")), std::string::npos) << *line;
        EXPECT_EQ(line->find("auto") != std::string::npos, report["chosen"] == name) << *line;
    }
    for (const Json& unseen : strategy_in(report, word_of(report, "chosen"))["not_seen"])
        EXPECT_NE(ended.out.find(unseen.get<std::string>()), std::string::npos) << unseen;
    for (const Json& problem : report["problems"])
        EXPECT_NE(ended.out.find(word_of(problem, "next")), std::string::npos) << problem;
}

TEST(Doctor, SaysSoWhereItCannotBeWritten) {
    for (const char* json : {"", " --json"}) {
        const Ended ended = run({"/bin/sh", "-c", "exec " + bindtrace_binary() + " doctor" + json + " >/dev/full"});
        EXPECT_EQ(ended.code, 1);
        EXPECT_NE(ended.errors.find("No space left on device"), std::string::npos) << ended.errors;
    }
}

// With enough to load programs, but not those on cgroups.
TEST(Doctor, SaysWhichCapabilityTheProgramsNeed) {
    const Ended ended = run({"/usr/bin/setpriv", "--bounding-set=-all,+bpf,+perfmon", "--inh-caps=-all",
                             bindtrace_binary(), "doctor", "--json"});
    const Json report = Json::parse(ended.out, nullptr, false);
    ASSERT_TRUE(report.is_object()) << ended.out << ended.errors;
    EXPECT_EQ(strategy_in(report, "tracepoint")["why"], "missing CAP_NET_ADMIN");
    const std::string problems = report["problems"].dump();
    EXPECT_NE(problems.find("missing CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH: some names will be null"), std::string::npos)
        << problems;
    if (!report["chosen"].is_null()) return;  // by functions alone
    EXPECT_EQ(ended.code, 1);
    EXPECT_NE(problems.find("setcap cap_bpf,cap_perfmon,cap_net_admin"), std::string::npos) << problems;
    EXPECT_EQ(problems.find("suffice"), std::string::npos) << problems;
}

class Forced : public testing::TestWithParam<std::string> {};

TEST_P(Forced, StrategyAttachesOrSaysWhyNot) {
    const std::string name = GetParam();
    const bool works = strategy_in(doctor_report(), name)["answer"] == "yes";
    Bindtrace bindtrace({"--json", "--attach", name});
    EXPECT_EQ(bindtrace.attached(), works);
    if (works) {
        const auto output = bindtrace.stop(SIGTERM);
        EXPECT_EQ(output.code, 0);
        EXPECT_EQ(output.lines.front().json["strategy"], name);
        EXPECT_EQ(output.errors.find("attached with"), std::string::npos) << "nothing was fallen back from";
        return;
    }
    const auto output = bindtrace.wait_for_end(std::chrono::seconds(10));
    EXPECT_EQ(output.code, 1);
    EXPECT_TRUE(output.lines.empty());
    EXPECT_TRUE(output.errors.starts_with("bindtrace: cannot attach with " + name + ": ")) << output.errors;
    EXPECT_NE(output.errors.find("--attach auto"), std::string::npos) << "no next step in: " << output.errors;
    EXPECT_FALSE(totals_of(output.errors)) << "nothing has been traced: " << output.errors;
}

INSTANTIATE_TEST_SUITE_P(Each, Forced, testing::ValuesIn(kAllStrategies),
                         [](const auto& tested) { return tested.param; });

TEST(Auto, SaysInOneLineWhatItFellBackTo) {
    const Json report = doctor_report();
    const std::string chosen = word_of(report, "chosen");
    Bindtrace bindtrace({"--json"});
    ASSERT_TRUE(bindtrace.attached());
    const auto output = bindtrace.stop(SIGTERM);
    std::vector<std::string> warnings;
    for (const std::string& line : lines_of(output.errors))
        if (line.find("attached with") != std::string::npos) warnings.push_back(line);
    if (chosen == "fentry") {
        EXPECT_TRUE(warnings.empty()) << output.errors;
        return;
    }
    ASSERT_EQ(warnings.size(), 1u) << output.errors;
    EXPECT_NE(warnings[0].find("attached with " + chosen), std::string::npos) << warnings[0];
    EXPECT_NE(warnings[0].find("fentry"), std::string::npos) << "fell back from what? " << warnings[0];
    EXPECT_NE(warnings[0].find(word_of(strategy_in(report, "fentry"), "why")), std::string::npos) << warnings[0];
    for (const Json& unseen : strategy_in(report, chosen)["not_seen"])
        EXPECT_NE(warnings[0].find(unseen.get<std::string>()), std::string::npos) << "does not say it loses " << unseen;
}

TEST_F(Nobody, IsToldWhichCapabilitiesAreMissing) {
    for (const Words& words : {Words{}, Words{"trace", "--json"}, Words{"--attach", "tracepoint"}}) {
        const Ended ended = run_as_nobody(words);
        EXPECT_EQ(ended.code, 1);
        EXPECT_EQ(ended.out, "");
        for (const char* word : {"CAP_BPF", "CAP_PERFMON", "sudo", "setcap", "cap_bpf", "cap_perfmon"})
            EXPECT_NE(ended.errors.find(word), std::string::npos) << word << " is not in: " << ended.errors;
        EXPECT_FALSE(totals_of(ended.errors)) << ended.errors;
    }
}

TEST_F(Nobody, GetsTheUsageErrorFirst) {
    EXPECT_EQ(run_as_nobody({"--port", "0"}).code, 2);
}

// Does what the message says, and tries again.
TEST_F(Nobody, MayTraceWithTheCapabilitiesThatTheMessageNames) {
    const std::string errors = run_as_nobody({}).errors;
    const std::size_t begin = errors.find("setcap cap_");
    ASSERT_NE(begin, std::string::npos) << errors;
    std::istringstream words(errors.substr(begin));
    std::string setcap;
    std::string capabilities;
    words >> setcap >> capabilities;
    const Ended granted =
        run({"/bin/sh", "-c", "PATH=$PATH:/usr/sbin:/sbin; exec setcap " + capabilities + " " + copy_});
    ASSERT_EQ(granted.code, 0) << granted.errors << " (setcap is in libcap2-bin)";
    Bindtrace bindtrace(as_nobody({copy_, "--json", "--events", "bind"}), Bindtrace::Whole{});
    ASSERT_TRUE(bindtrace.attached()) << bindtrace.wait_for_end(std::chrono::seconds(10)).errors;
    EXPECT_EQ(bind_and_close("127.77.7.8", 18080), 0);
    const Line* line = bindtrace.wait_for([](const Line& it) { return it.json["addr"] == "127.77.7.8"; });
    ASSERT_NE(line, nullptr);
    const Json& event = line->json;
    EXPECT_EQ(event["process"]["exe"], std::filesystem::read_symlink("/proc/self/exe").string());
    EXPECT_EQ(event["process"]["user"], "root");
    EXPECT_TRUE(event["process"]["cmdline"].is_array()) << event;
    EXPECT_TRUE(event["cgroup"].is_null() || event["cgroup"]["path"].is_string()) << event["cgroup"];
    EXPECT_EQ(bindtrace.stop(SIGTERM).code, 0);
}

TEST_F(Nobody, GetsAnHonestDoctor) {
    const Ended text = run_as_nobody({"doctor"});
    EXPECT_EQ(text.code, 1);
    for (const char* word : {"CAP_BPF", "setcap"})
        EXPECT_NE(text.out.find(word), std::string::npos) << word << " is not in: " << text.out;
    for (const std::string& line : lines_of(text.out)) {
        for (const std::string& name : kAllStrategies) {
            if (!line.starts_with("  " + name)) continue;
            EXPECT_NE(line.find("could not tell"), std::string::npos) << line;
        }
    }
    const Ended json = run_as_nobody({"doctor", "--json"});
    EXPECT_EQ(json.code, 1);
    const Json report = Json::parse(json.out, nullptr, false);
    ASSERT_TRUE(report.is_object()) << json.out;
    EXPECT_TRUE(report["chosen"].is_null());
    for (const Json& strategy : report["strategies"]) EXPECT_EQ(strategy["answer"], "unknown") << strategy;
    EXPECT_FALSE(report["problems"].empty());
    const Json& missing = report["missing_capabilities"];
    EXPECT_TRUE(std::count(missing.begin(), missing.end(), "CAP_BPF")) << missing;
}

}  // namespace
}  // namespace bindtrace
