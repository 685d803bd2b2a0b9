// SPDX-License-Identifier: MIT
// `report` of what was really recorded.
#include <cerrno>

#include "live_end.h"
#include "unit/temp_dir.h"

namespace bindtrace {
namespace {

class Reporting : public Ending {
  protected:
    // A client has a port as its source port, and a server wants it.
    void SetUp() override {
        Bindtrace bindtrace({"record", "-o", file(), "--netns", netns_.inum_text(), "--json"});
        ASSERT_TRUE(bindtrace.attached());
        netns_.run([this] {
            Socket server(Kind::tcp), client(Kind::tcp);
            ASSERT_EQ(server.bind("127.0.0.1", 7200), 0);
            ASSERT_EQ(server.listen(), 0);
            ASSERT_EQ(client.connect("127.0.0.1", 7200), 0);
            port_ = std::to_string(client.local_port());
            in_child([&] { EXPECT_EQ(Socket(Kind::tcp).bind("0.0.0.0", client.local_port()), EADDRINUSE); });
        });
        const auto ended = bindtrace.stop(SIGINT);
        ASSERT_EQ(ended.code, 0) << ended.errors;
        for (const Json& event : events_of(ended.lines))
            if (event["result"] == "EADDRINUSE") failed_at_ = event["time"];
        ASSERT_FALSE(failed_at_.empty());
    }
    std::string file() const { return dir_ / "x.btcap"; }
    Ended report(const Words& more) const {
        Words words = {"report", file()};
        words.insert(words.end(), more.begin(), more.end());
        return run_bindtrace(words);
    }

    TempDir dir_;
    std::string port_, failed_at_;
};

TEST_F(Reporting, TellsTheRace) {
    const Ended text = report({});
    EXPECT_EQ(text.code, 0) << text.errors;
    EXPECT_NE(text.out.find("1x EADDRINUSE tcp 0.0.0.0:" + port_), std::string::npos) << text.out;
    EXPECT_NE(text.out.find("had it as a source port (-> 127.0.0.1:7200)"), std::string::npos) << text.out;
    const Json object = Json::parse(report({"--json"}).out);
    ASSERT_EQ(object["races"].size(), 1u) << object;
    EXPECT_EQ(std::to_string(object["races"][0]["port"].get<int>()), port_);
    EXPECT_EQ(object["conflicts"][0]["cause"], "ephemeral");
    EXPECT_EQ(object["conflicts"][0]["last"], failed_at_);
    EXPECT_EQ(report({"--proto", "udp"}).out.find("EADDRINUSE"), std::string::npos);
}

TEST_F(Reporting, TellsTheHistoryOfAPort) {
    const Ended json = report({"--port", port_ + "/tcp", "--json"});
    EXPECT_EQ(json.code, 0) << json.errors;
    Words told;
    std::size_t begin = 0;
    for (std::size_t end = json.out.find('\n'); end != std::string::npos; end = json.out.find('\n', begin)) {
        const Json line = Json::parse(json.out.substr(begin, end - begin));
        told.push_back(word_of(line, "type") + " " + word_of(line, "result"));
        begin = end + 1;
    }
    ASSERT_GE(told.size(), 3u) << json.out;
    EXPECT_EQ(told[0], "meta ");
    EXPECT_EQ(told[1], "autobind ok");
    EXPECT_EQ(told[2], "bind EADDRINUSE");
    EXPECT_NE(report({"--port", port_}).out.find("-- 1 claim, 1 failure, "), std::string::npos);
    EXPECT_EQ(report({"--port", port_ + "/udp"}).code, 3);
    EXPECT_NE(report({"--port", "1," + port_ + "/tcp"}).out.find("-- 1 claim, 1 failure, "), std::string::npos);
    for (const char* wrong : {"junk", "0", "80,", "80/ipx"}) {
        const Ended refused = report({"--port", wrong});
        EXPECT_EQ(refused.code, 2) << wrong;
        EXPECT_NE(refused.errors.find("--port: '"), std::string::npos) << refused.errors;
        EXPECT_EQ(refused.errors.find("who"), std::string::npos) << "another command: " << refused.errors;
    }
}

TEST_F(Reporting, TellsWhoHeldThePortThen) {
    const Ended then = report({"--port", port_, "--at", failed_at_});
    EXPECT_EQ(then.code, 0) << then.errors;
    EXPECT_NE(then.out.find("127.0.0.1:" + port_ + " -> 127.0.0.1:7200"), std::string::npos) << then.out;
    const Json holder = Json::parse(report({"--port", port_, "--at", failed_at_, "--json"}).out);
    EXPECT_EQ(holder["type"], "holder");
    EXPECT_EQ(holder["acquired"], "connect");
    EXPECT_EQ(report({"--port", "1", "--at", failed_at_}).code, 3);
    const Ended outside = report({"--at", "2001-01-01T00:00:00Z"});
    EXPECT_EQ(outside.code, 2);
    EXPECT_NE(outside.errors.find(" UTC to "), std::string::npos) << outside.errors;
    EXPECT_EQ(report({"--at", "noon"}).code, 2);
}

// Of a recording that begins when all is said and done.
class ReportOfBefore : public Ending {
  protected:
    void record(const Words& more = {"--duration", "1s"}) {
        Words words = {"record", "-o", file()};
        words.insert(words.end(), more.begin(), more.end());
        ASSERT_EQ(run_bindtrace(words).code, 0);
    }
    std::string file() const { return dir_ / "x.btcap"; }
    Ended history_of(std::uint16_t port) const {
        return run_bindtrace({"report", file(), "--port", std::to_string(port)});
    }
    // Who held it at the end.
    Ended held(std::uint16_t port) const {
        const Json summary = Json::parse(run_bindtrace({"report", file(), "--json"}).out);
        const std::string last = summary["recordings"][0]["last"];
        return run_bindtrace({"report", file(), "--port", std::to_string(port), "--at", last});
    }

    TempDir dir_;
};

TEST_F(ReportOfBefore, TellsClientsThatWereConnectedAlready) {
    netns_.run([this] {
        Socket server(Kind::tcp), chosen(Kind::tcp), own(Kind::tcp), closed(Kind::tcp);
        ASSERT_EQ(server.bind("127.0.0.1", 7300), 0);
        ASSERT_EQ(server.listen(), 0);
        ASSERT_EQ(chosen.connect("127.0.0.1", 7300), 0);
        ASSERT_EQ(own.bind("127.0.0.1", 7301), 0);
        ASSERT_EQ(own.connect("127.0.0.1", 7300), 0);
        ASSERT_EQ(closed.connect("127.0.0.1", 7300), 0);
        const std::uint16_t left = closed.local_port();
        closed.close();
        record();
        for (const std::uint16_t port : {chosen.local_port(), std::uint16_t{7301}}) {
            const Ended then = held(port);
            EXPECT_EQ(then.code, 0) << then.errors;
            EXPECT_NE(then.out.find("127.0.0.1:" + std::to_string(port) + " -> 127.0.0.1:7300"), std::string::npos)
                << then.out;
            EXPECT_NE(then.out.find("live_tests["), std::string::npos) << then.out;
            EXPECT_EQ(then.out.find(" at the start") != std::string::npos, port != 7301) << then.out;
            const Ended history = history_of(port);
            EXPECT_EQ(history.code, 0);
            EXPECT_NE(history.out.find("held already:"), std::string::npos) << history.out;
            EXPECT_NE(history.out.find("at the end held by"), std::string::npos) << history.out;
        }
        const Ended without_process = held(left);
        EXPECT_EQ(without_process.code, 0) << without_process.out;
        EXPECT_NE(without_process.out.find("(no process)"), std::string::npos) << without_process.out;
        const Ended listens = held(7300);
        EXPECT_NE(listens.out.find("LISTEN"), std::string::npos) << listens.out;
        EXPECT_EQ(listens.out.find(" -> "), std::string::npos) << "what the server accepted:\n" << listens.out;
    });
}

// What its filter left out may be there.
TEST_F(ReportOfBefore, NeverSaysNobodyOfWhatWasFiltered) {
    netns_.run([this] {
        record({"--failed", "--", own_program(), "--bind-and-exit", "127.0.0.1", "7310"});
        const Ended then = held(7310);
        EXPECT_EQ(then.code, 3);
        EXPECT_NE(then.out.find("not known"), std::string::npos) << then.out;
        EXPECT_EQ(then.out.find("nobody"), std::string::npos) << then.out;
        EXPECT_NE(then.errors.find("there may be more"), std::string::npos) << then.errors;
        const Ended history = history_of(7310);
        EXPECT_NE(history.out.find("it is not known who holds it"), std::string::npos) << history.out;
    });
}

}  // namespace
}  // namespace bindtrace
