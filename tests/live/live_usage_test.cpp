// SPDX-License-Identifier: MIT
// What is typed wrong ends with 2, one clear sentence on stderr, and nothing on stdout.
#include <gtest/gtest.h>

#include <algorithm>
#include <ostream>
#include <string>
#include <vector>

#include "live_bindtrace.h"

namespace bindtrace {
namespace {

struct Mistake {
    Words words;
    Words named;  // what the message must contain: the flag, and the word that is wrong
};

std::vector<Mistake> mistakes() {
    std::vector<Mistake> all = {
        {{"--port", "0"}, {"--port", "'0'"}},
        {{"--port", "65536"}, {"--port", "'65536'"}},
        {{"--port", "9-3"}, {"--port", "'9-3'"}},
        {{"--port", "abc"}, {"--port", "'abc'"}},
        {{"--port", "80,,81"}, {"--port"}},
        {{"--port"}, {"--port"}},
        {{"--proto", "foo"}, {"--proto", "'foo'", "tcp"}},
        {{"--events", "foo"}, {"--events", "'foo'", "bind"}},
        {{"--uid", "nosuch"}, {"--uid", "'nosuch'"}},
        {{"--uid", "-1"}, {"--uid", "-1"}},
        {{"--uid", "4294967296"}, {"--uid", "4294967296"}},
        {{"--netns", "0"}, {"--netns", "'0'"}},
        {{"--netns", "-5"}, {"--netns", "'-5'"}},
        {{"--cgroup", "/nosuch"}, {"--cgroup", "/nosuch"}},
        {{"--cgroup", "/../../.."}, {"--cgroup"}},
        {{"--unit", "x", "--cgroup", "/"}, {"--unit", "--cgroup"}},
        {{"--addr", "1.2.3.4/99"}, {"--addr", "1.2.3.4/99"}},
        {{"--addr", "localhost"}, {"--addr", "localhost"}},
        {{"--attach", "foo"}, {"--attach", "foo", "tracepoint"}},
        {{"--pid", "0"}, {"--pid", "0"}},
        {{"--pid", "abc"}, {"--pid", "abc"}},
        {{"--pid", "4194305"}, {"--pid", "4194305"}},
        {{"--ring-size", "3"}, {"--ring-size", "3"}},
        {{"--ring-size", "0"}, {"--ring-size", "0"}},
        {{"--nosuch"}, {"--nosuch"}},
        {{"nosuch"}, {"nosuch"}},
        {{"doctor", "--port", "80"}, {"--port"}},
        {{"trace", "--port", "0"}, {"--port", "'0'"}},
    };
    // `--port "$PORT"` with a variable that is not set must not mean "all ports".
    for (const char* flag :
         {"--port", "--proto", "--addr", "--comm", "--uid", "--unit", "--container", "--cgroup", "--netns", "--events"})
        all.push_back({{flag, ""}, {flag}});
    return all;
}

void PrintTo(const Mistake& mistake, std::ostream* out) {
    for (const std::string& word : mistake.words) *out << '"' << word << "\" ";
}

class UsageError : public testing::TestWithParam<Mistake> {};

TEST_P(UsageError, EndsWithTwoAndSaysWhatIsWrong) {
    const Ended ended = run(
        [] {
            Words words = GetParam().words;
            words.insert(words.begin(), bindtrace_binary());
            return words;
        }(),
        std::chrono::seconds(5));
    ASSERT_TRUE(ended.code) << "it starts to trace; stderr: " << ended.errors;
    EXPECT_EQ(*ended.code, 2) << ended.errors;
    EXPECT_EQ(ended.out, "");
    for (const std::string& word : GetParam().named)
        EXPECT_NE(ended.errors.find(word), std::string::npos) << word << " is not in: " << ended.errors;
    const auto lines = std::count(ended.errors.begin(), ended.errors.end(), '\n');
    EXPECT_TRUE(lines >= 1 && lines <= 3) << ended.errors;
    EXPECT_TRUE(ended.errors.starts_with("bindtrace: ")) << "who says so? " << ended.errors;
}

INSTANTIATE_TEST_SUITE_P(All, UsageError, testing::ValuesIn(mistakes()), [](const auto& tested) {
    std::string name = std::to_string(tested.index);
    for (const std::string& word : tested.param.words) name += "_" + word;
    if (tested.param.words.back().empty()) name += "empty";
    std::replace_if(
        name.begin(), name.end(), [](unsigned char c) { return !std::isalnum(c); }, '_');
    return name;
});

TEST(Numbers, ThatMeanNothingHereAreWarnedOf) {
    const Ended ended = run({"/usr/bin/env", "unshare", "--pid", "--fork", "--mount-proc", bindtrace_binary(), "record",
                             "-o", "-", "--pid", "1", "--netns", "4026539999", "--", "/bin/true"});
    EXPECT_EQ(ended.code, 0) << ended.errors;
    for (const char* words : {"--pid: 1 is taken for a number of the host's", "--netns: no process"})
        EXPECT_NE(ended.errors.find(words), std::string::npos) << words << " is not in: " << ended.errors;
    const Ended known = run_bindtrace({"record", "-o", "-", "--netns", "self", "--pid", "1", "--", "/bin/true"});
    EXPECT_EQ(known.errors.find("warning: --"), std::string::npos) << known.errors;
}

TEST(Units, AreServicesUnlessTheySayOtherwise) {
    for (const auto& [word, name] : {std::pair{"com.example.app", "com.example.app.service"},
                                     {"app@1.2", "app@1.2.service"},
                                     {"bindtrace-none.socket", "bindtrace-none.socket"}}) {
        const Ended ended = run_bindtrace({"record", "-o", "-", "--unit", word, "--", "/bin/true"});
        EXPECT_EQ(ended.code, 0) << ended.errors;
        EXPECT_NE(ended.errors.find("no '" + std::string(name) + "' is running"), std::string::npos) << ended.errors;
    }
}

TEST(Btf, IsAskedForWhereTheKernelHasNone) {
    const std::string hidden = "mount -t tmpfs none /sys/kernel/btf && exec " + bindtrace_binary() + " ";
    for (const char* command : {"--json", "--attach tracepoint", "who"}) {
        const Ended ended = run({"/usr/bin/env", "unshare", "--mount", "sh", "-c", hidden + command});
        EXPECT_EQ(ended.code, 1) << ended.errors;
        EXPECT_EQ(ended.out, "");
        EXPECT_NE(ended.errors.find("the kernel has no BTF (/sys/kernel/btf/vmlinux)"), std::string::npos)
            << ended.errors;
        EXPECT_NE(ended.errors.find("CONFIG_DEBUG_INFO_BTF=y"), std::string::npos) << ended.errors;
    }
}

TEST(Help, NamesEveryCommandAndFlag) {
    for (const char* flag : {"--help", "-h"}) {
        const Ended ended = run_bindtrace({flag});
        EXPECT_EQ(ended.code, 0);
        EXPECT_EQ(ended.errors, "");
        for (const char* word :
             {"trace",          "doctor", "--port",   "--proto",     "--addr",         "--pid",     "--comm",
              "--uid",          "--unit", "--cgroup", "--container", "--netns",        "--failed",  "--events",
              "--no-ephemeral", "--json", "--attach", "--ring-size", "--fail-on-loss", "--verbose", "--version",
              "--help",         "fentry", "kprobe",   "tracepoint",  "Exit codes"})
            EXPECT_NE(ended.out.find(word), std::string::npos) << word;
    }
}

TEST(Help, IsThereForEachCommand) {
    const Ended trace = run_bindtrace({"trace", "--help"});
    EXPECT_EQ(trace.code, 0);
    for (const char* word : {"--port", "--json", "--attach"})
        EXPECT_NE(trace.out.find(word), std::string::npos) << word;
    const Ended doctor = run_bindtrace({"doctor", "--help"});
    EXPECT_EQ(doctor.code, 0);
    EXPECT_NE(doctor.out.find("--json"), std::string::npos);
    EXPECT_EQ(doctor.out.find("--proto"), std::string::npos) << "doctor has no filters";
}

TEST(Version, IsOneLine) {
    for (const char* flag : {"--version", "-V"}) {
        const Ended ended = run_bindtrace({flag});
        EXPECT_EQ(ended.code, 0);
        EXPECT_EQ(ended.errors, "");
        EXPECT_TRUE(ended.out.starts_with("bindtrace ")) << ended.out;
        EXPECT_EQ(std::count(ended.out.begin(), ended.out.end(), '\n'), 1);
    }
}

}  // namespace
}  // namespace bindtrace
