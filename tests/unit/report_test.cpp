// SPDX-License-Identifier: MIT
// What a report makes of a recording: groups, races, ports that changed hands, who held what when, and its bounds.
#include <gtest/gtest.h>

#include "capture_samples.h"
#include "capture_series_samples.h"
#include "report/gather.h"
#include "report/held_at.h"
#include "report/history.h"
#include "sink/report_json.h"
#include "sink/report_text.h"
#include "sink/text_sink.h"

namespace bindtrace {
namespace {

constexpr std::int64_t kDay = 86'400'000'000'000;

// One party's doings on one port, in order.
class Report : public testing::Test {
  protected:
    Report() {
        filter_.filter.kinds = ~0u;
        gather_.begin_of(1);
        gather_.meta(sampled_meta());
    }

    Sampled made(bt_kind kind, const std::string& unit, std::uint16_t port, std::uint32_t pid = 0) {
        Sampled sampled(kind, ++number_);
        sampled.cgroup_path = "/system.slice/" + unit;
        sampled.context.cgroup_path = sampled.cgroup_path;
        sampled.context.container = nullptr;
        sampled.context.read_paths();
        if (pid != 0) sampled.event.task.key.pid = pid;
        sampled.event.port = sampled.event.sock.local_port = port;
        return sampled;
    }
    void bind(const std::string& unit, std::uint16_t port) { tell(made(BT_KIND_BIND, unit, port)); }
    void release(const std::string& unit, std::uint16_t port) { tell(made(BT_KIND_RELEASE, unit, port)); }
    void connect(const std::string& unit, std::uint16_t port) {
        Sampled sampled = made(BT_KIND_AUTOBIND, unit, port);
        sampled.event.flags |= BT_EVENT_EPHEMERAL;
        tell(sampled);
    }
    void fail(const std::string& unit, std::uint16_t port, std::uint32_t holder_flags = 0, std::uint32_t pid = 77) {
        Sampled sampled = made(BT_KIND_BIND, unit, port, pid);
        sampled.event.error = EADDRINUSE;
        sampled.event.sock.local_port = 0;
        Findings found = sampled_findings();
        for (Holder& holder : found.holders) holder.raw.flags |= holder_flags;
        gather_.event(sampled.event, sampled.context, &found);
    }
    void tell(const Sampled& sampled) { gather_.event(sampled.event, sampled.context, nullptr); }

    RecordedFilter filter_;
    Gather gather_{filter_};
    std::uint64_t number_ = 0;
};

TEST_F(Report, WarningsOfOnePartyAreOneGroup) {
    Warning warning = sampled_warning();
    gather_.warning(warning);
    warning.time_ns += 1000;
    gather_.warning(warning);
    warning.reason = WarningReason::ephemeral;
    gather_.warning(warning);
    filter_.filter.ports = {{1, 2}};
    gather_.warning(warning);
    const Summary summary = gather_.summary();
    ASSERT_EQ(summary.warnings.kept.size(), 2u);
    const WarningGroup& group = summary.warnings.kept[0];
    EXPECT_EQ(group.count, 2u);
    EXPECT_EQ(group.last_ns - group.first_ns, 1000);
    std::string text, json;
    append_report_text(text, summary, false);
    EXPECT_NE(text.find("WARNINGS"), std::string::npos) << text;
    EXPECT_NE(text.find("(shop/ports\\x0a.toml:17)"), std::string::npos) << text;
    append_report_json(json, summary);
    EXPECT_NE(json.find("\"warnings\":[{\"reason\":\"container-published\""), std::string::npos) << json;
}

TEST_F(Report, TellsAServiceWithoutItsPortAsNoEntryOfARegistry) {
    gather_.warning(sampled_service_without_port());
    std::string text, json;
    append_report_text(text, gather_.summary(), false);
    EXPECT_NE(text.find("shop.service runs on without tcp port 32819"), std::string::npos) << text;
    append_report_json(json, gather_.summary());
    EXPECT_NE(json.find("\"reason\":\"service-without-port\""), std::string::npos) << json;
    EXPECT_NE(json.find("\"registry\":null,\"who\":{"), std::string::npos) << json;
}

TEST_F(Report, GroupsFailuresOfOnePartyForOneReason) {
    for (std::uint32_t pid = 100; pid < 105; ++pid) fail("a.service", 8080, 0, pid);
    fail("b.service", 8080);
    fail("a.service", 8081);
    fail("a.service", 8081);
    bind("a.service", 8081);
    const Summary summary = gather_.summary();
    ASSERT_EQ(summary.conflicts.kept.size(), 3u);
    const ConflictGroup& first = summary.conflicts.kept[0];
    EXPECT_EQ(first.count, 5u);
    EXPECT_EQ(first.starts, 5u);
    EXPECT_TRUE(first.restart_loop);
    EXPECT_EQ(first.who.unit, "a.service");
    EXPECT_FALSE(first.resolved_ns);
    EXPECT_LT(first.first_ns, first.last_ns);
    EXPECT_EQ(summary.conflicts.kept[1].who.unit, "b.service");
    EXPECT_EQ(summary.conflicts.kept[2].place.port, 8081) << "what was resolved comes last, whatever its count";
    EXPECT_TRUE(summary.conflicts.kept[2].resolved_ns);
    EXPECT_EQ(summary.recordings[0].failures, 8u);
}

TEST_F(Report, AnotherOnesSuccessResolvesNothing) {
    fail("a.service", 8080);
    bind("b.service", 8080);
    EXPECT_FALSE(gather_.summary().conflicts.kept.at(0).resolved_ns);
}

TEST_F(Report, RaceOfAServerWithAClient) {
    fail("a.service", 8080, BT_EVENT_EPHEMERAL);
    fail("a.service", 8080, BT_EVENT_EPHEMERAL);
    fail("b.service", 8081);
    const Summary summary = gather_.summary();
    ASSERT_EQ(summary.races.kept.size(), 1u);
    EXPECT_TRUE(summary.races.kept[0].has_failed);
    EXPECT_EQ(summary.races.kept[0].count, 2u);
    EXPECT_EQ(summary.races.kept[0].server.unit, "a.service");
}

TEST_F(Report, ClientThatGotThePortOfAServerWhileItWasAway) {
    bind("a.service", 8080);
    release("a.service", 8080);
    connect("c.service", 8080);
    bind("b.service", 8090);
    connect("c.service", 8091);  // nobody's
    const Summary summary = gather_.summary();
    ASSERT_EQ(summary.races.kept.size(), 1u);
    EXPECT_FALSE(summary.races.kept[0].has_failed);
    EXPECT_EQ(summary.races.kept[0].client.unit, "c.service");
    EXPECT_EQ(summary.races.kept[0].server.unit, "a.service");
}

TEST_F(Report, PortsThatChangedHands) {
    bind("a.service", 8080);
    bind("b.service", 8080);  // beside it, at another address
    release("b.service", 8080);
    release("a.service", 8080);
    bind("a.service", 8080);  // a restart
    release("a.service", 8080);
    bind("b.service", 8080);
    const Summary summary = gather_.summary();
    ASSERT_EQ(summary.hand_overs.kept.size(), 1u);
    const HandOver& hand_over = summary.hand_overs.kept[0];
    EXPECT_EQ(hand_over.count, 1u);
    EXPECT_EQ(hand_over.from.unit, "a.service");
    EXPECT_EQ(hand_over.to.unit, "b.service");
    EXPECT_EQ(hand_over.gap_ns, 1'234'567u);
}

TEST_F(Report, KnowsWhoHeldAPortBeforeTheStart) {
    HeldPort held{.holder = sampled_holder(1), .processes = 1};
    const bt_sock& sock = held.holder.raw.sock;
    held.holder.raw.sock.remote_port = 0;
    gather_.checkpoint({.time_ns = sampled_meta().time_ns, .ktime_ns = kBegin, .complete = true, .ports = {held}});
    const BlockHeader another{.kind = BlockKind::checkpoint, .recording = 1};
    EXPECT_EQ(gather_.begin_block(another), CaptureReader::Choice::skip);
    release("a.service", sock.local_port);
    bind("a.service", sock.local_port);
    EXPECT_EQ(gather_.summary().hand_overs.kept.size(), 1u);
}

// Ten million different failures take no more memory than a few hundred.
TEST_F(Report, KeepsTheMostImportantAndCountsTheRest) {
    constexpr std::uint64_t kGroups = 5000;
    for (int i = 0; i < 20; ++i) fail("often.service", 9);
    for (std::uint64_t i = 0; i < kGroups; ++i) fail("x" + std::to_string(i) + ".service", 8080);
    const Summary summary = gather_.summary();
    EXPECT_EQ(summary.conflicts.kept.size(), Top<ConflictGroup>::kKept);
    EXPECT_EQ(summary.conflicts.kept[0].count, 20u);
    EXPECT_EQ(summary.conflicts.rest.count, kGroups + 1 - Top<ConflictGroup>::kKept);
    EXPECT_EQ(summary.recordings[0].failures, kGroups + 20);
}

TEST_F(Report, FollowsNoMorePortsThanItHasRoomFor) {
    for (std::uint32_t netns = 1; netns <= 3; ++netns) {
        for (std::uint32_t port = 1; port < 65536; port += 2) {
            Sampled sampled = made(BT_KIND_BIND, "a.service", static_cast<std::uint16_t>(port));
            sampled.event.sock.netns = netns;
            tell(sampled);
        }
    }
    EXPECT_EQ(gather_.summary().ports_not_followed, 3 * 32768u - 65536u);
}

TEST(Moment, IsATimeOfTheDayOrOfTheCalendar) {
    EXPECT_EQ(parse_moment("20:53")->ns, (20 * 60 + 53) * 60'000'000'000);
    EXPECT_EQ(parse_moment("00:00:01.5")->ns, 1'500'000'000);
    EXPECT_EQ(parse_moment("1970-01-02T00:00:00Z")->ns, kDay);
    EXPECT_EQ(parse_moment("1970-01-02 01:00:00+01:00")->ns, kDay);
    for (const char* wrong :
         {"", "8", "20:5", "24:00", "20:60", "20:53:", "20:53:08.", "20:53Z", "noon", "2026-02-30T00:00:00Z",
          "2026-01-01T00:00:00", "2026-01-01", "20:53 ", "9999-01-01T00:00:00Z", "-1:00"})
        EXPECT_FALSE(parse_moment(wrong)) << wrong;
}

TEST(Moment, WithoutADateIsOfTheRecording) {
    const std::int64_t begin = 3 * kDay + kDay / 2;
    EXPECT_EQ(utc_of({.has_date = false, .ns = kDay / 2 + 5}, begin, begin + 10), begin + 5);
    EXPECT_EQ(utc_of({.has_date = false, .ns = 5}, begin, begin + kDay), 4 * kDay + 5) << "after midnight";
    EXPECT_EQ(utc_of({.has_date = false, .ns = 5}, begin, begin + 10), 3 * kDay + 5) << "outside";
}

// A recording of two checkpoints, and what was held between any two of its events.
TEST(HeldAt, BeginsAtTheLastCheckpointBefore) {
    MemoryOutput output;
    CaptureWriter writer(output);
    ASSERT_TRUE(writer.start(sampled_meta(), sampled_host(), {}, true));
    const auto utc = [](std::uint64_t ktime_ns) { return kUtcOffset + static_cast<std::int64_t>(ktime_ns); };
    constexpr std::uint64_t kStep = 40'000'000'000;
    for (std::uint64_t i = 1; i <= 4; ++i) {
        Sampled claim(BT_KIND_BIND, i);
        claim.event.ktime_ns = kBegin + i * kStep;
        claim.context.time_ns = utc(claim.event.ktime_ns);
        writer.event(claim.event, claim.context, nullptr);
        ASSERT_TRUE(writer.tick(claim.context.time_ns, claim.event.ktime_ns));
    }
    ASSERT_TRUE(writer.finish());

    SpanFinder finder;
    ASSERT_TRUE(CaptureReader::of(output.bytes)->read(finder, [&](const BlockHeader& header) {
        return finder.begin_block(header);
    }));
    ASSERT_EQ(finder.spans().size(), 1u);
    const RecordingSpan& span = finder.spans().begin()->second;
    EXPECT_EQ(span.checkpoints.size(), 3u);
    EXPECT_EQ(span.first_ns(), utc(kBegin));
    for (std::uint64_t i = 0; i <= 4; ++i) {
        const std::int64_t when = utc(kBegin + i * kStep);
        HeldAt held_at(finder.spans(), {.has_date = true, .ns = when});
        ASSERT_TRUE(held_at.is_within());
        std::size_t read = 0, events = 0;
        ASSERT_TRUE(CaptureReader::of(output.bytes)->read(held_at, [&](const BlockHeader& header) {
            const auto choice = held_at.begin_block(header);
            if (choice == CaptureReader::Choice::read) (header.kind == BlockKind::checkpoint ? read : events)++;
            return choice;
        }));
        EXPECT_EQ(held_at.held().at(0).held.ports.size(), i);
        EXPECT_TRUE(held_at.held()[0].held.complete);
        EXPECT_EQ(read, 1u) << "checkpoints";
        EXPECT_LE(events, 1u) << "blocks of events, of four";
    }
    EXPECT_FALSE(HeldAt(finder.spans(), {.has_date = true, .ns = utc(kBegin) - 1}).is_within());
    EXPECT_FALSE(HeldAt(finder.spans(), {.has_date = true, .ns = utc(kBegin + 5 * kStep)}).is_within());
}

// A recording in three files, where something was claimed 40, 80 and 120 seconds after its beginning, and nothing in
// the minute after.
class Series : public testing::Test {
  protected:
    static constexpr std::uint64_t kReportSecond = 1'000'000'000;

    static std::int64_t utc(std::uint64_t seconds) {
        return kUtcOffset + static_cast<std::int64_t>(kBegin + seconds * kReportSecond);
    }
    void SetUp() override {
        ASSERT_TRUE(writer_.start(sampled_meta(), sampled_host(), {}, true));
        for (std::uint64_t i = 1; i <= 3; ++i) {
            Sampled claim(BT_KIND_BIND, i);
            claim.event.ktime_ns = kBegin + i * 40 * kReportSecond;
            claim.context.time_ns = utc(i * 40);
            writer_.event(claim.event, claim.context, nullptr);
            ASSERT_TRUE(writer_.tick(utc(i * 40 + 1), kBegin + (i * 40 + 1) * kReportSecond));
            memory_.full = i < 3;
            ASSERT_TRUE(writer_.tick(utc(i * 40 + 2), kBegin + (i * 40 + 2) * kReportSecond));
        }
        ASSERT_EQ(memory_.files.size(), 3u);
    }
    void end() {
        writer_.went_on_until(utc(180), kBegin + 180 * kReportSecond);
        ASSERT_TRUE(writer_.finish());
    }
    std::string from_file(std::size_t first) const {
        std::string bytes;
        for (std::size_t i = first; i < memory_.files.size(); ++i) bytes += memory_.files[i];
        return bytes;
    }
    template <typename Target>
    static void read(const std::string& bytes, Target& target) {
        ASSERT_TRUE(CaptureReader::of(bytes)->read(
            target, [&](const BlockHeader& header) { return target.begin_block(header); }));
    }
    RecordingSummary summary(const std::string& bytes) {
        Gather gather(filter_);
        read(bytes, gather);
        return gather.summary().recordings.at(0);
    }
    std::optional<HeldThen> held(const std::string& bytes, std::uint64_t seconds) {
        SpanFinder finder;
        read(bytes, finder);
        HeldAt held_at(finder.spans(), {.has_date = true, .ns = utc(seconds)});
        if (!held_at.is_within()) return std::nullopt;
        read(bytes, held_at);
        return held_at.held().at(0);
    }

    RecordedFilter filter_;
    MemoryFiles memory_;
    CaptureWriter writer_{memory_};
};

TEST_F(Series, ThatIsWholeTellsOfItsWholeTime) {
    end();
    const RecordingSummary whole = summary(from_file(0));
    EXPECT_TRUE(whole.has_beginning);
    EXPECT_EQ(whole.first_ns, utc(0));
    EXPECT_EQ(whole.last_ns, utc(180));
    for (const std::uint64_t seconds : {0u, 41u, 100u, 180u}) {
        const auto then = held(from_file(0), seconds);
        ASSERT_TRUE(then) << seconds;
        EXPECT_TRUE(then->held.complete);
        EXPECT_EQ(then->held.ports.size(), seconds / 40 - (seconds == 180 ? 1 : 0));
    }
    EXPECT_FALSE(held(from_file(0), 181));
}

// What was rotated away is not "nobody".
TEST_F(Series, ThatLostItsBeginningTellsOfTheRest) {
    end();
    const RecordingSummary rest = summary(from_file(1));
    EXPECT_FALSE(rest.has_beginning);
    EXPECT_EQ(rest.meta.time_ns, utc(0));
    EXPECT_EQ(rest.first_ns, utc(42));
    EXPECT_EQ(rest.last_ns, utc(180));
    EXPECT_FALSE(held(from_file(1), 0));
    EXPECT_FALSE(held(from_file(1), 41));
    const auto then = held(from_file(1), 42);
    ASSERT_TRUE(then);
    EXPECT_TRUE(then->held.complete);
    EXPECT_EQ(then->held.ports.size(), 1u);
}

// A file that became full with a block that was to be written: its first checkpoint is of the end of that.
TEST_F(Series, ThatBeginsWithABlockTellsFromItsEndOn) {
    const Findings found = sampled_findings();
    for (const std::uint64_t seconds : {150u, 160u}) {
        Sampled claim(BT_KIND_BIND, seconds);
        claim.event.ktime_ns = kBegin + seconds * kReportSecond;
        claim.context.time_ns = utc(seconds);
        if (seconds == 160) claim.event.error = EADDRINUSE;  // which is written at once
        writer_.event(claim.event, claim.context, seconds == 160 ? &found : nullptr);
    }
    memory_.full = true;
    ASSERT_TRUE(writer_.flush());
    end();
    ASSERT_EQ(memory_.files.size(), 4u);
    std::string last = from_file(3);
    EXPECT_FALSE(held(last, 155));
    ASSERT_TRUE(held(last, 160));
    EXPECT_EQ(held(last, 160)->held.ports.size(), 4u);

    const auto size = [](std::string_view block) { return kBlockHeaderBytes + unpack_header(block)->stored_bytes; };
    const std::size_t head = size(last);
    last.erase(head, size(std::string_view(last).substr(head)));
    EXPECT_FALSE(held(last, 149)) << "without its checkpoint, of which the restated head tells nothing";
    ASSERT_TRUE(held(last, 150));
    EXPECT_FALSE(held(last, 150)->held.complete);
}

TEST_F(Series, WhoseRecorderWasKilledTellsUntilItsLastCheckpoint) {
    constexpr std::uint64_t kLast = 141;  // the first tick that is a minute after 81, that after the first minute
    for (std::uint64_t seconds = 130; seconds < 200; ++seconds)
        ASSERT_TRUE(writer_.tick(utc(seconds), kBegin + seconds * kReportSecond));
    const RecordingSummary killed = summary(from_file(0));
    EXPECT_EQ(killed.last_ns, utc(kLast));
    EXPECT_FALSE(killed.ended);
    EXPECT_TRUE(held(from_file(0), kLast));
    EXPECT_FALSE(held(from_file(0), kLast + 1));
}

TEST_F(Series, QuietFilesTellOfTheirTimeToo) {
    for (std::uint64_t seconds = 130; seconds < 134; ++seconds) {
        memory_.full = true;
        ASSERT_TRUE(writer_.tick(utc(seconds), kBegin + seconds * kReportSecond));
    }
    end();
    EXPECT_EQ(memory_.files.size(), 7u);
    EXPECT_EQ(summary(from_file(3)).first_ns, utc(130));
    EXPECT_EQ(summary(from_file(3)).last_ns, utc(180));
    EXPECT_TRUE(held(from_file(3), 140));
}

TEST(History, TellsHoldersOfTheStartAndAllThatFollows) {
    RecordedFilter filter;
    filter.filter.kinds = ~0u;
    TextSink sink({.colour = false, .zone = Zone::utc});
    std::string text;
    const HeldPort held{.holder = sampled_holder(1), .processes = 1};
    const std::uint16_t port = held.holder.raw.sock.local_port;
    filter.filter.ports = {{port, port}};
    History history(filter, sink, text, {});
    history.begin_of(1);
    Meta meta = sampled_meta();
    meta.filters.clear();
    history.meta(meta);
    history.checkpoint({.time_ns = sampled_meta().time_ns, .ktime_ns = kBegin, .complete = true, .ports = {held}});
    Sampled release(BT_KIND_RELEASE, 1);
    release.event.sock = held.holder.raw.sock;
    history.event(release.event, release.context, nullptr);
    history.event(Sampled(BT_KIND_BIND, 9).event, release.context, nullptr);  // of another port
    history.finish();
    EXPECT_TRUE(history.found());
    EXPECT_NE(text.find("held already:\nPROTO"), std::string::npos) << text;
    EXPECT_NE(text.find("release"), std::string::npos) << text;
    EXPECT_NE(text.find("-- 0 claims, 0 failures, 1 release; at the end nobody holds it --"), std::string::npos)
        << text;
    EXPECT_EQ(text.find('\x1b'), std::string::npos);
}

// Its end: of a port that was not held at the start, and of which nothing was told.
std::string end_of(const std::vector<std::string>& filters, bool complete) {
    RecordedFilter filter;
    filter.filter.kinds = ~0u;
    filter.filter.ports = {{1, 1}};
    TextSink sink({.colour = false, .zone = Zone::utc});
    std::string text;
    History history(filter, sink, text, {});
    history.begin_of(1);
    Meta meta = sampled_meta();
    meta.filters = filters;
    history.meta(meta);
    history.checkpoint({.time_ns = meta.time_ns, .ktime_ns = kBegin, .complete = complete, .ports = {}});
    history.finish();
    return text;
}

TEST(History, SaysNobodyOnlyWhereAllWouldBeKnown) {
    EXPECT_NE(end_of({}, true).find("at the end nobody holds it"), std::string::npos);
    EXPECT_NE(end_of({"--port 1-9"}, true).find("at the end nobody holds it"), std::string::npos);
    EXPECT_NE(end_of({"--failed"}, true).find("at the end it is not known who holds it"), std::string::npos);
    EXPECT_NE(end_of({}, false).find("at the end it is not known who holds it"), std::string::npos);
}

TEST(HeldAt, SaysNobodyOnlyWhereAllWouldBeKnown) {
    const auto told = [](bool complete) {
        std::string text;
        append_held_then_text(text, sampled_meta(), {.time_ns = 1, .complete = complete, .ports = {}}, false);
        return text;
    };
    EXPECT_NE(told(true).find("nobody held any"), std::string::npos);
    EXPECT_NE(told(false).find("not known"), std::string::npos);
    EXPECT_EQ(told(false).find("nobody"), std::string::npos);
}

// Nobody tells when such a connection ends; TIME_WAIT has gone after a minute.
TEST(HeldAt, TellsWhichConnectionsWereThereAtTheStart) {
    HeldPort client{.holder = sampled_holder(1), .processes = 1}, bound = client, closed = client;
    for (HeldPort* port : {&client, &bound, &closed}) {
        port->holder.raw.has_claim = port->holder.raw.explicit_port = 0;
        port->holder.raw.sock.cookie = 0;
        port->holder.raw.substate = port->holder.raw.sock.state = TCP_ESTABLISHED;
    }
    bound.holder.raw.explicit_port = 1;
    closed.holder.raw.substate = closed.holder.raw.sock.state = TCP_TIME_WAIT;
    TaskCache tasks;
    HolderTable table(tasks);
    table.restart({client, bound, closed}, true, kBegin);
    constexpr std::uint64_t kReportMinute = 60'000'000'000;
    const auto told = [&table](std::uint64_t later_ns) {
        std::string text;
        append_held_then_text(text, sampled_meta(), table.checkpoint(1, kBegin + later_ns), false);
        return text;
    };
    const std::string before = told(kReportMinute - 1), after = told(kMinute);
    EXPECT_NE(before.find("3 sockets"), std::string::npos) << before;
    EXPECT_NE(before.find("TIME_WAIT at the start"), std::string::npos) << before;
    EXPECT_NE(after.find("2 sockets"), std::string::npos) << after;
    EXPECT_NE(after.find("ESTABLISHED at the start  "), std::string::npos) << after;
    EXPECT_NE(after.find("ESTABLISHED  "), std::string::npos) << after;
}

TEST(History, OfAPortThatIsNotThere) {
    RecordedFilter filter;
    filter.filter.kinds = ~0u;
    filter.filter.ports = {{1, 1}};
    JsonSink sink;
    std::string text;
    History history(filter, sink, text, {.json = true});
    history.begin_of(1);
    history.meta(sampled_meta());
    history.event(Sampled(BT_KIND_BIND).event, Sampled(BT_KIND_BIND).context, nullptr);
    history.finish();
    EXPECT_FALSE(history.found());
}

}  // namespace
}  // namespace bindtrace
