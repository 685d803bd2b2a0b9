// SPDX-License-Identifier: MIT
// A database that belongs to a user, who may have put anything there.
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <vector>

#include "enrich/podman_state.h"
#include "runtime_state.h"

namespace bindtrace {
namespace {

struct Database {
    TempDir root;
    StateFiles files{root.path(), [](const std::string&) {}};
    PodmanDatabases databases;

    Database(const std::string& schema, const std::string& config) {
        root.write("etc/passwd", "alice:x:1000:1000::/home/alice:/bin/sh\n");
        write_podman_database(root, schema, config);
    }
    std::string path() const { return root / "home/alice/.local/share/containers/storage/db.sql"; }
    std::vector<PortMapping> ports() { return podman_ports(files, databases, kRootlessId, 1000); }
};

TEST(PodmanDatabase, KnowsThePorts) {
    Database database(kPodmanSchema, kPodmanConfig);
    const auto ports = database.ports();
    ASSERT_EQ(ports.size(), 1u);
    EXPECT_EQ(ports[0].protocol, "tcp");
    EXPECT_EQ(ports[0].host_port, 9081);
    EXPECT_EQ(ports[0].container_port, 80);
    EXPECT_TRUE(podman_ports(database.files, database.databases, kPodmanId, 1000).empty()) << "another container";
    EXPECT_TRUE(podman_ports(database.files, database.databases, kRootlessId, 1001).empty()) << "another user";
    EXPECT_TRUE(podman_ports(database.files, database.databases, kRootlessId, {}).empty()) << "root";
}

TEST(PodmanDatabase, WhateverIsInItEndsSoon) {
    const auto view = [](const std::string& columns) {
        return "CREATE VIEW ContainerConfig AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) "
               "SELECT " +
               columns + " FROM n";
    };
    const std::string without_index = "CREATE TABLE ContainerConfig (ID, Name, PodID, JSON)";
    const std::string many = without_index +
                             "; WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 300000) "
                             "INSERT INTO ContainerConfig SELECT x, x, x, x FROM n";
    struct Case {
        std::string schema, config;
    };
    for (const Case& hostile : std::vector<Case>{
             {"CREATE TABLE Other (ID TEXT)", ""},
             {"CREATE TABLE ContainerConfig (ID TEXT)", ""},
             {view("x AS ID, x AS JSON"), ""},
             {view("'" + kRootlessId + "' AS ID, '" + kPodmanConfig + "' AS JSON"), ""},  // were it believed
             {many, kPodmanConfig},
             {kPodmanSchema, "no JSON"},
             {kPodmanSchema, "7"},
             {kPodmanSchema, R"({"newPortMappings":{"host_port":9081}})"},
             {kPodmanSchema, R"({"newPortMappings":[7,{"host_port":9081,"container_port":"80"},{"host_port":90000}]})"},
             {kPodmanSchema, R"({"newPortMappings":[{"host_port":9081,"container_port":80}]})" +
                                 std::string(std::size_t{2} << 20, ' ')}}) {
        Database database(hostile.schema, hostile.config);
        EXPECT_TRUE(database.ports().empty()) << hostile.schema << hostile.config.substr(0, 100);
    }
    Database wide(kPodmanSchema, R"({"newPortMappings":[{"host_port":1,"container_port":1,"range":65535},)"
                                 R"({"host_port":1,"container_port":1,"range":65535}]})");
    EXPECT_EQ(wide.ports().size(), 65536u);
}

TEST(PodmanDatabase, OneThatIsDamagedIsReadAsFarAsItGoes) {
    Database database(kPodmanSchema, kPodmanConfig);
    std::ifstream whole(database.path(), std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(whole)), {});
    ASSERT_GT(bytes.size(), 4096u);
    for (std::size_t at = 0; at < bytes.size(); at += 31) {
        std::string damaged = bytes;
        damaged[at] = static_cast<char>(damaged[at] ^ 0x55);
        if (at % 5 == 0) damaged.resize(at);
        std::ofstream(database.path(), std::ios::binary | std::ios::trunc) << damaged;
        EXPECT_LE(database.ports().size(), 1u) << at;
    }
}

std::string config_of(std::uint16_t port) {
    return R"({"newPortMappings":[{"host_port":)" + std::to_string(port) + R"(,"container_port":80}]})";
}

std::uint16_t only_port(Database& database) {
    const auto ports = database.ports();
    return ports.size() == 1 ? ports[0].host_port : 0;
}

// As Podman does, in the same file.
void run(const std::string& path, const std::string& sql) {
    sqlite3* database = nullptr;
    ASSERT_EQ(sqlite3_open(path.c_str(), &database), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(database, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK) << sqlite3_errmsg(database);
    sqlite3_close(database);
}

TEST(PodmanDatabase, MayChangeAfterItWasLookedInto) {
    Database database(kPodmanSchema, config_of(1));
    EXPECT_EQ(only_port(database), 1);
    for (int port = 2; port < 20; ++port) {
        run(database.path(),
            "UPDATE ContainerConfig SET JSON = CAST('" + config_of(static_cast<std::uint16_t>(port)) + "' AS BLOB)");
        EXPECT_EQ(only_port(database), port);
    }
    run(database.path(), "ALTER TABLE ContainerConfig RENAME TO Other; " + std::string(kPodmanSchema) +
                             "; INSERT INTO ContainerConfig SELECT * FROM Other; VACUUM");
    EXPECT_EQ(only_port(database), 19);
    run(database.path(), "DELETE FROM ContainerConfig");
    EXPECT_EQ(only_port(database), 0);
}

TEST(PodmanDatabase, MayBeAnotherFileAfterItWasLookedInto) {
    Database database(kPodmanSchema, config_of(1));
    EXPECT_EQ(only_port(database), 1);
    const Database other(kPodmanSchema, config_of(2));
    std::filesystem::copy_file(other.path(), database.path() + ".new");
    std::filesystem::rename(database.path() + ".new", database.path());
    EXPECT_EQ(only_port(database), 2);
    std::filesystem::remove(database.path());
    EXPECT_EQ(only_port(database), 0);
    std::filesystem::copy_file(other.path(), database.path());
    EXPECT_EQ(only_port(database), 2);
    std::ofstream(database.path(), std::ios::binary | std::ios::trunc) << std::string(100'000, 'x');
    EXPECT_EQ(only_port(database), 0);
    std::filesystem::copy_file(other.path(), database.path(), std::filesystem::copy_options::overwrite_existing);
    EXPECT_EQ(only_port(database), 2);
}

// Nobody waits for us: neither who writes nor, in the middle of that, we.
TEST(PodmanDatabase, IsNotLocked) {
    Database database(kPodmanSchema, config_of(1));
    EXPECT_EQ(only_port(database), 1);
    sqlite3* writer = nullptr;
    ASSERT_EQ(sqlite3_open(database.path().c_str(), &writer), SQLITE_OK);
    ASSERT_EQ(sqlite3_exec(writer, "BEGIN EXCLUSIVE; DELETE FROM ContainerConfig", nullptr, nullptr, nullptr),
              SQLITE_OK);
    EXPECT_EQ(only_port(database), 1);
    ASSERT_EQ(sqlite3_exec(writer, "COMMIT", nullptr, nullptr, nullptr), SQLITE_OK);
    EXPECT_EQ(only_port(database), 0);
    sqlite3_close(writer);
}

// bolt_state.db of Podman 4.3, as far as it matters: values behind their keys, among pages of anything.
std::string bolt(const std::string& id, const std::string& members) {
    return std::string(40, '\x02') + R"(config{"spec":{"process":{"args":["}"]},"annotations":{"id":")" + kPodmanId +
           R"("}},"id":")" + id + R"(",)" + members + R"(}netNSstate{"state":1})" + std::string(40, '\0');
}

struct Bolt {
    TempDir root;
    StateFiles files{root.path(), [](const std::string&) {}};
    PodmanDatabases databases;

    explicit Bolt(const std::string& bytes) {
        root.write("etc/passwd", "alice:x:1000:1000::/home/alice:/bin/sh\n");
        root.write("home/alice/.local/share/containers/storage/libpod/bolt_state.db", bytes);
        root.write("var/lib/containers/storage/libpod/bolt_state.db", bytes);
    }
    std::vector<PortMapping> ports(std::optional<std::uint32_t> user = 1000) {
        return podman_ports(files, databases, kRootlessId, user);
    }
};

const std::string kMappings = R"("newPortMappings":[{"container_port":80,"host_port":9081,"protocol":"udp"}])";

TEST(PodmanBolt, KnowsThePorts) {
    Bolt database(bolt(kPodmanId, R"("newPortMappings":[{"container_port":1,"host_port":2}])") +
                  bolt(kRootlessId, kMappings));
    for (const std::optional<std::uint32_t> user :
         {std::optional<std::uint32_t>(1000), std::optional<std::uint32_t>()}) {
        const auto ports = database.ports(user);
        ASSERT_EQ(ports.size(), 1u);
        EXPECT_EQ(ports[0].protocol, "udp");
        EXPECT_EQ(ports[0].host_port, 9081);
        EXPECT_EQ(ports[0].container_port, 80);
    }
    Bolt without(bolt(kRootlessId, R"("name":"x")") + bolt(kPodmanId, kMappings));
    EXPECT_TRUE(without.ports().empty()) << "those of another one";
}

TEST(PodmanBolt, WhateverIsInItEndsSoon) {
    const std::string whole = bolt(kRootlessId, kMappings);
    for (std::size_t size = 0; size < whole.size(); size += 7)
        EXPECT_LE(Bolt(whole.substr(0, size)).ports().size(), 1u);
    std::string many;
    while (many.size() < std::size_t{15} << 20) many += R"(config{"spec":)";
    const auto start = std::chrono::steady_clock::now();
    EXPECT_TRUE(Bolt(many + whole).ports().empty());
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));
}

}  // namespace
}  // namespace bindtrace
