// SPDX-License-Identifier: MIT
// Claims that fall on the same slot of the kernel side's table (bpf/claim_store.bpf.h).
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "bindtrace/claim_slot.h"
#include "kernel_bindtrace.h"

namespace bindtrace {
namespace {

class ClaimSlots : public testing::Test {
  protected:
    void SetUp() override { ASSERT_TRUE(bindtrace_.read_line()) << "no meta"; }

    // What is told next.
    Json told(const std::string& type) {
        Json record = next();
        EXPECT_EQ(record.value("type", ""), type) << record;
        return record;
    }

    void expect_nothing_more() {
        bindtrace_.signal(SIGINT);
        EXPECT_EQ(next(), Json::object());
        EXPECT_EQ(bindtrace_.wait(std::chrono::seconds(60)), 0) << bindtrace_.errors();
    }

  private:
    // An empty one at the end.
    Json next() {
        while (const auto line = bindtrace_.read_line()) {
            Json record = Json::parse(*line, nullptr, false);
            if (record["type"] != "loss" || record["reason"] != "recursion") return record;  // of some run, at most
        }
        return Json::object();
    }

    // A line that does not come would be waited for.
    ChildProcess bindtrace_{{"/bin/sh", "-c",
                             "exec timeout -s INT 200 " + from_environment("BINDTRACE", "build/bindtrace") +
                                 " --json --attach " + from_environment("BT_STRATEGY", "auto") +
                                 " --events bind,release --pid " + std::to_string(getpid())}};
};

// Cookies come in their order: most are thrown away.
TEST_F(ClaimSlots, MayBeWantedBySeveral) {
    std::vector<std::unique_ptr<Socket>> sockets;
    for (int on_first = 0, i = 0; on_first < 3; ++i) {
        ASSERT_LT(i, 1'000'000);
        auto socket = std::make_unique<Socket>(SOCK_DGRAM);
        const std::uint32_t slot = bt_claim_slot(socket->cookie());
        if (slot >= 64) continue;
        if (slot == 0) ++on_first;
        socket->bind();
        told("bind");
        if (HasFailure()) return;
        sockets.push_back(std::move(socket));
    }
    for (const auto& socket : sockets) {
        const std::uint16_t port = socket->port();
        socket->close();
        const Json release = told("release");
        EXPECT_EQ(release["local_port"], port);
        EXPECT_TRUE(release["held_ns"].is_number()) << release;
        if (HasFailure()) return;
    }

    // A connection that a server accepted has never made a claim, nor asked for a cookie: what is left of the others is
    // nothing of its.
    Socket server(SOCK_STREAM);
    const std::uint16_t port = server.bind();
    server.listen();
    const Socket client(SOCK_STREAM);
    client.connect(port);
    const Socket connection(server.accept(), std::in_place);
    server.close();
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    const Socket again(SOCK_STREAM);
    ASSERT_NE(::bind(again.fd(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    told("bind");
    told("release");
    const Json conflict = told("bind")["conflict"];
    ASSERT_TRUE(conflict.is_object());
    EXPECT_EQ(conflict["holders"][0]["acquired"], nullptr) << conflict;
    expect_nothing_more();
}

}  // namespace
}  // namespace bindtrace
