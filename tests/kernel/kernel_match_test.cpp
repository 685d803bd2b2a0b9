// SPDX-License-Identifier: MIT
// The comparator must fail when it should; these need no kernel.
#include "kernel_match.h"

#include <gtest/gtest.h>

namespace bindtrace {
namespace {

const Json kExpected = {{"type", "bind"},
                        {"port", 80},
                        {"local_port", nullptr},
                        {"ktime_ns", {{"min", 10}, {"max", 20}}},
                        {"op", {{"any", {"connect", nullptr}}}},
                        {"process", {{"pid", 7}}}};
const Json kActual = {{"type", "bind"}, {"port", 80},        {"local_port", nullptr},
                      {"op", nullptr},  {"ktime_ns", 15},    {"process", {{"pid", 7}, {"comm", "x"}}},
                      {"more", true},   {"held_ns", nullptr}};

Json with(const char* key, const Json& value) {
    Json changed = kActual;
    changed[key] = value;
    return changed;
}

TEST(Match, TakesWhatAgrees) {
    EXPECT_TRUE(agrees(kExpected, kActual));
    EXPECT_TRUE(differences(kExpected, kActual).empty());
    EXPECT_TRUE(agrees(kExpected, with("op", "connect")));
    EXPECT_TRUE(agrees(kExpected, with("ktime_ns", 10)));
    EXPECT_TRUE(agrees(kExpected, with("ktime_ns", 20)));
}

TEST(Match, RefusesOneWrongKey) {
    for (const Json& wrong :
         {with("port", 81), with("local_port", 80), with("ktime_ns", 9), with("ktime_ns", 21),
          with("ktime_ns", nullptr), with("op", "close"), with("process", nullptr), with("process", {{"pid", 8}}),
          with("process", {{"comm", "x"}}), with("type", "listen")}) {
        EXPECT_FALSE(agrees(kExpected, wrong)) << wrong;
        EXPECT_EQ(differences(kExpected, wrong).size(), 1U) << wrong;
    }
    Json absent = kActual;
    absent.erase("local_port");  // null must be said
    EXPECT_FALSE(agrees(kExpected, absent));
}

TEST(Match, ReportsMissingAndExtra) {
    Matcher matcher({{kExpected, {}}, {kExpected, {}}}, "fentry");
    matcher.add(kActual);
    EXPECT_FALSE(matcher.complete());
    matcher.add(with("port", 81));
    const std::string report = matcher.report();
    EXPECT_NE(report.find("MISSING"), std::string::npos);
    EXPECT_NE(report.find("port: expected 80, is 81"), std::string::npos) << report;
    matcher.add(kActual);
    EXPECT_TRUE(matcher.complete());
    EXPECT_NE(matcher.report().find("EXTRA"), std::string::npos);
}

TEST(Match, TakesAnEventOnce) {
    Matcher matcher({{kExpected, {}}}, "fentry");
    matcher.add(kActual);
    EXPECT_TRUE(matcher.report().empty());
    matcher.add(kActual);
    EXPECT_EQ(matcher.extra_count(), 1U);
}

TEST(Match, UnseenMayBeMissingButNotWrong) {
    const std::vector<Expected> expected = {{kExpected, {"tracepoint"}}};
    EXPECT_TRUE(Matcher(expected, "tracepoint").complete());
    EXPECT_FALSE(Matcher(expected, "fentry").complete());
    Matcher seen(expected, "tracepoint");
    seen.add(kActual);
    EXPECT_TRUE(seen.report().empty());
    Matcher wrong(expected, "tracepoint");
    wrong.add(with("port", 81));
    EXPECT_FALSE(wrong.report().empty());
}

TEST(Match, TakesTextsBetweenTexts) {
    const Json bounds = {{"at", {{"min", "2026-01-01"}, {"max", "2026-01-03"}}}};
    EXPECT_TRUE(agrees(bounds, {{"at", "2026-01-02T10"}}));
    for (const Json& outside : {Json("2025-12-31"), Json("2026-01-03T00"), Json(5), Json(nullptr)})
        EXPECT_FALSE(agrees(bounds, {{"at", outside}})) << outside;
}

TEST(Match, WaitsOnlyForWhatHasNoKnownEnd) {
    Json late = kExpected;
    late["ktime_ns"] = {{"min", 10}};
    Matcher matcher({{kExpected, {}}, {late, {}}}, "fentry");
    EXPECT_FALSE(matcher.prompt_complete());
    matcher.add(kActual);
    EXPECT_TRUE(matcher.prompt_complete());
    EXPECT_FALSE(matcher.complete());
}

TEST(Match, NormalisesWhatVaries) {
    const Json out = normalised({{"ktime_ns", 5},
                                 {"held_ns", nullptr},
                                 {"ephemeral", true},
                                 {"local_port", 1234},
                                 {"remote_port", 8080},
                                 {"port", 40000},
                                 {"process", {{"pid", 1}, {"comm", "x"}}},
                                 {"conflict", {{"holders", {{{"socket", {{"cgroup_path", "/x-7"}}}}}}}},
                                 {"cgroup", {{"id", 3}, {"path", "/bindtrace-deny-12"}}}});
    EXPECT_EQ(out, (Json{{"ktime_ns", "#"},
                         {"held_ns", nullptr},
                         {"ephemeral", true},
                         {"local_port", "ephemeral"},
                         {"remote_port", 8080},
                         {"port", "ephemeral"},
                         {"process", {{"pid", "#"}, {"comm", "x"}}},
                         {"conflict",
                          {{"holders",
                            {{{"socket", {{"cgroup_path", "/x-#"}}},
                              {"netns", nullptr},
                              {"process", nullptr},
                              {"last_process", nullptr}}}}}},
                         {"cgroup", {{"id", "#"}, {"path", "/bindtrace-deny-#"}}}}));
}

}  // namespace
}  // namespace bindtrace
