// SPDX-License-Identifier: MIT
// A cgroup that is older than bindtrace, and gone before bindtrace reads the first event of it: the worst that can
// happen to a path. In whatever hierarchy tells units here.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "kernel_process.h"
#include "kernel_socket.h"

namespace bindtrace {

using Json = nlohmann::json;

struct GoneCgroup {
    std::string path;
    Json bind;  // null where there was none
};

// Nothing where cgroups cannot be made here.
inline std::optional<GoneCgroup> bind_in_gone_cgroup(const std::string& bindtrace, const std::string& strategy) {
    ChildProcess doctor({bindtrace, "doctor", "--json"});
    std::string report;
    while (const auto line = doctor.read_line()) report += *line;
    const Json mount = Json::parse(report, nullptr, false)["cgroup_units_mount"];
    GoneCgroup gone{.path = "/bindtrace-gone-" + std::to_string(getpid()), .bind = {}};
    const std::string folder = mount.is_string() ? mount.get<std::string>() + gone.path : "/";
    if (mkdir(folder.c_str(), 0755) != 0) return std::nullopt;
    const std::string members = folder + "/cgroup.procs";

    ChildProcess tracer({bindtrace, "--json", "--attach", strategy, "--events", "bind"});
    EXPECT_TRUE(tracer.read_line()) << tracer.errors();
    tracer.signal(SIGSTOP);
    waitpid(tracer.pid(), nullptr, WUNTRACED);
    const pid_t child = fork();
    if (child == 0) {
        const int file = open(members.c_str(), O_WRONLY | O_CLOEXEC);
        const bool moved = write(file, "0", 1) == 1;
        Socket(SOCK_STREAM).bind();
        _exit(moved ? 0 : 1);
    }
    int status = -1;
    waitpid(child, &status, 0);
    EXPECT_EQ(status, 0) << members;
    for (int i = 0; rmdir(folder.c_str()) != 0 && i < 100; ++i)
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
    EXPECT_NE(access(folder.c_str(), F_OK), 0);
    tracer.signal(SIGCONT);
    tracer.signal(SIGINT);  // what is in the buffer is told first
    while (const auto line = tracer.read_line()) {
        Json told = Json::parse(*line, nullptr, false);
        if (told.value("type", "") == "bind" && told["process"]["pid"] == child) gone.bind = std::move(told);
    }
    return gone;
}

}  // namespace bindtrace
