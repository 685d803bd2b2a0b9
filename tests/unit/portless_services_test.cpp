// SPDX-License-Identifier: MIT
#include "pipeline/portless_services.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

#include "diagnose/warning_words.h"

namespace bindtrace {
namespace {

constexpr std::uint64_t kServiceSecond = 1'000'000'000;

struct PortlessServicesTest : testing::Test {
    Event event_of(std::uint32_t pid, std::uint16_t port, int error) const {
        Event event{};
        event.kind = BT_KIND_BIND;
        event.error = error;
        event.flags = BT_EVENT_HAS_REQUEST | BT_EVENT_HAS_TASK | BT_EVENT_HAS_SOCK;
        event.port = port;
        event.ktime_ns = 100 * kServiceSecond;
        event.sock.protocol = IPPROTO_TCP;
        event.sock.type = SOCK_STREAM;
        event.sock.local_port = error == 0 ? port : std::uint16_t{0};
        event.task.key = {.start_ns = pid, .pid = pid, .exec_id = 1};
        std::memcpy(event.task.comm, "jav\x1b", 5);
        return event;
    }
    static Context context_of(const char* cgroup_path) {
        Context context;
        context.cgroup_path = cgroup_path;
        context.read_paths();
        return context;
    }
    void refuse(std::uint32_t pid, const char* cgroup_path, std::uint16_t port = 8080,
                const std::vector<Holder>& holders = {}) {
        services.refused(event_of(pid, port, EADDRINUSE), context_of(cgroup_path), holders);
    }
    void succeed(std::uint32_t pid, const char* cgroup_path, std::uint16_t port = 8080) {
        services.succeeded(event_of(pid, port, 0), context_of(cgroup_path));
    }

    // What is told of the look at that time; nothing where nothing is.
    std::string told_at(std::uint64_t second) {
        const auto warning = services.look(second * kServiceSecond);
        return warning ? words_of(*warning).summary : "";
    }

    bool alive = true;
    PortlessServices services{[this](const bt_process_key&) { return alive; }};
};

TEST_F(PortlessServicesTest, TellsOnceOfOneThatStaysWithoutItsPort) {
    refuse(7, "/system.slice/shop.service");
    refuse(7, "/system.slice/shop.service");
    EXPECT_EQ(told_at(101), "") << "it may be about to end";
    EXPECT_EQ(told_at(112),
              "shop.service runs on without tcp port 8080, which jav\x1b[7] was refused 12 s ago "
              "(EADDRINUSE): systemctl calls it active all the same");
    refuse(7, "/system.slice/shop.service");
    EXPECT_EQ(told_at(200), "");
}

TEST_F(PortlessServicesTest, TellsWhatWasRefusedToWhom) {
    Event event = event_of(7, 8080, EADDRINUSE);
    event.addr_family = event.sock.family = AF_INET;
    event.addr[0] = 127;
    Context context = context_of("/system.slice/shop.service");
    context.user = "shop";
    context.netns_name = "host";
    services.refused(event, context, {});
    const auto warning = services.look(110 * kServiceSecond);
    ASSERT_TRUE(warning);
    EXPECT_EQ(warning->reason, WarningReason::service_without_port);
    EXPECT_FALSE(is_of_registry(*warning));
    EXPECT_EQ(warning->ktime_ns, 110 * kServiceSecond);
    EXPECT_EQ(warning->refused_ns, 100 * kServiceSecond);
    EXPECT_EQ(warning->refused_error, EADDRINUSE);
    const Holder& claim = warning->claim;
    EXPECT_EQ(claim.raw.sock.local_port, 8080);
    EXPECT_EQ(claim.raw.sock.local_addr[0], 127);
    EXPECT_EQ(claim.raw.has_claim, 0) << "it has none";
    EXPECT_EQ(claim.netns_name, "host");
    ASSERT_TRUE(claim.process);
    EXPECT_EQ(claim.process->task.key.pid, 7u);
    EXPECT_EQ(claim.process->user, "shop");
    EXPECT_EQ(unit_of(claim), "shop.service");
}

TEST_F(PortlessServicesTest, NamesTheManagerOfAUsersUnit) {
    refuse(7, "/user.slice/user-1000.slice/user@1000.service/app.slice/vite.service");
    const auto told = services.look(200 * kServiceSecond);
    ASSERT_TRUE(told);
    EXPECT_EQ(words_of(*told).advice,
              std::vector<std::string>{"once the port is free, systemctl --user -M 1000@ restart vite.service"});
}

// It is a container that has not got its port, and not the daemon.
TEST_F(PortlessServicesTest, SaysNothingOfOneThatPublishesPortsOfContainers) {
    Event event = event_of(7, 8080, EADDRINUSE);
    std::memcpy(event.task.comm, "dockerd", 8);
    services.refused(event, context_of("/system.slice/docker.service"), {});
    EXPECT_EQ(told_at(200), "");
}

TEST_F(PortlessServicesTest, SaysNothingOfOneThatHasEnded) {
    refuse(7, "/system.slice/shop.service");
    alive = false;
    EXPECT_EQ(told_at(200), "");
    alive = true;
    EXPECT_EQ(told_at(201), "") << "forgotten";
}

TEST_F(PortlessServicesTest, SaysNothingOfAUnitThatHasThePort) {
    refuse(7, "/system.slice/shop.service");
    succeed(8, "/system.slice/shop.service", 8081);
    succeed(8, "/system.slice/other.service");
    succeed(9, "/system.slice/shop.service");  // it tried again, or another process of it
    EXPECT_EQ(told_at(200), "");
    Holder own;
    own.process.emplace().cgroup_path = "/system.slice/shop.service";
    refuse(7, "/system.slice/shop.service", 8080, {own});
    EXPECT_EQ(told_at(200), "") << "it had it all the time";
    refuse(7, "/system.slice/shop.service");
    succeed(8, "/system.slice/shop.service", 8081);
    succeed(8, "/system.slice/other.service");
    EXPECT_NE(told_at(200), "");
}

TEST_F(PortlessServicesTest, OnlyOfServicesAndOnlySoMany) {
    refuse(1, "/user.slice/user-1000.slice/session-4.scope");
    refuse(2, "/init.scope");
    refuse(3, "/");
    refuse(4, "/system.slice/shop.service", 0);
    EXPECT_EQ(told_at(200), "");
    for (std::uint32_t pid = 1; pid <= 1000; ++pid) refuse(pid, "/system.slice/shop.service");
    int told = 0;
    for (std::uint64_t second = 200; second < 400; ++second) told += services.look(second * kServiceSecond) ? 1 : 0;
    EXPECT_EQ(told, 64);
}

}  // namespace
}  // namespace bindtrace
