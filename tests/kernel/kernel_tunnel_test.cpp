// SPDX-License-Identifier: MIT
// A port that the kernel itself has: a VXLAN tunnel's socket belongs to no process.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/if_link.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>

#include "core/unique_fd.h"
#include "kernel_bindtrace.h"
#include "kernel_link.h"
#include "kernel_socket.h"

namespace bindtrace {
namespace {

constexpr std::uint16_t kTunnelPort = 4789;

int add_vxlan() {
    const std::uint32_t id = 1;
    const std::uint16_t port = htons(kTunnelPort);
    LinkRequest request;
    request.add(IFLA_IFNAME, "bt-vxlan", 9);
    const std::size_t info = request.add(IFLA_LINKINFO);
    request.add(IFLA_INFO_KIND, "vxlan", 5);
    const std::size_t data = request.add(IFLA_INFO_DATA);
    request.add(IFLA_VXLAN_ID, &id, sizeof(id));
    request.add(IFLA_VXLAN_PORT, &port, sizeof(port));
    request.close(data);
    request.close(info);
    return request.send();
}

int delete_vxlan() {
    LinkRequest request(RTM_DELLINK);
    request.add(IFLA_IFNAME, "bt-vxlan", 9);
    return request.send();
}

class Tunnel : public testing::Test {
  protected:
    void SetUp() override {
        if (elsewhere_.port() == EOPNOTSUPP) GTEST_SKIP() << "this kernel has no VXLAN";
        ASSERT_EQ(elsewhere_.port(), 0) << std::strerror(elsewhere_.port());
        netns_ =
            UniqueFd(open(("/proc/" + std::to_string(elsewhere_.pid()) + "/ns/net").c_str(), O_RDONLY | O_CLOEXEC));
    }

    // Tells an errno, for want of a port of its own.
    const Child elsewhere_{
        [](int out) { tell_port(out, static_cast<std::uint16_t>(unshare(CLONE_NEWNET) != 0 ? errno : add_vxlan())); }};
    UniqueFd netns_;
};

TEST_F(Tunnel, IsListedAsTheKernels) {
    const Answer answer = who({"--json", std::to_string(kTunnelPort) + "/udp"});
    ASSERT_EQ(answer.code, 0) << answer.errors;
    ASSERT_EQ(answer.holders.size(), 1u) << answer.text;
    EXPECT_EQ(answer.holders[0]["process"], nullptr);
    EXPECT_EQ(answer.holders[0]["processes"], 0);
    EXPECT_EQ(answer.holders[0]["kernel"], true);
    EXPECT_NE(who({std::to_string(kTunnelPort)}).text.find("(the kernel)"), std::string::npos);
}

// By no system call of its own, so `tracepoint` does not see it.
TEST_F(Tunnel, IsToldOfAsItComesAndGoes) {
    std::uint64_t netns = 0;
    const auto come_and_go = [&] {
        ASSERT_EQ(unshare(CLONE_NEWNET), 0);
        struct stat about {};
        ASSERT_EQ(stat("/proc/thread-self/ns/net", &about), 0);
        netns = about.st_ino;
        ASSERT_EQ(add_vxlan(), 0);
        ASSERT_EQ(delete_vxlan(), 0);
    };
    ChildProcess bindtrace({from_environment("BINDTRACE", "build/bindtrace"), "--json", "--port",
                            std::to_string(kTunnelPort), "--attach", from_environment("BT_STRATEGY", "auto")});
    const auto meta = bindtrace.read_line();
    ASSERT_TRUE(meta);
    std::thread(come_and_go).join();
    bindtrace.signal(SIGINT);  // what is in the buffer is told first
    std::map<std::string, Json> told;
    while (const auto line = bindtrace.read_line()) {
        const Json event = Json::parse(*line, nullptr, false);
        if (event.contains("local_port") && event["netns"]["inum"] == netns) told[event["type"]] = event;
    }
    EXPECT_EQ(bindtrace.wait(std::chrono::seconds(60)), 0) << bindtrace.errors();
    if (Json::parse(*meta)["strategy"] == "tracepoint") {
        EXPECT_TRUE(told.empty()) << Json(told);
        return;
    }
    ASSERT_EQ(told.size(), 2u) << Json(told);
    EXPECT_EQ(told["bind"]["op"], "kernel");
    EXPECT_EQ(told["bind"]["result"], "ok");
    for (const char* type : {"bind", "release"}) {
        const Json& event = told[type];
        EXPECT_EQ(event["proto"], "udp") << event;
        EXPECT_EQ(event["local_addr"], "0.0.0.0") << event;
        EXPECT_EQ(event["local_port"], kTunnelPort) << event;
        EXPECT_EQ(event["ephemeral"], false) << event;
        EXPECT_EQ(event["process"]["pid"], getpid()) << event;
    }
    EXPECT_EQ(told["release"]["op"], "kernel");
}

TEST_F(Tunnel, IsNamedAsTheHolder) {
    LateTracer tracer;
    ASSERT_TRUE(tracer.attached());
    Json conflict;
    std::thread([&] {
        ASSERT_EQ(setns(netns_.get(), CLONE_NEWNET), 0);
        conflict = tracer.verdict_on(kTunnelPort, SOCK_DGRAM);
        ASSERT_EQ(delete_vxlan(), 0);  // as advised: ip -d link shows it
        const Socket late(SOCK_DGRAM);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(kTunnelPort);
        EXPECT_EQ(::bind(late.fd(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
    }).join();
    EXPECT_EQ(conflict["advice"],
              Json::array({"see what of the kernel uses it: ip -d link (vxlan, geneve, wireguard), or NFS"}));
    EXPECT_EQ(conflict["cause"], "udp-holder");
    EXPECT_NE(conflict["factors"].dump().find("\"kernel-socket\""), std::string::npos) << conflict;
    ASSERT_EQ(conflict["holders"].size(), 1u) << conflict;
    EXPECT_EQ(conflict["holders"][0]["process"], nullptr);
    EXPECT_EQ(conflict["holders"][0]["kernel"], true);
    EXPECT_NE(conflict["summary"].get<std::string>().find("held by the kernel itself"), std::string::npos) << conflict;
}

}  // namespace
}  // namespace bindtrace
