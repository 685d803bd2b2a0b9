// SPDX-License-Identifier: MIT
// However bindtrace ends, what it received is written, the exit code tells, and nothing stays in the kernel.
#include "live_end.h"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <fstream>

#include "unit/temp_dir.h"
#include "unit/wait_until.h"

namespace bindtrace {
namespace {

class Signal : public Ending, public testing::WithParamInterface<int> {};

// Into a file, where half a line would be seen.
TEST_P(Signal, EndsCleanlyUnderLoad) {
    const TempDir dir;
    const std::string path = dir / "out.json";
    Bindtrace bindtrace(writing_to(path, filtered()), Bindtrace::Whole{});
    ASSERT_TRUE(wait_until([&] { return std::ifstream(path).peek() != EOF; }, std::chrono::seconds(30)));
    const BpfObjects objects = held_by(bindtrace);
    Bindtrace::Output output;
    std::uint64_t binds = 0;
    {
        const Load load(netns_);
        ASSERT_TRUE(load.go_on(2000));
        binds = load.binds();
        output = bindtrace.stop(GetParam());
    }
    EXPECT_EQ(output.code, 0) << output.errors;
    std::ifstream file(path);
    std::uint64_t events = 0;
    std::uint64_t lost = 0;
    bool first = true;
    for (std::string line; std::getline(file, line); first = false) {
        EXPECT_FALSE(file.eof()) << "no newline after: " << line;
        const Json json = Json::parse(line, nullptr, false);
        ASSERT_TRUE(json.is_object()) << "cut: " << line;
        const std::string type = word_of(json, "type");
        ASSERT_EQ(type == "meta", first) << line;
        events += type != "meta" && type != "loss" ? 1 : 0;
        if (type == "loss") lost += json["count"].get<std::uint64_t>();
    }
    EXPECT_GE(events + lost, 2 * binds) << "what it had received is not all written";
    const auto totals = totals_of(output.errors);
    ASSERT_TRUE(totals) << output.errors;
    EXPECT_EQ(totals->events, events);
    EXPECT_EQ(totals->lost, lost);
    expect_all_gone(objects);
}

INSTANTIATE_TEST_SUITE_P(Each, Signal, testing::Values(SIGINT, SIGTERM, SIGHUP),
                         [](const auto& tested) { return std::string(sigabbrev_np(tested.param)); });

TEST_F(Ending, WritesWhatWasThereWhenTheSignalCame) {
    Bindtrace bindtrace(filtered());
    ASSERT_TRUE(bindtrace.attached());
    bindtrace.signal(SIGSTOP);
    netns_.run([] {
        for (int i = 0; i < 3000; ++i) EXPECT_EQ(bind_and_close("127.0.0.1", 18080), 0);
    });
    bindtrace.signal(SIGTERM);
    bindtrace.signal(SIGCONT);
    const auto output = bindtrace.wait_for_end(std::chrono::seconds(20));
    EXPECT_EQ(output.code, 0) << output.errors;
    EXPECT_EQ(events_of(output.lines).size(), 6000u);
}

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
