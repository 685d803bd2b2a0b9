// SPDX-License-Identifier: MIT
// Units wherever systemd keeps its cgroups: in v2, in v1 beside v2 ("hybrid"), in v1 alone. Which of them it is, is
// for the kernel's command line to say (tools/guest run --append); what must be told is the same but for what v1 does
// not know.
#include <cerrno>
#include <chrono>
#include <csignal>
#include <fstream>
#include <iterator>
#include <string>

#include "kernel_gone_cgroup.h"
#include "system_world.h"

namespace bindtrace {
namespace {

using namespace std::chrono_literals;

class CgroupLayout : public SystemTest {
  protected:
    // v1 alone: a socket's cgroup is not known there, and process 1 makes the socket of a socket unit itself.
    static bool is_v1() {
        std::ifstream file("/proc/cmdline");
        const std::string words{std::istreambuf_iterator<char>(file), {}};
        return words.find("systemd.legacy_systemd_cgroup_controller=1") != std::string::npos;
    }
    static Json known(const char* path) { return is_v1() ? Json(nullptr) : Json(path); }
};

TEST_F(CgroupLayout, IsToldByDoctor) {
    const Json report = Json::parse(run({bindtrace_binary(), "doctor", "--json"}, 150s).out, nullptr, false);
    ASSERT_TRUE(report.is_object());
    const std::string mount = word_of(report, "cgroup_units_mount");
    std::ifstream file("/proc/1/mounts");
    const std::string mounts{std::istreambuf_iterator<char>(file), {}};
    EXPECT_NE(mounts.find(" " + mount + (is_v1() ? " cgroup " : " cgroup2 ")), std::string::npos) << mount;
    const std::string problems = report["problems"].dump();
    EXPECT_EQ(problems.find("units are in cgroup v1") != std::string::npos, is_v1()) << problems;
}

TEST_F(CgroupLayout, AServiceAndItsAdvice) {
    unit("holds.service", service("--listen 8301", ""));
    ASSERT_EQ(systemctl({"start", "holds.service"}), 0);
    const Json made = bind_of(8301, "ok");
    EXPECT_EQ(made["unit"], "holds.service");
    EXPECT_EQ(made["slice"], "system.slice");
    EXPECT_EQ(made["cgroup"]["path"], "/system.slice/holds.service");
    EXPECT_EQ(made["socket"]["cgroup_path"], known("/system.slice/holds.service"));
    unit("wants.service", service("--bind 8301", "Type=oneshot"));
    EXPECT_NE(systemctl({"start", "wants.service"}), 0);
    const Json refused = bind_of(8301, "EADDRINUSE");
    EXPECT_EQ(refused["unit"], "wants.service");
    EXPECT_EQ(refused["conflict"]["holders"][0]["unit"], "holds.service");
    EXPECT_EQ(refused["conflict"]["advice"][0].get<std::string>().find("systemctl stop holds.service"), 0u)
        << refused["conflict"]["advice"];
    EXPECT_EQ(Json::parse(run_bindtrace({"who", "--json", "8301"}).out, nullptr, false)["unit"], "holds.service");
}

TEST_F(CgroupLayout, ASocketUnitBehindProcessOne) {
    unit("act.socket", "[Socket]\nListenStream=8302\n");
    unit("act.service", "[Service]\nExecStart=/bin/sleep infinity\n");
    ASSERT_EQ(systemctl({"start", "act.socket"}), 0);
    const Json named = is_v1() ? Json(nullptr) : Json("act.socket");
    EXPECT_EQ(bind_of(8302, "ok")["socket_unit"], named);
    EXPECT_EQ(take_port(8302, true), EADDRINUSE);
    const Json conflict = bind_of(8302, "EADDRINUSE")["conflict"];
    EXPECT_EQ(conflict["holders"][0]["socket_unit"], named);
    EXPECT_EQ(conflict["holders"][0]["process"]["pid"], 1);
    const char* const stop = is_v1() ? "systemctl list-sockets" : "systemctl disable --now act.socket";
    EXPECT_NE(conflict["advice"].dump().find(stop), std::string::npos) << conflict["advice"];
    const Ended who = run_bindtrace({"who", "--json", "8302"});
    EXPECT_EQ(Json::parse(who.out, nullptr, false)["socket_unit"], named);
    EXPECT_EQ(who.errors.find("units are in cgroup v1") != std::string::npos, is_v1()) << who.errors;
}

TEST_F(CgroupLayout, AScopeThatHasGone) {
    ASSERT_EQ(
        run({"/usr/bin/systemd-run", "--quiet", "--scope", "--unit=brief.scope", own_program(), "--bind", "8303"}).code,
        0);
    const Json made = bind_of(8303, "ok");
    EXPECT_EQ(made["unit"], "brief.scope");
    EXPECT_EQ(made["unit_type"], "scope");
}

TEST_F(CgroupLayout, ACgroupOlderThanBindtraceThatHasGone) {
    const auto gone = bind_in_gone_cgroup(bindtrace_binary(), "auto");
    ASSERT_TRUE(gone && gone->bind.is_object());
    EXPECT_EQ(gone->bind["cgroup"]["path"], gone->path);
    EXPECT_EQ(gone->bind["socket"]["cgroup_path"], known(gone->path.c_str()));
}

TEST_F(CgroupLayout, FiltersByUnit) {
    unit("runs.service", service("--listen 8304", ""));
    ASSERT_EQ(systemctl({"start", "runs.service"}), 0);
    bind_of(8304, "ok");
    Bindtrace filtered({"--json", "--unit", "runs"});
    ASSERT_TRUE(filtered.attached());
    unit("other.service", service("--bind 8305", "Type=oneshot"));
    ASSERT_EQ(systemctl({"start", "other.service"}), 0);
    ASSERT_EQ(systemctl({"restart", "runs.service"}), 0);
    const auto of_port = [](int port) { return [port](const Line& line) { return line.json["port"] == port; }; };
    EXPECT_NE(filtered.wait_for(of_port(8304), 60s), nullptr);
    const Bindtrace::Output output = filtered.stop(SIGINT);
    for (const Line& line : output.lines) EXPECT_NE(line.json["port"], 8305) << "of another unit";
}

}  // namespace
}  // namespace bindtrace
