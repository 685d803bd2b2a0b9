// SPDX-License-Identifier: MIT
// The formats of `export`, each read back by a reader that knows nothing of the writer.
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "capture_samples.h"
#include "protobuf_fields.h"
#include "sink/csv_sink.h"
#include "sink/perfetto_sink.h"
#include "sink/sqlite_sink.h"
#include "temp_dir.h"

namespace bindtrace {
namespace {

// A claim, a refusal with two holders, a loss, and the release of what was claimed.
void tell(Sink& sink, std::string& out) {
    Teller teller(sink, out);
    teller.meta(sampled_meta());
    const Sampled claim(BT_KIND_AUTOBIND);
    teller.event(claim.event, claim.context, nullptr);
    Sampled refused(BT_KIND_BIND, 2);
    refused.event.error = EADDRINUSE;
    const Findings found = sampled_findings();
    teller.event(refused.event, refused.context, &found);
    teller.loss({.time_ns = kUtcOffset, .ktime_ns = kBegin, .reason = LossReason::ring_full, .count = 3});
    Sampled release(BT_KIND_RELEASE);
    release.event.ktime_ns += 1000;
    teller.event(release.event, release.context, nullptr);
}

using Rows = std::vector<std::vector<std::string>>;

// RFC 4180, section 2.
Rows parse_csv(std::string_view text) {
    Rows rows(1);
    rows.back().emplace_back();
    bool quoted = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        std::string& field = rows.back().back();
        if (quoted) {
            if (text[i] != '"') {
                field += text[i];
            } else if (i + 1 < text.size() && text[i + 1] == '"') {
                field += text[++i];
            } else {
                quoted = false;
            }
        } else if (text[i] == '"') {
            quoted = true;
        } else if (text[i] == ',') {
            rows.back().emplace_back();
        } else if (text[i] == '\r') {
            EXPECT_EQ(text[++i], '\n');
            rows.emplace_back(1);
        } else {
            field += text[i];
        }
    }
    rows.pop_back();  // after the last line's end
    return rows;
}

TEST(Csv, EveryRowHasEveryColumn) {
    CsvSink sink;
    std::string out;
    tell(sink, out);
    const Rows rows = parse_csv(out);
    ASSERT_EQ(rows.size(), 5u);
    std::map<std::string, std::string> refused, loss;
    for (const auto& row : rows) ASSERT_EQ(row.size(), rows[0].size());
    for (std::size_t i = 0; i < rows[0].size(); ++i) {
        EXPECT_TRUE(refused.emplace(rows[0][i], rows[2][i]).second) << rows[0][i] << " is there twice";
        loss.emplace(rows[0][i], rows[3][i]);
    }
    EXPECT_EQ(refused["result"], "EADDRINUSE");
    EXPECT_EQ(refused["port"], "8002");
    EXPECT_EQ(refused["cause"], "bound");
    EXPECT_EQ(refused["holder_pid"], "4071");
    EXPECT_EQ(refused["holder_state"], "LISTEN");
    EXPECT_EQ(refused["host"], "ho\"st");
    EXPECT_EQ(refused["comm"], "my\\x1bapp");
    EXPECT_EQ(refused["loss_count"], "");
    EXPECT_FALSE(refused["summary"].empty());
    EXPECT_EQ(loss["type"], "loss");
    EXPECT_EQ(loss["loss_count"], "3");
    EXPECT_EQ(loss["loss_reason"], "ring-buffer-full");
}

// By column.
std::map<std::string, std::string> row_of(const Warning& warning) {
    CsvSink sink;
    std::string out;
    Teller(sink, out).warning(warning);
    const Rows rows = parse_csv(out);
    std::map<std::string, std::string> row;
    EXPECT_TRUE(rows.size() == 2 && rows[1].size() == rows[0].size()) << out;
    if (testing::Test::HasFailure()) return row;
    for (std::size_t i = 0; i < rows[0].size(); ++i) row[rows[0][i]] = rows[1][i];
    return row;
}

TEST(Csv, AWarningIsARow) {
    auto warning = row_of(sampled_warning());
    EXPECT_EQ(warning["type"], "warning");
    EXPECT_EQ(warning["local_port"], "32819");
    EXPECT_EQ(warning["holder_pid"], "4071");
    EXPECT_EQ(warning["warning_reason"], "container-published");
    EXPECT_EQ(warning["registry_entry"], "shop/ports\\x0a.toml:17");
    EXPECT_EQ(warning["registry_owner"], "node.service, exe:/bin/\\x1b");
    EXPECT_FALSE(warning["summary"].empty());
    EXPECT_FALSE(warning["advice"].empty());
}

TEST(Csv, AServiceWithoutItsPortHoldsNothing) {
    auto warning = row_of(sampled_service_without_port());
    EXPECT_EQ(warning["local_port"], "32819");
    EXPECT_EQ(warning["result"], "EADDRINUSE");
    EXPECT_EQ(warning["pid"], "4071");
    EXPECT_EQ(warning["unit"], "shop.service");
    EXPECT_EQ(warning["warning_reason"], "service-without-port");
    for (const char* const none : {"holder_pid", "holder_local_port", "registry_entry", "registry_owner"})
        EXPECT_EQ(warning[none], "") << none;
}

TEST(Csv, AFieldIsNoFormula) {
    for (const std::string text : {"=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"}) {
        std::string out;
        append_csv_field(out, text);
        EXPECT_EQ(out, "\"'" + text + "\"");
    }
    std::string out;
    append_csv_field(out, "a\",b");
    EXPECT_EQ(out, "\"a\"\",b\"");
}

// Numbers from the public schema: TracePacket {timestamp 8, track_event 11, track_descriptor 60}, TrackEvent
// {debug_annotations 4, type 9, track_uuid 11, name 23}, TrackDescriptor {uuid 1, name 2, parent_uuid 5},
// DebugAnnotation {string_value 6, name 10}.
TEST(Perfetto, AHoldingIsASliceAndARefusalAnInstant) {
    PerfettoSink sink;
    std::string out;
    tell(sink, out);
    std::map<std::uint64_t, std::pair<std::string, std::uint64_t>> tracks;  // name and parent
    std::vector<std::string> told;
    std::map<std::string, std::string> verdict;
    for (const ProtoField& packet : parse_message(out)) {
        ASSERT_EQ(packet.number, 1u);
        const auto fields = parse_message(packet.bytes);
        if (const auto descriptor = find(fields, 60)) {
            const auto track = parse_message(descriptor->bytes);
            const auto parent = find(track, 5);
            tracks[find(track, 1)->value] = {std::string(find(track, 2)->bytes), parent ? parent->value : 0};
        }
        const auto event = find(fields, 11);
        if (!event) continue;
        const auto parts = parse_message(event->bytes);
        const auto name = find(parts, 23);
        const auto& track = tracks.at(find(parts, 11)->value);
        told.push_back(std::to_string(find(parts, 9)->value) + " " + tracks[track.second].first + "/" + track.first +
                       " " + std::to_string(find(fields, 8)->value - kBegin) + (name ? " " : "") +
                       std::string(name ? name->bytes : ""));
        if (told.back()[0] != '3' || find(parts, 4) == std::nullopt) continue;
        for (const ProtoField& part : parts) {
            if (part.number != 4) continue;
            const auto annotation = parse_message(part.bytes);
            if (const auto text = find(annotation, 6)) verdict.emplace(find(annotation, 10)->bytes, text->bytes);
        }
    }
    ASSERT_EQ(told.size(), 4u);
    EXPECT_TRUE(told[0].starts_with("1 ho\"st: web/tcp 32769 1234567 my\\x1bapp[4001]")) << told[0];
    EXPECT_TRUE(told[1].starts_with("3 ho\"st: web/tcp 8002 2469134 EADDRINUSE my")) << told[1];
    EXPECT_TRUE(told[2].starts_with("3 /ho\"st: losses 0 lost: ring-buffer-full")) << told[2];
    EXPECT_EQ(told[3], "2 ho\"st: web/tcp 32769 1235567");
    EXPECT_EQ(verdict["cause"], "bound");
    EXPECT_FALSE(verdict["summary"].empty());
    EXPECT_FALSE(verdict["fix"].empty());
}

// Slices of one track would be taken for a stack: the first end would end the second holding.
TEST(Perfetto, HoldingsOfOnePortAtOnceAreOnTracksOfTheirOwn) {
    PerfettoSink sink;
    std::string out;
    Teller teller(sink, out);
    teller.meta(sampled_meta());
    for (const bt_kind kind : {BT_KIND_BIND, BT_KIND_RELEASE}) {
        for (const std::uint64_t cookie : {71u, 72u}) {
            Sampled shared(kind);
            shared.event.sock.cookie = cookie;
            teller.event(shared.event, shared.context, nullptr);
        }
    }
    std::vector<std::pair<std::uint64_t, std::uint64_t>> slices;  // type and track
    for (const ProtoField& packet : parse_message(out)) {
        const auto event = find(parse_message(packet.bytes), 11);
        if (!event) continue;
        const auto parts = parse_message(event->bytes);
        slices.emplace_back(find(parts, 9)->value, find(parts, 11)->value);
    }
    ASSERT_EQ(slices.size(), 4u);
    EXPECT_NE(slices[0].second, slices[1].second);
    EXPECT_EQ(slices[2], std::pair(std::uint64_t{2}, slices[0].second));
    EXPECT_EQ(slices[3], std::pair(std::uint64_t{2}, slices[1].second));
}

// The first column of all rows, in lines.
std::string ask(const std::string& path, const char* sql) {
    sqlite3* database = nullptr;
    EXPECT_EQ(sqlite3_open_v2(path.c_str(), &database, SQLITE_OPEN_READONLY, nullptr), SQLITE_OK);
    std::string lines;
    char* error = nullptr;
    sqlite3_exec(
        database, sql,
        [](void* all, int, char** row, char**) {
            *static_cast<std::string*>(all) += std::string(row[0] == nullptr ? "NULL" : row[0]) + "\n";
            return 0;
        },
        &lines, &error);
    EXPECT_EQ(error, nullptr) << error;
    sqlite3_free(error);
    sqlite3_close(database);
    return lines;
}

TEST(Sqlite, TablesAndViewsTellWhatWasTold) {
    const TempDir dir;
    const std::string path = dir.write("x.db", "");
    {
        auto sink = SqliteSink::open(path);
        ASSERT_TRUE(sink) << sink.error().what;
        std::string none;
        tell(**sink, none);
        (*sink)->held_at_start({.ports = {{.holder = sampled_holder(9), .processes = 1}}}, none);
        ASSERT_TRUE((*sink)->finish()) << (*sink)->status().error().what;
    }
    EXPECT_EQ(ask(path, "PRAGMA integrity_check"), "ok\n");
    EXPECT_EQ(ask(path, "SELECT type FROM events ORDER BY id"), "autobind\nbind\nrelease\n");
    EXPECT_EQ(ask(path, "SELECT cause || ' ' || pid || ' ' || holder_pid || ' ' || holder_state FROM conflicts"),
              "bound 4002 4071 LISTEN\n");
    EXPECT_EQ(ask(path, "SELECT count(*) FROM holders"), "2\n");
    EXPECT_NE(ask(path, "SELECT advice FROM conflicts"), "NULL\n");
    EXPECT_EQ(ask(path, "SELECT until_ns - from_ns FROM holders_at WHERE local_port = 32769"), "5001\n");
    EXPECT_EQ(ask(path, "SELECT until_ns FROM holders_at WHERE local_port = 32827"), "NULL\n") << "held to the end";
    EXPECT_EQ(ask(path, "SELECT type FROM port_history WHERE port_held = 32769"), "autobind\nrelease\n");
    EXPECT_EQ(ask(path, "SELECT count FROM losses"), "3\n");
    EXPECT_EQ(ask(path, "SELECT host FROM meta"), "ho\"st\n");
    EXPECT_EQ(ask(path, "SELECT count(*) FROM events WHERE image = 'tiny:1' AND container LIKE '%=cmd|''%'"), "3\n");
}

}  // namespace
}  // namespace bindtrace
