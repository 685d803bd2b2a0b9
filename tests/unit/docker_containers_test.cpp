// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>
#include <malloc.h>
#include <sys/stat.h>

#include <array>
#include <ctime>
#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#include "core/clock.h"
#include "enrich/docker_state.h"
#include "runtime_state.h"
#include "wait_until.h"

namespace bindtrace {
namespace {

constexpr std::int64_t kLater = std::numeric_limits<std::int64_t>::max();  // nothing has changed for a while
const std::string kFolder = "var/lib/docker/containers/";

struct DockerWorld {
    TempDir root;
    StateFiles files{root.path(), [](const std::string&) {}};
    DockerContainers docker{files};

    std::vector<std::string> with_port(std::uint16_t port, std::int64_t now_ns = kLater) {
        std::vector<std::string> names;
        const auto found = docker.with_port(std::nullopt, port, now_ns);
        EXPECT_TRUE(found);
        for (const DockerContainer& one : found.value_or(std::vector<DockerContainer>()))
            names.push_back(one.facts.container->name.value_or(""));
        return names;
    }

    void publish(const std::string& port, const std::string& id = kDockerId, const std::string& name = "web") const {
        write_docker(root, "true", R"("80/tcp":[{"HostIp":"","HostPort":")" + port + R"("}])", id, name);
    }

    // So that what changes from now on changes later, also for a clock that ticks every few milliseconds.
    void wait_for_tick(const std::string& path) const {
        struct stat status {};
        ASSERT_EQ(stat((root / path).c_str(), &status), 0);
        const std::int64_t changed_ns = status.st_ctim.tv_sec * 1'000'000'000LL + status.st_ctim.tv_nsec;
        ASSERT_TRUE(wait_until([&] { return clock_ns(CLOCK_REALTIME_COARSE) > changed_ns; }));
    }
};

std::string id_of(int number) {
    return std::string(59, 'a') + std::to_string(10'000 + number);
}

const std::vector<std::string> kNone, kWeb = {"web"};

TEST(DockerContainers, AFileThatHasChangedIsReadAgain) {
    DockerWorld world;
    world.publish("8080");
    EXPECT_EQ(world.with_port(8080), kWeb);
    EXPECT_EQ(world.with_port(8081), kNone);
    const std::string file = world.root / (kFolder + kDockerId + "/config.v2.json");
    const auto modified = std::filesystem::last_write_time(file);
    world.wait_for_tick(kFolder + kDockerId + "/config.v2.json");
    world.publish("8081");  // in place, of the same size, and as if it were as old
    std::filesystem::last_write_time(file, modified);
    EXPECT_EQ(world.with_port(8081), kWeb);
    EXPECT_EQ(world.with_port(8080), kNone);

    // As Docker does it.
    world.publish("8082", id_of(1));
    std::filesystem::rename(file, world.root / "old");
    world.publish("8083");
    EXPECT_EQ(world.with_port(8083), kWeb);
    std::filesystem::rename(world.root / "old", file);
    EXPECT_EQ(world.with_port(8081), kWeb);
    EXPECT_EQ(world.with_port(8083), kNone);
}

TEST(DockerContainers, AFileThatChangesAsSoonAsItIsReadIsReadAgain) {
    DockerWorld world;
    for (int i = 0; i < 100; ++i) {
        const int port = 8000 + i;
        world.publish(std::to_string(port));
        const std::int64_t now_ns = clock_ns(CLOCK_REALTIME);
        EXPECT_EQ(world.with_port(static_cast<std::uint16_t>(port), now_ns), kWeb);
        EXPECT_EQ(world.with_port(static_cast<std::uint16_t>(port + 1), now_ns), kNone);
    }
}

TEST(DockerContainers, ComeAndGo) {
    DockerWorld world;
    world.publish("8080");
    EXPECT_EQ(world.with_port(8080), kWeb);
    world.wait_for_tick(kFolder);
    world.publish("8080", id_of(1), "other");
    EXPECT_EQ(world.with_port(8080).size(), 2u);
    std::filesystem::remove_all(world.root / (kFolder + kDockerId));
    EXPECT_EQ(world.with_port(8080), std::vector<std::string>{"other"});
    std::filesystem::remove_all(world.root / kFolder);
    EXPECT_FALSE(world.docker.with_port(std::nullopt, 8080, kLater)) << "nowhere to look";
}

// So large that one look reads only half of them.
void write_large_files(const DockerWorld& world) {
    for (int i = 0; i < 20; ++i)
        world.root.write(kFolder + id_of(i) + "/config.v2.json",
                         R"({"ID":")" + id_of(i) + R"(","Name":"/web","Config":{"Env":[")" +
                             std::string(3u << 20, 'x') + R"(",")" + std::to_string(8000 + i) + R"("]}})");
}

// What was read in one look leaves the next one time for the rest.
TEST(DockerContainers, AFileThatHasNotChangedIsNotReadAgain) {
    DockerWorld world;
    write_large_files(world);
    EXPECT_EQ(world.with_port(8019), kNone) << "ten of them at once";
    EXPECT_EQ(world.with_port(8019), kWeb);
    EXPECT_EQ(world.with_port(8000), kWeb);
}

TEST(DockerContainers, WhatWasReadAheadIsNotReadWhenItIsAskedFor) {
    DockerWorld world;
    world.docker.read_ahead(kLater);  // there is none yet
    write_large_files(world);
    world.docker.read_ahead(kLater);
    EXPECT_EQ(world.with_port(8019), kWeb);
}

TEST(DockerContainers, MayPublishManyPorts) {
    DockerWorld world;
    std::string ports;
    for (int port = 8000; port < 9000; ++port)
        ports += (ports.empty() ? "\"" : ",\"") + std::to_string(port) + R"(/tcp":[{"HostIp":"","HostPort":")" +
                 std::to_string(port) + R"("}])";
    write_docker(world.root, "true", ports);
    for (const std::uint16_t port : std::array<std::uint16_t, 4>{8000, 8500, 8999, 8500})
        EXPECT_EQ(world.with_port(port), kWeb) << port;
    EXPECT_EQ(world.with_port(9001), kNone);
}

// As many containers as there may be, and more, with as many numbers as are remembered.
TEST(DockerContainers, TakeNoMoreMemoryThanAMegabyte) {
    DockerWorld world;
    std::string labels;
    for (int number = 1; number < 128; ++number) labels += "\"" + std::to_string(number) + "\":\"\",";
    for (int i = 0; i < 3000; ++i)
        world.root.write(kFolder + id_of(i) + "/config.v2.json",
                         R"({"ID":")" + id_of(i) + R"(","Config":{"Labels":{)" + labels + R"("8080":""}}})");
    const std::size_t before = mallinfo2().uordblks;
    for (int i = 0; i < 2; ++i) EXPECT_EQ(world.with_port(9000), kNone);
    const std::size_t of_three_thousand = mallinfo2().uordblks - before;
    RecordProperty("of_3000_containers_bytes", std::to_string(of_three_thousand));
    EXPECT_LT(of_three_thousand, 1'250'000u);
}

}  // namespace
}  // namespace bindtrace
