// SPDX-License-Identifier: MIT
// Captures of several hosts: their names are those of UTS namespaces.
#include <cerrno>
#include <csignal>
#include <fstream>
#include <iterator>

#include "live_record.h"

namespace bindtrace {
namespace {

class SeveralHosts : public Recording {
  protected:
    void SetUp() override {
        record_on("web1", 7301);
        record_on("db1", 7302);
    }

    std::string of(const std::string& host) const { return dir_ / (host + ".btcap"); }
    // Somebody who holds a port, and somebody who fails.
    void record_on(const std::string& host, std::uint16_t port) const {
        Words argv = {
            "/usr/bin/unshare", "--uts", "/bin/sh", "-c", "echo \"$0\" >/proc/sys/kernel/hostname && exec \"$@\"", host,
            bindtrace_binary()};
        for (const std::string& word : record(of(host), {"--json"})) argv.push_back(word);
        Bindtrace bindtrace(argv, Bindtrace::Whole{});
        ASSERT_TRUE(bindtrace.attached());
        netns_.run([&] {
            Socket server(Kind::tcp);
            ASSERT_EQ(server.bind("127.0.0.1", port), 0);
            EXPECT_EQ(Socket(Kind::tcp).bind("127.0.0.1", port), EADDRINUSE);
            EXPECT_NE(bindtrace.wait_for([&](const Line& line) { return line.json["result"] == "EADDRINUSE"; }),
                      nullptr);
        });
        const auto ended = bindtrace.stop(SIGTERM);
        ASSERT_EQ(ended.code, 0) << ended.errors;
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
};

TEST_F(SeveralHosts, AreOneStreamThatSaysWhoseEachLineIs) {
    const Ended replayed = run_bindtrace({"replay", "--json", of("db1"), of("web1")});
    EXPECT_EQ(replayed.code, 0) << replayed.errors;
    EXPECT_EQ(run_bindtrace({"replay", "--json", of("web1"), of("db1")}).out, replayed.out);
    EXPECT_EQ(run_bindtrace({"export", of("db1"), of("web1"), "--to", "jsonl", "-o", "-"}).out, replayed.out);
    std::string before;
    for (const Json& line : lines_of(replayed.out)) {
        EXPECT_LE(before, line["time"].get<std::string>());
        before = line["time"];
        if (line.contains("port") && line["port"].is_number()) {
            EXPECT_EQ(line["host"], line["port"] == 7301 ? "web1" : "db1") << line;
        }
    }
    EXPECT_NE(run_bindtrace({"replay", of("db1"), of("web1")}).out.find("\nweb1  "), std::string::npos);
}

TEST_F(SeveralHosts, ReportKeepsThemApart) {
    const Json report = Json::parse(run_bindtrace({"report", "--json", of("db1"), of("web1")}).out);
    ASSERT_EQ(report["recordings"].size(), 2u);
    EXPECT_EQ(report["recordings"][0]["host"], "web1") << "it began first";
    ASSERT_EQ(report["conflicts"].size(), 2u);
    for (const Json& conflict : report["conflicts"])
        EXPECT_EQ(conflict["port"], conflict["recording"] == 0 ? 7301 : 7302);
    const std::string text = run_bindtrace({"report", of("db1"), of("web1")}).out;
    EXPECT_NE(text.find("127.0.0.1:7302 netns"), std::string::npos) << text;
    EXPECT_NE(text.find(" on db1"), std::string::npos) << text;

    const Ended history =
        run_bindtrace({"report", "--port", "7302", "--netns", netns_.inum_text(), of("db1"), of("web1")});
    EXPECT_EQ(history.code, 0) << history.errors;
    EXPECT_NE(history.out.find("1 failure, 1 release on db1; at the end nobody holds it"), std::string::npos)
        << history.out;
    EXPECT_NE(history.out.find("0 failures, 0 releases on web1"), std::string::npos) << history.out;

    std::string failed_at;
    for (const Json& line : lines_of(run_bindtrace({"replay", "--json", "--failed", of("db1")}).out))
        if (line["type"] == "bind") failed_at = line["time"];
    const std::string held =
        run_bindtrace({"report", "--at", failed_at, "--port", "7302", "--json", of("db1"), of("web1")}).out;
    ASSERT_EQ(lines_of(held).size(), 1u) << held;
    EXPECT_EQ(lines_of(held)[0]["host"], "db1");
}

TEST_F(SeveralHosts, OneOfThemDamagedOrThereTwiceIsTold) {
    const Ended twice = run_bindtrace({"replay", of("db1"), of("web1"), of("db1")});
    EXPECT_EQ(twice.code, 0);
    EXPECT_NE(twice.errors.find("blocks are in another of the files too"), std::string::npos) << twice.errors;
    EXPECT_EQ(twice.out, run_bindtrace({"replay", of("db1"), of("web1")}).out);

    std::ifstream file(of("db1"), std::ios::binary);
    const std::string whole{std::istreambuf_iterator<char>(file), {}};
    dir_.write("db1.btcap", whole.substr(0, whole.size() / 2));
    for (const char* const command : {"replay", "report"}) {
        const Ended cut = run_bindtrace({command, of("db1"), of("web1")});
        EXPECT_EQ(cut.code, 4) << cut.errors;
        EXPECT_NE(cut.errors.find("db1.btcap: at byte"), std::string::npos) << cut.errors;
        EXPECT_NE(cut.out.find("7301"), std::string::npos) << cut.out;
    }
    dir_.write("none.btcap", "");
    EXPECT_EQ(run_bindtrace({"replay", of("web1"), of("none")}).code, 4);
    EXPECT_EQ(run_bindtrace({"replay", of("web1"), of("nowhere")}).code, 1);
}

}  // namespace
}  // namespace bindtrace
