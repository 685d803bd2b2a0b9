// SPDX-License-Identifier: MIT
// `bindtrace check` where systemd is process 1: what stops a roll-out before it fails.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "live/live_bindtrace.h"
#include "system/system_world.h"

namespace bindtrace {
namespace {

using namespace std::chrono_literals;

class SystemCheck : public SystemTest {
  protected:
    static std::string registry(const std::string& text) {
        const std::string file = "/tmp/ports.toml";
        std::ofstream(file) << text;
        return file;
    }
    // Of a registry with one entry: its JSON. The exit code is 0 where it is ok.
    static Json check(const std::string& entry) {
        const Ended ended = run_bindtrace({"check", "--json", registry("[[port]]\n" + entry)});
        const Json json = Json::parse(ended.out, nullptr, false);
        EXPECT_TRUE(json.is_object()) << ended.out << ended.errors;
        EXPECT_EQ(ended.code, word_of(json, "status") == "ok" ? 0 : 3) << ended.out;
        return json;
    }
    static Words risks_of(const Json& checked) {
        Words words;
        for (const Json& risk : checked["risks"]) words.push_back(risk["risk"]);
        return words;
    }
    // A unit is started before its program has its port.
    static Json wait_for(const std::string& entry, const std::string& status) {
        const auto end = std::chrono::steady_clock::now() + 60s;
        Json checked = check(entry);
        while (checked["status"] != status && std::chrono::steady_clock::now() < end) checked = check(entry);
        EXPECT_EQ(checked["status"], status) << checked;
        return checked;
    }
};

TEST_F(SystemCheck, ASocketUnitHoldsThePortOfAServiceThatDoesNotRun) {
    unit("lazy.socket", "[Socket]\nListenStream=8181\n");
    unit("lazy.service", "[Service]\nExecStart=/bin/sleep infinity\n");
    const std::string entry = "port = 8181\nowner = 'lazy.service'";
    EXPECT_EQ(check(entry)["status"], "free");
    ASSERT_EQ(systemctl({"start", "lazy.socket"}), 0);
    const Json stopped = check(entry);
    EXPECT_EQ(stopped["status"], "ok") << "its socket unit counts for it";
    EXPECT_EQ(risks_of(stopped), Words{"socket-without-service"});
    EXPECT_EQ(check("port = 8181\nowner = 'lazy.socket'")["status"], "ok");
    EXPECT_EQ(check("port = 8181\nowner = 'other.service'")["status"], "taken");
    ASSERT_EQ(systemctl({"start", "lazy.service"}), 0);  // as advised
    EXPECT_EQ(risks_of(check(entry)), Words{});
}

TEST_F(SystemCheck, TwoInstalledUnitsDeclareOnePort) {
    unit("one.socket", "[Socket]\nListenStream=8182\n");
    unit("one.service", "[Service]\nExecStart=/bin/sleep infinity\n");
    unit("two.socket", "[Socket]\nListenStream=0.0.0.0:8182\n");
    unit("two.service", "[Service]\nExecStart=/bin/sleep infinity\n");
    ASSERT_EQ(systemctl({"start", "one.socket"}), 0);
    const Json checked = check("port = 8182\nowner = 'one.socket'");
    EXPECT_EQ(checked["status"], "ok");
    EXPECT_EQ(risks_of(checked), (Words{"socket-without-service", "declared-twice"})) << checked;
    EXPECT_NE(systemctl({"start", "two.socket"}), 0) << "as foretold";
}

// A container brings its own exporter to a node whose 9100 is spoken for.
TEST_F(SystemCheck, AMetricsContainerThatTakes9100StopsTheRollOut) {
    const std::string entry = "port = 9100\nowner = 'node_exporter.service'";
    unit("node_exporter.service", service("--listen 9100", ""));
    unit("metrics-container.service", service("--listen 9100", ""));
    ASSERT_EQ(systemctl({"start", "metrics-container.service"}), 0);
    const Json taken = wait_for(entry, "taken");
    EXPECT_EQ(taken["holders"][0]["unit"], "metrics-container.service");
    const Ended text = run_bindtrace({"check", registry("[[port]]\n" + entry)});
    EXPECT_NE(text.out.find("metrics-container.service"), std::string::npos) << text.out;
    ASSERT_EQ(systemctl({"stop", "metrics-container.service"}), 0);
    EXPECT_EQ(check(entry)["status"], "free");
    ASSERT_EQ(systemctl({"start", "node_exporter.service"}), 0);
    const Ended up = run({bindtrace_binary(), "check", "--wait", "90s", registry("[[port]]\n" + entry)}, 150s);
    EXPECT_EQ(up.code, 0) << up.out << up.errors;
    EXPECT_EQ(check(entry)["holders"][0]["is_owner"], true);
}

TEST_F(SystemCheck, APrivilegedPortOfAUnitWithoutTheCapability) {
    const std::string entry = "port = 81\nowner = 'web.service'";
    unit("web.service", service("--listen 81", "User=nobody"));
    EXPECT_EQ(risks_of(check(entry)), Words{"privileged-port"});
    drop_in("web.service", "[Service]\nAmbientCapabilities=CAP_NET_BIND_SERVICE\n");  // as advised
    EXPECT_EQ(risks_of(check(entry)), Words{});
    ASSERT_EQ(systemctl({"start", "web.service"}), 0);
    EXPECT_EQ(risks_of(wait_for(entry, "ok")), Words{});
}

TEST_F(SystemCheck, APrivilegedPortOfAUnitWhoseBoundingSetLacksTheCapability) {
    int port = 82;
    for (const char* set : {"CAP_CHOWN", "~CAP_NET_BIND_SERVICE", ""}) {
        const std::string name = "bounded" + std::to_string(port) + ".service", number = std::to_string(port);
        const std::string entry = "port = " + number + "\nowner = '" + name + "'";
        unit(name, service("--listen " + number, std::string("CapabilityBoundingSet=") + set));
        EXPECT_EQ(risks_of(check(entry)), Words{"privileged-port"}) << set;
        systemctl({"start", name});
        bind_of(static_cast<std::uint16_t>(port), "EACCES");  // as foretold
        drop_in(name, "[Service]\nCapabilityBoundingSet=CAP_NET_BIND_SERVICE\n");
        EXPECT_EQ(risks_of(check(entry)), Words{}) << set;
        EXPECT_EQ(systemctl({"restart", name}), 0);
        wait_for(entry, "ok");
        ++port;
    }
}

TEST_F(SystemCheck, AUdpSocketUnitThatIsOnAllAddresses) {
    unit("dns.socket", "[Socket]\nListenDatagram=0.0.0.0:8184\n");
    unit("dns.service", "[Service]\nExecStart=/bin/sleep infinity\n");
    ASSERT_EQ(systemctl({"start", "dns.socket"}), 0);
    const std::string entry = "port = 8184\nproto = 'udp'\naddress = '127.0.0.1'\nowner = 'dns.service'";
    const Json exposed = check(entry);
    ASSERT_EQ(risks_of(exposed), (Words{"socket-without-service", "wildcard-exposed"})) << exposed;
    EXPECT_EQ(exposed["risks"][1]["fix"],
              "systemctl edit dns.socket: [Socket] ListenDatagram= and ListenDatagram=127.0.0.1:8184");
    drop_in("dns.socket", "[Socket]\nListenDatagram=\nListenDatagram=127.0.0.1:8184\n");
    ASSERT_EQ(systemctl({"restart", "dns.socket"}), 0);
    EXPECT_EQ(risks_of(check(entry)), Words{"socket-without-service"});
}

TEST_F(SystemCheck, WhatIsLearnedIsOkAtOnce) {
    unit("lazy.socket", "[Socket]\nListenStream=8183\nListenDatagram=8183\n");
    unit("lazy.service", "[Service]\nExecStart=/bin/sleep infinity\n");
    ASSERT_EQ(systemctl({"start", "lazy.socket"}), 0);
    const Ended learned = run_bindtrace({"check", "--learn"});
    EXPECT_NE(learned.out.find("owner = \"lazy.socket\""), std::string::npos) << learned.out << learned.errors;
    const Ended checked = run_bindtrace({"check", registry(learned.out)});
    EXPECT_EQ(checked.code, 0) << learned.out << checked.out << checked.errors;
}

}  // namespace
}  // namespace bindtrace
