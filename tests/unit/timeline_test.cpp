// SPDX-License-Identifier: MIT
// What a page draws: lanes, who held a port and what was refused; its bounds; and that no name gets out of its data.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <numeric>

#include "capture_samples.h"
#include "report/gather.h"
#include "sink/report_html.h"
#include "sink/timeline_json.h"

namespace bindtrace {
namespace {

using Json = nlohmann::json;

struct Piece {
    std::int64_t first_ns = 0, last_ns = 0;
    int kind = 0;
    std::uint64_t count = 1;
    bool is_mixed = false;

    bool is_like(const Piece& other) const { return kind == other.kind; }
    void absorb(Piece&& other) {
        is_mixed |= other.is_mixed || kind != other.kind;
        count += other.count;
        first_ns = std::min(first_ns, other.first_ns);
        last_ns = std::max(last_ns, other.last_ns);
    }
};

TEST(Condensed, KeepsWhatFits) {
    Condensed<Piece, 16> pieces;
    for (int i = 0; i < 16; ++i) pieces.add({.first_ns = i, .last_ns = i, .kind = i});
    ASSERT_EQ(pieces.items().size(), 16u);
    EXPECT_EQ(pieces.items()[7].count, 1u);
}

TEST(Condensed, MakesOneOfWhatIsShortAndCloseAndLosesNone) {
    Condensed<Piece, 16> pieces;
    constexpr std::int64_t kMs = 1'000'000;
    pieces.add({.first_ns = 5 * kMs, .last_ns = 9'000'000 * kMs, .kind = 9});
    for (std::int64_t i = 0; i < 100'000; ++i)
        pieces.add({.first_ns = i * kMs, .last_ns = i * kMs + 10, .kind = static_cast<int>(i % 2)});
    const auto& items = pieces.items();
    EXPECT_LE(items.size(), 16u);
    EXPECT_GE(items.size(), 6u) << "coarser than it need be";
    const auto add = [](std::uint64_t sum, const Piece& piece) { return sum + piece.count; };
    EXPECT_EQ(std::accumulate(items.begin(), items.end(), std::uint64_t{0}, add), 100'001u);
    const auto is_long = [](const Piece& piece) { return piece.kind == 9; };
    ASSERT_EQ(std::ranges::count_if(items, is_long), 1) << "what is long stays by itself";
    EXPECT_EQ(std::ranges::find_if(items, is_long)->count, 1u);
    for (const Piece& piece : items) {
        EXPECT_FALSE(piece.is_mixed) << "there was room for both kinds";
        EXPECT_LT(piece.count, 50'000u) << "coarser than it need be";
    }
}

// However many there are, and even if no two are alike and all are long.
TEST(Condensed, IsBounded) {
    Condensed<Piece, 16> pieces;
    for (int i = 0; i < 5000; ++i) pieces.add({.first_ns = i, .last_ns = 1'000'000'000'000, .kind = i});
    EXPECT_LE(pieces.items().size(), 16u);
}

TEST(Activity, TakesAnyTimeInAsManySteps) {
    Activity activity;
    constexpr std::int64_t kLaneSecond = 1'000'000'000;
    activity.add(kUtcOffset, true);
    for (std::int64_t second = 1; second < 86'400; second += 60) activity.add(kUtcOffset + second * kLaneSecond, false);
    std::uint64_t events = 0;
    for (const Activity::Step& step : activity.steps) events += step.events;
    EXPECT_EQ(events, 1441u);
    EXPECT_EQ(activity.steps[0].failures, 1u);
    EXPECT_LT(activity.step_ns * 120, 86'400 * kLaneSecond) << "less than half of the steps are used";
    EXPECT_GE(activity.step_ns * 240, 86'400 * kLaneSecond - 60 * kLaneSecond);
}

class Drawn : public testing::Test {
  protected:
    Drawn() {
        filter_.filter.kinds = ~0u;
        gather_.begin_of(1);
        Meta meta = sampled_meta();
        meta.filters.clear();
        gather_.meta(meta);
    }

    Sampled made(bt_kind kind, const std::string& comm, std::uint16_t port, std::uint64_t cookie) {
        Sampled sampled(kind, ++number_);
        std::memset(sampled.event.task.comm, 0, sizeof(sampled.event.task.comm));
        std::strncpy(sampled.event.task.comm, comm.c_str(), sizeof(sampled.event.task.comm) - 1);
        sampled.cgroup_path = "/";
        sampled.context.cgroup_path = sampled.cgroup_path;
        sampled.context.container = nullptr;
        sampled.context.read_paths();
        sampled.event.port = sampled.event.sock.local_port = port;
        sampled.event.sock.cookie = cookie;
        sampled.event.sock.inode = cookie;
        return sampled;
    }
    void tell(const Sampled& sampled) { gather_.event(sampled.event, sampled.context, nullptr); }
    void bind(const std::string& comm, std::uint16_t port, std::uint64_t cookie) {
        tell(made(BT_KIND_BIND, comm, port, cookie));
    }
    void release(const std::string& comm, std::uint16_t port, std::uint64_t cookie) {
        tell(made(BT_KIND_RELEASE, comm, port, cookie));
    }
    void connect(const std::string& comm, std::uint16_t port, std::uint64_t cookie) {
        Sampled sampled = made(BT_KIND_AUTOBIND, comm, port, cookie);
        sampled.event.flags |= BT_EVENT_EPHEMERAL;
        tell(sampled);
    }
    // In the way is the socket `cookie`, for 7 us.
    void fail(const std::string& comm, std::uint16_t port, std::uint64_t cookie, std::uint8_t substate = TCP_LISTEN,
              bool knows_since = true) {
        Sampled sampled = made(BT_KIND_BIND, comm, port, 0);
        sampled.event.error = EADDRINUSE;
        sampled.event.sock.local_port = 0;
        Findings found = sampled_findings();
        found.holders.resize(1);
        bt_holder& raw = found.holders[0].raw;
        raw.sock.local_port = port;
        raw.sock.cookie = raw.sock.inode = cookie;
        raw.substate = substate;
        if (knows_since)
            found.holders[0].since_ns = sampled.context.time_ns - 7000;
        else
            found.holders[0].since_ns.reset();
        gather_.event(sampled.event, sampled.context, &found);
    }
    Drawing drawing() {
        summary_ = gather_.summary();
        return timeline_.drawing(summary_.recordings);
    }

    RecordedFilter filter_;
    Timeline timeline_{filter_};
    Gather gather_{filter_, &timeline_};
    Summary summary_;
    std::uint64_t number_ = 0;
};

TEST_F(Drawn, BarsFromClaimToRelease) {
    bind("a", 80, 1);
    tell(made(BT_KIND_LISTEN, "a", 80, 1));
    bind("b", 80, 2);  // beside it
    release("a", 80, 1);
    const Drawing drawing = this->drawing();
    ASSERT_EQ(drawing.lanes.kept.size(), 1u);
    const auto& holdings = drawing.lanes.kept[0].holdings.items();
    ASSERT_EQ(holdings.size(), 2u);
    EXPECT_EQ(holdings[0].who.comm, "a");
    EXPECT_TRUE(holdings[0].listened);
    EXPECT_EQ(holdings[0].ending, Ending::released);
    EXPECT_EQ(holdings[0].held_ns, 3u * 1'234'567);
    EXPECT_EQ(holdings[1].who.comm, "b");
    EXPECT_EQ(holdings[1].ending, Ending::open);
    EXPECT_EQ(drawing.lanes.kept[0].changes, 1u);
}

TEST_F(Drawn, ClientsHaveALaneWhereSomebodyWantsTheirPort) {
    connect("c", 40000, 1);
    connect("c", 40001, 2);
    fail("a", 40000, 1);
    release("c", 40000, 1);
    release("c", 40001, 2);
    const Drawing drawing = this->drawing();
    EXPECT_EQ(drawing.clients_not_drawn, 2u);
    ASSERT_EQ(drawing.lanes.kept.size(), 1u);
    const Lane& lane = drawing.lanes.kept[0];
    EXPECT_EQ(lane.place.port, 40000);
    ASSERT_EQ(lane.refused.items().size(), 1u);
    ASSERT_EQ(lane.holdings.items().size(), 1u);
    const Holding& holding = lane.holdings.items()[0];
    EXPECT_EQ(lane.refused.items()[0].first_ns - holding.first_ns, 7000) << "from when the verdict knows it had it";
    EXPECT_EQ(holding.ending, Ending::released);
    EXPECT_FALSE(holding.begin_unknown);
}

TEST_F(Drawn, ClientsOfThePortsAskedFor) {
    filter_.filter.ports = {{40000, 40000}};
    Timeline timeline(filter_);
    Gather gather(filter_, &timeline);
    gather.begin_of(1);
    gather.meta(sampled_meta());
    Sampled client = made(BT_KIND_AUTOBIND, "c", 40000, 1);
    client.event.flags |= BT_EVENT_EPHEMERAL;
    gather.event(client.event, client.context, nullptr);
    const Drawing drawing = timeline.drawing(gather.summary().recordings);
    ASSERT_EQ(drawing.lanes.kept.size(), 1u);
    EXPECT_TRUE(drawing.lanes.kept[0].holdings.items().at(0).is_ephemeral);
}

TEST_F(Drawn, WhatIsInTimeWaitEndsWhenItWasSeenLast) {
    fail("a", 80, 1, TCP_TIME_WAIT);
    fail("a", 80, 1, TCP_TIME_WAIT);
    bind("z", 81, 9);
    const Drawing drawing = this->drawing();
    const Holding& holding = drawing.lanes.kept[0].holdings.items().at(0);
    EXPECT_EQ(holding.ending, Ending::unknown);
    EXPECT_EQ(holding.last_ns, drawing.lanes.kept[0].refused.items().back().last_ns);
}

// A recording without releases cannot tell that anything is still held.
TEST_F(Drawn, NoEndIsKnownWhereNoneWasRecorded) {
    gather_.begin_of(2);
    Meta meta = sampled_meta();
    meta.filters = {"--events bind,listen"};
    gather_.meta(meta);
    bind("a", 80, 1);
    const Drawing drawing = this->drawing();
    const Holding& holding = drawing.lanes.kept.at(0).holdings.items().at(0);
    EXPECT_EQ(holding.ending, Ending::unknown);
    EXPECT_EQ(holding.last_ns, holding.first_ns);
}

// Who holds ports at the start is told of all, and what happens to them only of those that pass the filters.
TEST_F(Drawn, NoEndIsKnownOfWhatAFilterKeptOut) {
    gather_.begin_of(2);
    Meta meta = sampled_meta();
    meta.filters = {"--port 80"};
    gather_.meta(meta);
    HeldPort held{.holder = sampled_holder(1), .processes = 1};
    held.holder.raw.sock.remote_port = 0;
    gather_.checkpoint({.time_ns = sampled_meta().time_ns, .ktime_ns = kBegin, .complete = true, .ports = {held}});
    bind("a", 80, 1);
    const Drawing drawing = this->drawing();
    ASSERT_EQ(drawing.lanes.kept.size(), 2u);
    EXPECT_EQ(drawing.lanes.kept[0].holdings.items().at(0).ending, Ending::open);
    EXPECT_EQ(drawing.lanes.kept[1].holdings.items().at(0).ending, Ending::unknown);
}

// Such as connections that nobody has accepted: nobody took the port for them.
TEST_F(Drawn, NoBeginIsKnownOfWhatTheVerdictDoesNotKnowItOf) {
    fail("a", 80, 1, TCP_ESTABLISHED, false);
    const Drawing drawing = this->drawing();
    const Holding& holding = drawing.lanes.kept.at(0).holdings.items().at(0);
    EXPECT_TRUE(holding.begin_unknown);
    EXPECT_EQ(holding.first_ns, drawing.lanes.kept[0].refused.items().at(0).first_ns);
}

// What was held before has no cookie then.
TEST_F(Drawn, EndOfWhatWasHeldBeforeTheStart) {
    HeldPort held{.holder = sampled_holder(1), .processes = 1};
    bt_sock& sock = held.holder.raw.sock;
    held.holder.since_ns.reset();
    sock.remote_port = 0;
    sock.cookie = 0;
    sock.inode = 777;
    gather_.checkpoint({.time_ns = sampled_meta().time_ns, .ktime_ns = kBegin, .complete = true, .ports = {held}});
    Sampled end = made(BT_KIND_RELEASE, "a", sock.local_port, 31);
    end.event.sock.inode = 777;
    tell(end);
    const Drawing drawing = this->drawing();
    const auto& holdings = drawing.lanes.kept.at(0).holdings.items();
    ASSERT_EQ(holdings.size(), 1u);
    EXPECT_TRUE(holdings[0].begin_unknown);
    EXPECT_EQ(holdings[0].first_ns, sampled_meta().time_ns);
    EXPECT_EQ(holdings[0].ending, Ending::released);
}

TEST_F(Drawn, HostsAreKeptApart) {
    bind("a", 80, 1);
    gather_.begin_of(2);
    Meta other = sampled_meta();
    other.host = "other";
    gather_.meta(other);
    bind("a", 80, 1);
    release("a", 80, 1);
    const Drawing drawing = this->drawing();
    ASSERT_EQ(drawing.lanes.kept.size(), 2u);
    ASSERT_EQ(drawing.activities.size(), 2u);
    EXPECT_EQ(drawing.lanes.kept[0].place.recording, 0u);
    EXPECT_EQ(drawing.lanes.kept[0].holdings.items().at(0).ending, Ending::open) << "it was released elsewhere";
    EXPECT_EQ(drawing.lanes.kept[1].holdings.items().at(0).ending, Ending::released);
}

TEST_F(Drawn, NoMoreAtOnceThanThereIsRoomFor) {
    for (std::uint64_t cookie = 1; cookie <= 100; ++cookie) bind("a", 80, cookie);
    for (std::uint64_t cookie = 1; cookie <= 100; ++cookie) release("a", 80, cookie);
    const Drawing drawing = this->drawing();
    const Lane& lane = drawing.lanes.kept.at(0);
    EXPECT_EQ(lane.holdings_count, 100u);
    EXPECT_EQ(lane.not_drawn, 100u - Lane::kOpen);
    std::uint64_t drawn = 0;
    for (const Holding& holding : lane.holdings.items()) drawn += holding.count;
    EXPECT_EQ(drawn, Lane::kOpen);
}

// Whatever happens; and each name is as long as names get, and each of its characters takes six in JSON.
TEST_F(Drawn, PageIsBoundedHoweverMuchHappened) {
    constexpr std::uint64_t kRounds = 50'000;
    for (std::uint64_t i = 0; i < kRounds; ++i) {
        const std::string comm = "\x01\x02\x03" + std::to_string(i);
        const auto port = static_cast<std::uint16_t>(1 + i * 7919 % 3000);
        if (i % 100 == 0) fail(comm, port, i);
        bind(comm, port, i);
        if (i % 5 != 0) release(comm, port, i);
        connect(comm, static_cast<std::uint16_t>(40000 + i % 10'000), i);
    }
    const Drawing drawing = this->drawing();
    EXPECT_EQ(drawing.lanes.kept.size(), Top<Lane>::kKept);
    EXPECT_GT(drawing.lanes.rest.entries, 0u);
    std::string page;
    append_report_html(page, summary_, drawing);
    EXPECT_LT(page.size(), 3u << 20);
    EXPECT_GT(page.size(), 500'000u) << "it shows less than it could";
}

TEST_F(Drawn, NoNameGetsOutOfTheData) {
    const std::string hostile = "</script><!--\x1b]0;\xe2\x80\xa8\xff&";
    for (const char* comm : {"</script><b>", "<!--<script>", "]]>\"'\\", "\xe2\x80\xa8\xff\x01"})
        bind(comm, 80, ++number_);
    Sampled unit = made(BT_KIND_BIND, "x", 81, 1);
    unit.cgroup_path = "/system.slice/" + hostile.substr(2) + ".service";
    unit.context.cgroup_path = unit.cgroup_path;
    unit.netns_name = hostile;
    unit.context.netns_name = unit.netns_name;
    unit.context.read_paths();
    tell(unit);
    const Drawing drawing = this->drawing();
    Summary& summary = summary_;
    summary.recordings[0].meta.host = hostile;
    summary.files = {{.path = hostile, .complete = false, .lost_bytes = 1, .damages = 1}};
    std::string data, page;
    append_page_data(data, summary, drawing);
    EXPECT_EQ(data.find_first_of(std::string("<\0\x1b", 3)), std::string::npos);
    EXPECT_EQ(data.find("\xe2\x80\xa8"), std::string::npos);
    const Json json = Json::parse(data);
    EXPECT_EQ(json["report"]["files"][0]["path"], "</script><!--\x1b]0;\xe2\x80\xa8\xef\xbf\xbd&");
    EXPECT_EQ(json["timeline"]["parties"][0]["comm"], "</script><b>");

    append_report_html(page, summary, drawing);
    std::size_t scripts = 0;
    for (std::size_t at = page.find("</script"); at != std::string::npos; at = page.find("</script", at + 1)) ++scripts;
    EXPECT_EQ(scripts, 2u);
    EXPECT_NE(page.find("default-src 'none'"), std::string::npos);
    EXPECT_EQ(page.find("'unsafe"), std::string::npos);
    EXPECT_EQ(page.find("http"), page.find("http-equiv")) << "a page asks nobody for anything";
    EXPECT_EQ(page.find("http", page.find("http-equiv") + 1), std::string::npos);
    EXPECT_EQ(page.find('@'), page.find("@media")) << "a mark was not filled in";
}

}  // namespace
}  // namespace bindtrace
