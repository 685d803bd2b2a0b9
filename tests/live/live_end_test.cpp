// SPDX-License-Identifier: MIT
// However bindtrace ends, what it received is written, the exit code tells, and nothing stays in the kernel.
#include "live_end.h"

#include <cerrno>
#include <csignal>
#include <cstring>

namespace bindtrace {
namespace {

class Signal : public Ending, public testing::WithParamInterface<int> {};

TEST_P(Signal, EndsCleanlyUnderLoad) {
    Bindtrace bindtrace(filtered());
    ASSERT_TRUE(bindtrace.attached());
    const BpfObjects objects = held_by(bindtrace);
    Bindtrace::Output output;
    {
        const Load load(netns_);
        ASSERT_TRUE(load.go_on(2000));
        output = bindtrace.stop(GetParam());
    }
    EXPECT_EQ(output.code, 0) << output.errors;
    ASSERT_FALSE(output.lines.empty());
    EXPECT_EQ(output.lines.front().json["type"], "meta");
    EXPECT_TRUE(output.lines.back().json.is_object()) << "cut: " << output.lines.back().text;
    std::uint64_t events = 0;
    std::uint64_t lost = 0;
    for (const Line& line : output.lines) {
        ASSERT_TRUE(line.json.is_object()) << line.text;
        const std::string type = word_of(line.json, "type");
        events += type != "meta" && type != "loss" ? 1 : 0;
        if (type == "loss") lost += line.json["count"].get<std::uint64_t>();
    }
    EXPECT_GE(events, 4000u);
    const auto totals = totals_of(output.errors);
    ASSERT_TRUE(totals) << output.errors;
    EXPECT_EQ(totals->events, events);
    EXPECT_EQ(totals->lost, lost);
    expect_all_gone(objects);
}

INSTANTIATE_TEST_SUITE_P(Each, Signal, testing::Values(SIGINT, SIGTERM, SIGHUP),
                         [](const auto& tested) { return std::string(sigabbrev_np(tested.param)); });

TEST_F(Ending, TotalsCountFailures) {
    Bindtrace bindtrace(filtered());
    ASSERT_TRUE(bindtrace.attached());
    netns_.run([] {
        Socket holder(Kind::tcp);
        EXPECT_EQ(holder.bind("127.0.0.1", 18080), 0);
        for (int i = 0; i < 3; ++i) EXPECT_EQ(bind_and_close("127.0.0.1", 18080), EADDRINUSE);
    });
    const auto totals = totals_of(bindtrace.stop(SIGINT).errors);
    ASSERT_TRUE(totals);
    EXPECT_EQ(totals->events, 5u);
    EXPECT_EQ(totals->failures, 3u);
    EXPECT_EQ(totals->lost, 0u);
}

TEST_F(Ending, KilledItLeavesNothingInTheKernel) {
    Bindtrace bindtrace(filtered());
    ASSERT_TRUE(bindtrace.attached());
    const BpfObjects objects = held_by(bindtrace);
    EXPECT_EQ(bindtrace.stop(SIGKILL).code, 128 + SIGKILL);
    expect_all_gone(objects);
}

}  // namespace
}  // namespace bindtrace
