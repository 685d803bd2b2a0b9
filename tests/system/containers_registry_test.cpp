// SPDX-License-Identifier: MIT
// The registry on a node with real containers: check before the roll-out, a warning during it, the advice, and check
// again. UDP and IPv6 too.
#include <chrono>
#include <csignal>
#include <fstream>
#include <sstream>
#include <string>

#include "system_world.h"

namespace bindtrace {
namespace {

using namespace std::chrono_literals;

class NodeRegistry : public SystemTest {
  protected:
    static void SetUpTestSuite() {
        SystemTest::SetUpTestSuite();
        shell(
            "systemctl start docker.service && mkdir -p /tmp/node/bin /tmp/node/www && cp /bin/busybox /tmp/node/bin/ "
            "&& "
            "tar -C /tmp/node -cf /tmp/node.tar . && docker import /tmp/node.tar node:1");
    }
    static void TearDownTestSuite() {
        run({"/bin/sh", "-c", "docker rm -f $(docker ps -aq); systemctl stop docker.service docker.socket"}, 200s);
        SystemTest::TearDownTestSuite();
    }
    static void shell(const std::string& script) {
        const Ended ended = run({"/bin/sh", "-c", script}, 200s);
        ASSERT_EQ(ended.code, 0) << script << "\n" << ended.out << ended.errors;
    }
    static std::string container(const std::string& name, const std::string& ports) {
        return "docker run -d --name " + name + " " + ports + " node:1 /bin/busybox httpd -f -h /www -p 80";
    }
    static std::string registry(const std::string& text) {
        const std::string file = "/tmp/node.toml";
        std::ofstream(file) << text;
        return file;
    }
    static Json checked(const std::string& file) {
        const Ended ended = run_bindtrace({"check", "--json", file});
        Json entries = Json::array();
        std::istringstream lines(ended.out);
        for (std::string line; std::getline(lines, line);) entries.push_back(Json::parse(line, nullptr, false));
        EXPECT_FALSE(entries.empty()) << ended.errors;
        return entries;
    }
};

TEST_F(NodeRegistry, AMetricsContainerThatTakes9100) {
    const std::string file = registry("[[port]]\nport = 9100\nowner = 'node_exporter.service'\n");
    unit("node_exporter.service", service("--listen 9100", ""));
    const std::string start = container("metrics", "-p 9100:80");
    // During the roll-out, whose own command sees nothing wrong.
    const Ended rollout = run({bindtrace_binary(), "record", "-o", "/tmp/node.btcap", "--failed", "--registry", file,
                               "--fail-on-conflict", "--", "/bin/sh", "-c", start},
                              200s);
    EXPECT_EQ(rollout.code, 3) << rollout.out << rollout.errors;
    EXPECT_NE(rollout.errors.find("container-published"), std::string::npos) << rollout.errors;
    EXPECT_NE(rollout.errors.find("serving container metrics (its port 80)"), std::string::npos) << rollout.errors;
    EXPECT_NE(rollout.errors.find("fix: docker stop metrics"), std::string::npos) << rollout.errors;
    EXPECT_NE(run_bindtrace({"replay", "/tmp/node.btcap"}).out.find("container metrics"), std::string::npos);
    // Before the next one.
    const Json taken = checked(file)[0];
    EXPECT_EQ(taken["status"], "taken");
    EXPECT_EQ(taken["holders"][0]["container"]["name"], "metrics");
    shell("docker stop -t 1 metrics");  // as advised
    EXPECT_EQ(checked(file)[0]["status"], "free");
    ASSERT_EQ(systemctl({"start", "node_exporter.service"}), 0);
    const Ended up = run({bindtrace_binary(), "check", "--wait", "90s", file}, 150s);
    EXPECT_EQ(up.code, 0) << up.out << up.errors;
}

TEST_F(NodeRegistry, AContainerThatOwnsItsPortsIsNotWarnedOfAndAnotherIs) {
    const std::string file = registry(
        "[[port]]\nport = 9101\nowner = 'container:exporter'\n[[port]]\nport = 9102\nproto = 'udp'\nowner = "
        "'container:exporter'\n");
    Bindtrace bindtrace({"--json", "--registry", file});
    ASSERT_TRUE(bindtrace.attached());
    const std::string ports = "-p 9101:80 -p 9102:53/udp -p '[::1]:9103:80'";
    shell(container("exporter", ports));
    for (const Json& entry : checked(file)) EXPECT_EQ(entry["status"], "ok") << entry;
    shell("docker rm -f exporter");
    shell(container("other", ports));
    for (const Json& entry : checked(file)) EXPECT_EQ(entry["status"], "taken") << entry;
    const auto is_of = [](const char* proto) {
        return [proto](const Line& line) {
            return word_of(line.json, "type") == "warning" && word_of(line.json, "proto") == proto;
        };
    };
    ASSERT_NE(bindtrace.wait_for(is_of("tcp"), 30s), nullptr);
    ASSERT_NE(bindtrace.wait_for(is_of("udp"), 30s), nullptr);
    for (const Line& line : bindtrace.stop(SIGTERM).lines) {
        if (word_of(line.json, "type") != "warning") continue;
        EXPECT_EQ(line.json["reason"], "container-published") << line.text;
        EXPECT_EQ(line.json["holder"]["container"]["name"], "other") << line.text;
    }
}

}  // namespace
}  // namespace bindtrace
