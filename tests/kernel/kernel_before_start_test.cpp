// SPDX-License-Identifier: MIT
// bindtrace is often started after the first failure. What took the port then is known from the kernel's tables alone.
#include <gtest/gtest.h>
#include <unistd.h>

#include <string>

#include "kernel_bindtrace.h"
#include "kernel_gone_cgroup.h"
#include "kernel_socket.h"

namespace bindtrace {
namespace {

TEST(BeforeStart, NamesWhoTookThePortAndHow) {
    const Socket server(SOCK_STREAM), client(SOCK_STREAM);
    const std::uint16_t target = server.bind();
    server.listen();
    client.connect(target);
    const Socket accepted(server.accept(), std::in_place);
    Socket gone(SOCK_STREAM);
    gone.connect(target);
    const std::uint16_t in_time_wait = gone.port();
    Socket other_end(server.accept(), std::in_place);
    gone.close();
    other_end.close();

    LateTracer tracer;
    ASSERT_TRUE(tracer.attached());
    const Json ended = tracer.verdict_on(in_time_wait);
    EXPECT_EQ(ended["cause"], "time-wait");
    ASSERT_EQ(ended["holders"].size(), 1u) << ended;
    EXPECT_EQ(ended["holders"][0]["process"], nullptr);
    EXPECT_EQ(ended["holders"][0]["last_process"], nullptr) << "nobody has seen who it was";

    const Json source_port = tracer.verdict_on(client.port());
    EXPECT_EQ(source_port["cause"], "ephemeral");
    ASSERT_EQ(source_port["holders"].size(), 1u) << source_port;
    const Json& holder = source_port["holders"][0];
    EXPECT_EQ(holder["acquired"], "connect");
    EXPECT_EQ(holder["since"], nullptr);
    EXPECT_EQ(holder["process"]["pid"], getpid());
    EXPECT_EQ(holder["remote_port"], target);
    EXPECT_NE(source_port["advice"][0].get<std::string>().find("ip_local_reserved_ports"), std::string::npos);

    const Json listener = tracer.verdict_on(target);
    EXPECT_EQ(listener["cause"], "listener");
    EXPECT_EQ(listener["holders"][0]["acquired"], "before-start");
    EXPECT_EQ(listener["holders"][0]["process"]["pid"], getpid());
    for (const Json& each : listener["holders"]) {
        if (each["state"] != "LISTEN") {
            EXPECT_EQ(each["acquired"], nullptr) << "accepted, not a client: " << each;
        }
    }
}

TEST(BeforeStart, NamesACgroupThatHasGoneBeforeItsFirstEventIsRead) {
    const auto gone =
        bind_in_gone_cgroup(from_environment("BINDTRACE", "build/bindtrace"), from_environment("BT_STRATEGY", "auto"));
    if (!gone) GTEST_SKIP() << "no cgroup can be made here";
    ASSERT_TRUE(gone->bind.is_object()) << "no bind";
    EXPECT_EQ(gone->bind["cgroup"]["path"], gone->path);
    EXPECT_EQ(gone->bind["socket"]["cgroup_path"], gone->path);
}

}  // namespace
}  // namespace bindtrace
