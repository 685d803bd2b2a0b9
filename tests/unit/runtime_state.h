// SPDX-License-Identifier: MIT
// State files as the runtimes write them, cut to what matters. Taken from Docker 26.1, Podman 5.4 (netavark 1.14) and,
// by their sources, containerd 1.7 and CRI-O 1.30.
#pragma once

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <string>

#include "temp_dir.h"

namespace bindtrace {

inline const std::string kDockerId = "9c53d1279d6798a5b4b00c6e154a2e1edbd2f50e61164b188287de4c7b9fd028";
inline const std::string kPodmanId = "d1fc4fe853e93ab6d6331715382c7bc71b4972f8b442ed8b6b415601e0a8e9b3";
inline const std::string kRootlessId = "5dbf5d62c46e00edf764b039fc9f27d77d6207393bfc046c0db0048ae50ae7c1";
inline const std::string kPodId(64, 'b');

inline void write_docker(const TempDir& root, const char* running = "true",
                         const std::string& ports = R"("80/tcp":[{"HostIp":"0.0.0.0","HostPort":"8080"},)"
                                                    R"({"HostIp":"::","HostPort":"8080"}],"9000/tcp":null)",
                         const std::string& id = kDockerId, const std::string& name = "web") {
    root.write(
        "var/lib/docker/containers/" + id + "/config.v2.json",
        R"({"StreamConfig":{},"State":{"Running":)" + std::string(running) +
            R"(,"Paused":false,"Pid":514,"Health":null},"ID":")" + id +
            R"(","Config":{"Hostname":"9c53d1279d67","Image":"tiny:1","ExposedPorts":{"80/tcp":{}},"Labels":{"a":"b"}},)"
            R"("NetworkSettings":{"Networks":{"bridge":{"IPAMConfig":null,"IPAddress":"172.17.0.2",)"
            R"("GlobalIPv6Address":""}},"Ports":{)" +
            ports + R"(}},"Name":"/)" + name + R"(","Driver":"overlay2"})");
}

inline std::string podman_list(const std::string& id, const char* name) {
    return R"([{"id":")" + std::string(64, 'c') + R"(","names":["other"],"metadata":"{}"},{"id":")" + id +
           R"(","names":[")" + name +
           R"("],"image":"94fe668acb20","layer":"c169","metadata":"{\"image-name\":\"localhost/tiny:1\",)"
           R"(\"name\":\"x\",\"created-at\":1795341087}","created":"2026-11-22T09:51:28Z","flags":{}}])";
}

inline void write_podman(const TempDir& root) {
    root.write("var/lib/containers/storage/overlay-containers/containers.json", podman_list(kPodmanId, "pweb"));
    root.write(
        "run/containers/networks/firewall/ports/2f259bab_" + kPodmanId,
        R"({"container_id":")" + kPodmanId +
            R"(","port_mappings":[{"container_port":80,"host_ip":"","host_port":8081,"protocol":"tcp","range":2}],)"
            R"("network_name":"podman","container_ip_v4":"10.88.0.2"})");
}

inline void write_rootless_podman(const TempDir& root) {
    root.write("etc/passwd", "root:x:0:0::/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\n");
    root.write("home/alice/.local/share/containers/storage/vfs-containers/containers.json",
               podman_list(kRootlessId, "r1"));
}

// db.sql of Podman 5.4, with just what is looked for; `config` is the text in the blob.
inline void write_podman_database(const TempDir& root, const std::string& schema, const std::string& config) {
    const auto file = root.write("home/alice/.local/share/containers/storage/db.sql", "");
    sqlite3* database = nullptr;
    ASSERT_EQ(sqlite3_open(file.c_str(), &database), SQLITE_OK);
    std::string statements = schema;
    if (!config.empty())
        statements +=
            "; INSERT INTO ContainerConfig VALUES ('" + kRootlessId + "', 'r1', NULL, CAST('" + config + "' AS BLOB))";
    char* error = nullptr;
    EXPECT_EQ(sqlite3_exec(database, statements.c_str(), nullptr, nullptr, &error), SQLITE_OK) << error;
    sqlite3_close(database);
}

inline const char* const kPodmanSchema =
    "CREATE TABLE ContainerConfig (ID TEXT PRIMARY KEY NOT NULL, Name TEXT UNIQUE NOT NULL, PodID TEXT, JSON TEXT NOT "
    "NULL)";
inline const char* const kPodmanConfig =
    R"({"id":"x","newPortMappings":[{"host_ip":"","container_port":80,"host_port":9081,"range":1,"protocol":"tcp"}]})";

inline void write_containerd(const TempDir& root) {
    root.write("run/containerd/io.containerd.runtime.v2.task/k8s.io/" + kPodId + "/config.json",
               R"({"ociVersion":"1.1.0","annotations":{"io.kubernetes.cri.container-name":"nginx",)"
               R"("io.kubernetes.cri.container-type":"container","io.kubernetes.cri.image-name":"nginx:1.27",)"
               R"("io.kubernetes.cri.sandbox-id":"x","io.kubernetes.cri.sandbox-name":"web-1",)"
               R"("io.kubernetes.cri.sandbox-namespace":"shop","io.kubernetes.cri.sandbox-uid":"6c5b1d9a-0f3e"}})");
}

inline void write_crio(const TempDir& root) {
    root.write("run/containers/storage/overlay-containers/" + kPodId + "/userdata/config.json",
               R"({"annotations":{"io.kubernetes.container.name":"api","io.kubernetes.pod.name":"api-1",)"
               R"("io.kubernetes.pod.namespace":"shop","io.kubernetes.pod.uid":"0d1e2f30",)"
               R"("io.kubernetes.cri-o.ImageName":"quay.io/api:2"}})");
}

}  // namespace bindtrace
