// SPDX-License-Identifier: MIT
// What a report says, as text and as JSON.
#include "client_in_the_way.h"
#include "golden.h"
#include "registry_warning.h"
#include "report/gather.h"
#include "sink/report_json.h"
#include "sink/report_text.h"
#include "sink/timeline_json.h"

namespace bindtrace {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

class GoldenReport : public Golden {
  protected:
    GoldenReport() {
        filter_.filter.kinds = ~0u;
        gather_.begin_of(1);
        gather_.meta({.time_ns = kTime,
                      .ktime_ns = kKtime,
                      .version = "0.1.0",
                      .host = "vm\x1b[2J",
                      .kernel = "6.18.44",
                      .strategy = "fentry",
                      .filters = {"--netns host"}});
        gather_.host({.recording = 1, .machine_id = "0123abcd", .boot_id = "feed"});
    }

    // So many seconds after the start.
    void tell(Story story, std::int64_t second, const Findings* findings = nullptr) {
        story.event.ktime_ns = kKtime + static_cast<std::uint64_t>(second * kSecond);
        story.context.time_ns = kTime + second * kSecond;
        story.settle();
        gather_.event(story.event, story.context, findings);
    }

    void warn(Warning warning, std::int64_t second) {
        warning.time_ns = kTime + second * kSecond;
        warning.ktime_ns = kKtime + static_cast<std::uint64_t>(second * kSecond);
        gather_.warning(warning);
    }

    // What a page draws of it, after told().
    std::string drawn() {
        std::string text;
        append_timeline_json(text, timeline_.drawing(summary_.recordings), summary_);
        EXPECT_TRUE(nlohmann::json::accept(text)) << text;
        return text + "\n";
    }

    std::string told() {
        Summary& summary = summary_ = gather_.summary();
        summary.files = {{.path = "/tmp/\x1b]0;x\x07.btcap", .complete = false, .lost_bytes = 4096, .damages = 1}};
        std::string text;
        append_report_text(text, summary, false);
        append_report_json(text, summary);
        EXPECT_TRUE(nlohmann::json::accept(text.substr(text.find("{\"v\"")))) << text;
        EXPECT_EQ(text.find('\x1b'), std::string::npos);
        return text;
    }

    RecordedFilter filter_;
    Timeline timeline_{filter_};
    Gather gather_{filter_, &timeline_};
    Summary summary_;
};

TEST_F(GoldenReport, WhatHappened) {
    const Story client = Story(BT_KIND_AUTOBIND, BT_OP_CONNECT)
                             .by_java()
                             .ephemeral()
                             .hold({"10.0.0.1", 38080})
                             .reach({"10.0.0.5", 8848});
    tell(client, 1);
    for (std::uint32_t start = 0; start < 4; ++start) {
        Story server = Story(BT_KIND_BIND, BT_OP_BIND).ask({"0.0.0.0", 38080}).fail(EADDRINUSE);
        server.event.task.key.pid += start;
        const Findings found = client_in_the_way(server, client, 32768, 60999);
        tell(server, 2 + start, &found);
    }
    Story hostile = Story(BT_KIND_BIND, BT_OP_BIND).ask({"::", 80}).fail(EACCES);
    set_comm(hostile.event.task.comm, "\x1b[31m\n\"=1+1");
    hostile.context.cgroup_path = "/user.slice/user-1000.slice/session-3.scope";
    hostile.context.netns_name =
        "we\x1b"
        "b";
    const Findings nothing;
    tell(hostile, 7, &nothing);

    tell(Story(BT_KIND_BIND, BT_OP_BIND).ask({"0.0.0.0", 8080}).hold({"0.0.0.0", 8080}), 8);
    tell(Story(BT_KIND_RELEASE, BT_OP_CLOSE).hold({"0.0.0.0", 8080}), 9);
    tell(Story(BT_KIND_AUTOBIND, BT_OP_CONNECT).by_java().ephemeral().hold({"10.0.0.1", 8080}).reach({"10.0.0.5", 443}),
         10);
    tell(Story(BT_KIND_RELEASE, BT_OP_CLOSE).by_java().ephemeral().hold({"10.0.0.1", 8080}), 11);
    tell(Story(BT_KIND_BIND, BT_OP_BIND).by_java().ask({"127.0.0.1", 8080}).hold({"127.0.0.1", 8080}), 12);
    gather_.loss({.time_ns = kTime + 13 * kSecond, .ktime_ns = kKtime, .reason = LossReason::ring_full, .count = 17});
    Warning grab =
        warning(WarningReason::ephemeral,
                by(connected(held({"10.0.0.1", 9100, IPPROTO_TCP, TCP_SYN_SENT}), "10.0.0.5", 8848), kMetrics));
    grab.claim.raw.op = BT_OP_CONNECT;
    grab.reserved = "9100";
    for (const std::int64_t second : {14, 15}) warn(grab, second);
    warn(warning(WarningReason::other_owner, by(held({"::", 9200}), kMetrics)), 16);
    warn(service_without_port(), 17);
    tell(Story(BT_KIND_BIND, BT_OP_BIND).ask({"0.0.0.0", 38080}).hold({"0.0.0.0", 38080}), 80);
    expect_file("report", told());
    expect_file("report_timeline", drawn());
}

TEST_F(GoldenReport, NothingWasRefused) {
    tell(Story(BT_KIND_BIND, BT_OP_BIND).ask({"0.0.0.0", 8080}).hold({"0.0.0.0", 8080}), 3 * 86'400);
    gather_.end({.events = 1});
    expect_file("report_quiet", told());
}

}  // namespace
}  // namespace bindtrace
