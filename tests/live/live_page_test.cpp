// SPDX-License-Identifier: MIT
// `report --html` of what was really recorded, and used in a real browser.
#include <sys/prctl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <fstream>

#include "live_end.h"
#include "unit/temp_dir.h"

namespace bindtrace {
namespace {

constexpr const char* kHostileName = "</script><i>x";  // 15 bytes at most

class Page : public Ending {
  protected:
    // A client has a port as its source port, and a server of a hostile name wants it; another port is held and wanted,
    // by one that the registry does not know.
    void SetUp() override {
        const std::string registry = dir_ / "ports.toml";
        std::ofstream(registry) << "[[port]]\nport = 7100\nowner = 'somebody-else.service'\n";
        netns_.run([this, &registry] {
            Bindtrace bindtrace(
                {"record", "-o", capture(), "--netns", netns_.inum_text(), "--registry", registry, "--json"});
            ASSERT_TRUE(bindtrace.attached());
            Socket server(Kind::tcp), client(Kind::tcp);
            ASSERT_EQ(server.bind("127.0.0.1", 7100), 0);
            ASSERT_EQ(server.listen(), 0);
            ASSERT_EQ(client.connect("127.0.0.1", 7100), 0);
            port_ = client.local_port();
            in_child([this] {
                ::prctl(PR_SET_NAME, kHostileName);
                EXPECT_EQ(Socket(Kind::tcp).bind("0.0.0.0", port_), EADDRINUSE);
            });
            in_child([] { EXPECT_EQ(Socket(Kind::tcp).bind("0.0.0.0", 7100), EADDRINUSE); });
            EXPECT_EQ(bind_and_close("127.0.0.1", 7300), 0);
            ASSERT_NE(bindtrace.wait_for([](const Line& line) {  // until then they are to be found in the way
                return word_of(line.json, "result") == "EADDRINUSE" && line.json["port"] == 7100;
            }),
                      nullptr);
            const auto ended = bindtrace.stop(SIGINT);
            ASSERT_EQ(ended.code, 0) << ended.errors;
        });
    }
    std::string capture() const { return dir_ / "x.btcap"; }
    std::string page() const { return dir_ / "x.html"; }
    Ended report(Words more) const {
        more.insert(more.begin(), {"report", capture()});
        return run_bindtrace(more);
    }

    TempDir dir_;
    std::uint16_t port_ = 0;
};

const Json* lane_of(const Json& seen, std::uint16_t port) {
    const auto found = std::ranges::find_if(
        seen["lanes"], [port](const Json& lane) { return lane["name"] == "tcp " + std::to_string(port); });
    return found == seen["lanes"].end() ? nullptr : &*found;
}

// Pictures of it are left to be looked at, beside the logs of tools/test.
Json used_in_browser(const std::string& page, const std::string& name, const Words& port = {}) {
    const auto pictures = std::filesystem::path(own_program()).parent_path() / "test-logs" / "pages";
    std::filesystem::create_directories(pictures);
    Words words = {"/usr/bin/python3", BINDTRACE_SOURCE_DIR "/tests/live/page_in_browser.py", page, pictures / name};
    words.insert(words.end(), port.begin(), port.end());
    const Ended used = run(words, std::chrono::seconds(180));
    EXPECT_EQ(used.code, 0) << used.errors;
    if (used.code != 0) return {};
    Json seen = Json::parse(used.out);
    EXPECT_EQ(seen["console"], Json::array());
    EXPECT_EQ(seen["requests"].size(), 1u) << "only itself: " << seen["requests"];
    return seen;
}

void expect_readable(const Json& seen) {
    EXPECT_GT(seen["light"]["ground"], 0.8);
    EXPECT_LT(seen["dark"]["ground"], 0.05);
    for (const char* scheme : {"light", "dark"}) EXPECT_GE(seen[scheme]["contrast"], 4.5) << scheme << seen[scheme];
}

TEST_F(Page, WorksInABrowser) {
    ASSERT_EQ(report({"--html", page()}).code, 0);
    const Json seen = used_in_browser(page(), "some-events", {"7100"});
    ASSERT_TRUE(seen.is_object());
    expect_readable(seen);
    EXPECT_NE(word_of(seen, "hint").find("EADDRINUSE: "), std::string::npos) << seen["hint"];
    for (const char* word : {"Warnings: ports of the registry", "tcp 127.0.0.1:7100", "other-owner",
                             "somebody-else.service", "live_tests"})
        EXPECT_NE(word_of(seen, "others").find(word), std::string::npos) << word << " in " << seen["others"];

    EXPECT_NE(word_of(seen, "verdict").find("2 claims were refused."), std::string::npos) << seen["verdict"];
    for (const std::uint16_t port : {std::uint16_t{7100}, std::uint16_t{7300}})
        EXPECT_NE(lane_of(seen, port), nullptr) << seen["lanes"];
    const Json* raced = lane_of(seen, port_);
    ASSERT_NE(raced, nullptr) << seen["lanes"];
    ASSERT_EQ((*raced)["bars"].size(), 1u);
    EXPECT_NE((*raced)["bars"][0].get<std::string>().find("source port of its connection to 127.0.0.1:7100"),
              std::string::npos);
    ASSERT_EQ((*raced)["marks"].size(), 1u);
    const std::string mark = (*raced)["marks"][0];
    EXPECT_NE(mark.find("EADDRINUSE: " + std::string(kHostileName)), std::string::npos) << mark;
    EXPECT_NE(mark.find("\nephemeral, held by live_tests"), std::string::npos) << mark;
    EXPECT_EQ(seen["scripts"], 2);
    EXPECT_EQ(seen["foreign_elements"], 0) << "a name became markup";

    for (const char* word : {"EADDRINUSE", "What to do", "Cause", "live_tests"})
        EXPECT_NE(word_of(seen, "details").find(word), std::string::npos) << word << " in " << seen["details"];
    EXPECT_EQ(seen["closed"], true);
    EXPECT_EQ(seen["focus_is_back"], "mark");
    EXPECT_FALSE(word_of(seen, "details_by_key").empty());
    EXPECT_EQ(seen["lane_below"], "track");
    const Json& spans = seen["spans"];
    EXPECT_LT(spans[1], spans[0]);
    EXPECT_LT(spans[2], spans[1]);
    EXPECT_EQ(spans[3], spans[0]);

    EXPECT_EQ(seen["by_port"], Json::parse(R"({"lanes": ["tcp 7100"], "cards": 1})"));
    EXPECT_EQ(seen["by_search"]["lanes"], Json::array({"tcp " + std::to_string(port_)}));
    EXPECT_EQ(seen["by_cause"], seen["by_search"]);
    EXPECT_EQ(seen["by_nothing_there"], Json::parse(R"({"lanes": [], "cards": 0})"));
}

TEST_F(Page, IsMadeWholeOrNotAtAll) {
    EXPECT_EQ(report({"--html", page()}).code, 0);
    const Ended again = report({"--html", page()});
    EXPECT_EQ(again.code, 1);
    EXPECT_NE(again.errors.find("--force"), std::string::npos) << again.errors;
    EXPECT_EQ(report({"--html", page(), "--force"}).code, 0);
    const Ended nowhere = report({"--html", dir_ / "no" / "x.html"});
    EXPECT_EQ(nowhere.code, 1);
    EXPECT_NE(nowhere.errors.find("No such file or directory"), std::string::npos) << nowhere.errors;
    EXPECT_EQ(report({"--html", capture(), "--force"}).code, 2) << "it would be gone";
    const Ended full = run_bindtrace({"report", "/dev/null", "--html", "/dev/full", "--force"});
    EXPECT_EQ(full.code, 1);
    EXPECT_NE(full.errors.find("no plain file"), std::string::npos) << full.errors;
    EXPECT_EQ(report({"--html", page(), "--json"}).code, 2);
    EXPECT_EQ(report({"--html", page(), "--at", "12:00"}).code, 2);
    EXPECT_EQ(report({"--force"}).code, 2);
}

TEST_F(Page, GoesToAPipeAndIsOfThePortsAskedFor) {
    const Ended piped = report({"--html", "-", "--port", std::to_string(port_) + "/tcp"});
    EXPECT_EQ(piped.code, 0) << piped.errors;
    ASSERT_TRUE(piped.out.starts_with("<!doctype html>"));
    const std::string begin = "id=\"data\">";
    const std::size_t at = piped.out.find(begin) + begin.size();
    const Json data = Json::parse(piped.out.substr(at, piped.out.find("</script>", at) - at));
    ASSERT_EQ(data["timeline"]["lanes"].size(), 1u);
    EXPECT_EQ(data["timeline"]["lanes"][0]["port"], port_);
    const Ended full =
        run({"/bin/sh", "-c", "exec \"$0\" report \"$1\" --html - >/dev/full", bindtrace_binary(), capture()});
    EXPECT_EQ(full.code, 1);
    EXPECT_NE(full.errors.find("disk is full"), std::string::npos) << full.errors;
}

TEST_F(Page, OfOneEventIsNoDifferent) {
    netns_.run([this] {
        Bindtrace bindtrace({"record", "-o", dir_ / "one.btcap", "--failed", "--netns", netns_.inum_text(), "--json"});
        ASSERT_TRUE(bindtrace.attached());
        EXPECT_EQ(Socket(Kind::tcp).bind("10.99.98.97", 7202), EADDRNOTAVAIL);
        const auto ended = bindtrace.stop(SIGINT);
        ASSERT_EQ(ended.code, 0) << ended.errors;
    });
    ASSERT_EQ(run_bindtrace({"report", dir_ / "one.btcap", "--netns", netns_.inum_text(), "--html", page()}).code, 0);
    const Json seen = used_in_browser(page(), "one-event");
    ASSERT_TRUE(seen.is_object());
    expect_readable(seen);
    EXPECT_NE(word_of(seen, "verdict").find("1 claim was refused."), std::string::npos) << seen["verdict"];
    ASSERT_EQ(seen["lanes"].size(), 1u) << seen["lanes"];
    EXPECT_EQ(seen["lanes"][0]["name"], "tcp 7202");
    EXPECT_EQ(seen["lanes"][0]["bars"], Json::array());
    EXPECT_EQ(seen["lanes"][0]["marks"].size(), 1u);
    EXPECT_NE(word_of(seen, "details").find("EADDRNOTAVAIL"), std::string::npos) << seen["details"];
    EXPECT_FALSE(word_of(seen, "details_by_key").empty());
}

TEST(ManyEvents, MakeAPageThatABrowserShows) {
    const TempDir dir;
    const std::string capture = dir / "x.btcap", page = dir / "x.html";
    const std::string maker = std::filesystem::path(own_program()).parent_path() / "many_events";
    ASSERT_EQ(run({maker, capture, "1000000"}, std::chrono::seconds(60)).code, 0);
    const Ended made = run_bindtrace({"report", capture, "--html", page});
    ASSERT_EQ(made.code, 0) << made.errors;
    EXPECT_LT(std::filesystem::file_size(page), 4u << 20);
    const Json seen = used_in_browser(page, "a-million-events");
    ASSERT_TRUE(seen.is_object());
    expect_readable(seen);
    EXPECT_NE(word_of(seen, "verdict").find("1,000 claims were refused."), std::string::npos) << seen["verdict"];
    EXPECT_GE(seen["lanes"].size(), 50u);
    EXPECT_FALSE(word_of(seen, "hint").empty());
    EXPECT_FALSE(word_of(seen, "details").empty());
    EXPECT_LT(seen["shown_in_s"], 5.0);
}

// What is there is drawn, and the page says that it is not all.
TEST_F(Page, OfADamagedCaptureIsMadeAndSaysSo) {
    std::filesystem::resize_file(capture(), std::filesystem::file_size(capture()) - 10);
    EXPECT_EQ(report({"--html", page()}).code, 4);
    std::ifstream in(page());
    const std::string text(std::istreambuf_iterator<char>(in), {});
    EXPECT_NE(text.find("\"complete\":false"), std::string::npos);
}

}  // namespace
}  // namespace bindtrace
