// SPDX-License-Identifier: MIT
// An export opened by Perfetto's own importer, as ui.perfetto.dev does: what it makes of it, and that it has nothing to
// complain of.
#include <algorithm>
#include <cerrno>
#include <csignal>
#include <set>

#include "live_record.h"

namespace bindtrace {
namespace {

const std::string kSource = BINDTRACE_SOURCE_DIR;
constexpr const char* kComplaints = "select * from stats where severity in ('error', 'data_loss') and value != 0";
constexpr const char* kSlices =
    "select s.category, s.name, abs_time_str(s.ts) as begin, abs_time_str(s.ts + s.dur) as end, s.dur, s.depth, "
    "s.track_id, t.name as lane from slice s join track t on s.track_id = t.id order by s.ts, s.id";
constexpr const char* kArguments =
    "select a.flat_key as name, a.display_value as value from slice s join args a using (arg_set_id) "
    "where s.category = 'refused'";

class Perfetto : public Recording {
  protected:
    void SetUp() override {
        const Ended got = run({kSource + "/tools/trace-processor"}, std::chrono::seconds(200));
        if (got.code == 3) GTEST_SKIP() << got.errors;
        ASSERT_EQ(got.code, 0) << got.errors;
        importer_ = got.out.substr(0, got.out.find('\n'));
        record();
    }

    // Two sockets have a port at the same time, on two addresses; a third is refused.
    void record() const {
        Bindtrace bindtrace(Recording::record(capture(), {"--json"}));
        ASSERT_TRUE(bindtrace.attached());
        netns_.run([&bindtrace] {
            Socket server(Kind::tcp), other(Kind::tcp);
            ASSERT_EQ(server.bind("127.0.0.1", 7200), 0);
            ASSERT_EQ(server.listen(), 0);
            ASSERT_EQ(other.bind("127.0.0.2", 7200), 0);
            EXPECT_EQ(Socket(Kind::tcp).bind("127.0.0.1", 7200), EADDRINUSE);
            ASSERT_NE(bindtrace.wait_for([](const Line& line) { return line.json["result"] == "EADDRINUSE"; }),
                      nullptr);
        });
        const auto ended = bindtrace.stop(SIGTERM);
        ASSERT_EQ(ended.code, 0) << ended.errors;
    }

    // The rows of each query, of an export of these captures.
    Json imported(Words captures, const Words& queries) const {
        const std::string trace = dir_ / "x.pftrace";
        captures.insert(captures.begin(), "export");
        const Words to = {"--to", "perfetto", "-o", trace, "--force"};
        captures.insert(captures.end(), to.begin(), to.end());
        EXPECT_EQ(run_bindtrace(captures).code, 0);
        Words words = {"/usr/bin/env", "node", kSource + "/tests/live/perfetto_queries.mjs", importer_, trace};
        words.insert(words.end(), queries.begin(), queries.end());
        const Ended ended = run(words, std::chrono::seconds(120));
        EXPECT_EQ(ended.code, 0) << ended.errors;
        return ended.code == 0 ? Json::parse(ended.out) : Json();
    }
    static std::vector<Json> lines_of(const std::string& text) {
        std::vector<Json> lines;
        std::size_t begin = 0;
        for (std::size_t end = text.find('\n'); end != std::string::npos; end = text.find('\n', begin)) {
            lines.push_back(Json::parse(text.substr(begin, end - begin)));
            begin = end + 1;
        }
        return lines;
    }

    std::string importer_;
};

const Json* find(const Json& slices, const Json& wanted) {
    for (const Json& slice : slices) {
        bool is_it = true;
        for (const auto& [key, value] : wanted.items()) is_it = is_it && slice[key] == value;
        if (is_it) return &slice;
    }
    return nullptr;
}

// As the importer writes it.
std::string time_of(const Json& line) {
    const std::string time = line["time"];
    return time.substr(0, time.find('Z'));
}

TEST_F(Perfetto, TakesItAsItIsMeant) {
    const Json rows = imported({capture(), "--netns", netns_.inum_text()}, {kComplaints, kSlices, kArguments});
    ASSERT_TRUE(rows.is_array());
    EXPECT_EQ(rows[0], Json::array());
    const Json& slices = rows[1];
    ASSERT_EQ(slices.size(), 4u) << "two that hold the port, a listen, a refusal: " << slices;
    const Json *held = nullptr, *listen = find(slices, {{"name", "listen"}}),
               *refused = find(slices, {{"category", "refused"}});
    std::set<int> tracks;  // one for each, at the same time
    for (const Json& line : lines_of(replayed(capture()).out)) {
        if (line["type"] == "release") {
            const Json wanted = {{"category", "held"}, {"end", time_of(line)}, {"dur", line["held_ns"]}};
            const Json* slice = find(slices, wanted);
            ASSERT_NE(slice, nullptr) << wanted << " in " << slices;
            EXPECT_EQ((*slice)["depth"], 0);
            EXPECT_EQ((*slice)["lane"], "tcp 7200");
            tracks.insert((*slice)["track_id"].get<int>());
            if (line["local_addr"] == "127.0.0.1") held = slice;
        } else if (line["result"] == "EADDRINUSE") {
            EXPECT_NE(find(slices, {{"category", "refused"}, {"begin", time_of(line)}, {"dur", 0}}), nullptr) << line;
        }
    }
    ASSERT_TRUE(held != nullptr && listen != nullptr && refused != nullptr) << slices;
    EXPECT_EQ(tracks.size(), 2u) << slices;
    EXPECT_EQ((*listen)["depth"], 1);
    EXPECT_EQ((*listen)["track_id"], (*held)["track_id"]);
    EXPECT_TRUE(word_of(*refused, "name").starts_with("EADDRINUSE live_tests[")) << *refused;
    const auto has = [&](const std::string& name, const std::string& begin) {
        return std::ranges::any_of(rows[2], [&](const Json& row) {
            return row["name"] == "debug." + name && word_of(row, "value").starts_with(begin);
        });
    };
    EXPECT_TRUE(has("cause", "listener")) << rows[2];
    EXPECT_TRUE(has("asked_for", "127.0.0.1:7200")) << rows[2];
    EXPECT_TRUE(has("summary", "held by live_tests[")) << rows[2];
    EXPECT_TRUE(has("fix", "")) << rows[2];
    EXPECT_TRUE(has("holder", "live_tests[")) << rows[2];
}

// Of two hosts that were booted at different times all that is told is where it was by the clock on the wall.
TEST_F(Perfetto, PutsTwoHostsWhereTheyWereByTheClock) {
    const std::string other = kSource + "/tests/golden/capture_v1.btcap";
    const Json rows = imported({capture(), other}, {kComplaints, kSlices});
    ASSERT_TRUE(rows.is_array());
    EXPECT_EQ(rows[0], Json::array());
    std::size_t refused = 0;
    for (const std::string& file : {capture(), other}) {
        for (const Json& line : lines_of(replayed(file).out)) {
            if (word_of(line, "result").empty() || line["result"] == "ok") continue;
            const std::string name = word_of(line, "result") + " " + word_of(line["process"], "comm").substr(0, 2);
            const Json* slice = find(rows[1], {{"category", "refused"}, {"begin", time_of(line)}});
            ASSERT_NE(slice, nullptr) << time_of(line) << " in " << rows[1];
            EXPECT_TRUE(word_of(*slice, "name").starts_with(name)) << *slice;
            ++refused;
        }
    }
    EXPECT_EQ(refused, 3u);
}

}  // namespace
}  // namespace bindtrace
