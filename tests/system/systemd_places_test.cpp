// SPDX-License-Identifier: MIT
// Where systemd puts a process that has, or wants, a port: instances, scopes, a user's own manager, machines, network
// namespaces; and what becomes of a unit that did not get its port.

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include "system_world.h"

namespace bindtrace {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

class SystemdPlaces : public SystemTest {
  protected:
    static std::string advice_of(const Json& refused) { return refused["conflict"]["advice"][0]; }

    // A bind of ours that is refused, as it is told.
    static Json refused(std::uint16_t port) {
        EXPECT_EQ(take_port(port, true), EADDRINUSE);
        return bind_of(port, "EADDRINUSE");
    }
};

TEST_F(SystemdPlaces, AnInstanceOfATemplate) {
    unit("worker@.service", service("--listen %i", ""));
    ASSERT_EQ(systemctl({"start", "worker@8401.service"}), 0);
    const Json made = bind_of(8401, "ok");
    EXPECT_EQ(made["unit"], "worker@8401.service");
    EXPECT_EQ(made["slice"], "system-worker.slice");
    EXPECT_EQ(advice_of(refused(8401)).find("systemctl stop worker@8401.service"), 0u);
    EXPECT_EQ(systemctl({"stop", "worker@8401.service"}), 0);  // as advised
    EXPECT_EQ(take_port(8401, true), 0);
}

TEST_F(SystemdPlaces, AServiceThatWasGivenItsSocket) {
    unit("given.socket", "[Socket]\nListenStream=8402\n");
    unit("given.service", service("--activated 8402", ""));
    ASSERT_EQ(systemctl({"start", "given.socket", "given.service"}), 0);
    bind_of(8402, "ok");
    const Json both = refused(8402)["conflict"];
    EXPECT_TRUE(has(both["factors"], "socket-activated")) << both["factors"];
    EXPECT_EQ(both["holders"][0]["process"]["pid"], 1) << "has had it longest";
    EXPECT_EQ(both["holders"][0]["processes"], 2);
    EXPECT_EQ(both["advice"][0].get<std::string>().find(
                  "systemctl disable --now given.socket, systemctl stop given.service, then"),
              0u)
        << both["advice"];
    EXPECT_TRUE(
        has(both["advice"],
            "keep the unit and move its port: ListenStream= and then ListenStream=OTHER in a drop-in (systemctl "
            "edit given.socket), then systemctl stop given.service, systemctl restart given.socket"))
        << both["advice"];
    ASSERT_EQ(systemctl({"disable", "--now", "given.socket"}), 0);  // as advised, both
    ASSERT_EQ(systemctl({"stop", "given.service"}), 0);
    EXPECT_EQ(take_port(8402, true), 0);
    ASSERT_EQ(systemctl({"start", "given.socket", "given.service"}), 0);
    drop_in("given.socket", "[Socket]\nListenStream=\nListenStream=8412\n");  // or so
    EXPECT_NE(systemctl({"restart", "given.socket"}), 0) << "while its service runs";
    ASSERT_EQ(systemctl({"stop", "given.service"}), 0);
    ASSERT_EQ(systemctl({"restart", "given.socket"}), 0);
    EXPECT_EQ(take_port(8402, true), 0);
    bind_of(8412, "ok");
    drop_in("given.socket", "");
}

TEST_F(SystemdPlaces, AServiceThatKeepsTheSocketOfItsSocketUnit) {
    unit("kept.socket", "[Socket]\nListenStream=8413\n");
    unit("kept.service", service("--activated 8413", ""));
    ASSERT_EQ(systemctl({"start", "kept.socket", "kept.service"}), 0);
    bind_of(8413, "ok");
    ASSERT_EQ(systemctl({"stop", "kept.socket"}), 0);  // its service keeps the socket
    const Json kept = refused(8413);
    const Json& holder = kept["conflict"]["holders"][0];
    EXPECT_EQ(holder["unit"], "kept.service");
    EXPECT_EQ(holder["socket_unit"], "kept.socket") << "which made it";
    EXPECT_EQ(advice_of(kept).find("systemctl stop kept.service"), 0u) << kept["conflict"]["advice"];
    ASSERT_EQ(systemctl({"stop", "kept.service"}), 0);  // as advised
    EXPECT_EQ(take_port(8413, true), 0);
}

TEST_F(SystemdPlaces, NginxAgainstAnotherService) {
    unit("squatter.service", service("--listen 80", ""));
    ASSERT_EQ(systemctl({"start", "squatter.service"}), 0);
    bind_of(80, "ok");
    EXPECT_NE(systemctl({"start", "nginx.service"}), 0);
    const Json failed = bind_of(80, "EADDRINUSE");
    EXPECT_EQ(failed["unit"], "nginx.service");
    EXPECT_EQ(failed["conflict"]["holders"][0]["unit"], "squatter.service");
    const std::string advice = advice_of(failed);
    EXPECT_EQ(advice.find("systemctl stop squatter.service, then systemctl restart nginx.service"), 0u) << advice;
    ASSERT_EQ(systemctl({"stop", "squatter.service"}), 0);  // as advised
    EXPECT_EQ(systemctl({"restart", "nginx.service"}), 0);
    EXPECT_EQ(systemctl({"stop", "nginx.service"}), 0);
}

TEST_F(SystemdPlaces, AUsersOwnManager) {
    make_user("dev", "1000");
    ASSERT_EQ(systemctl({"start", "user@1000.service"}), 0);
    const char* libraries = std::getenv("LD_LIBRARY_PATH");
    const Ended started = run(
        {"/usr/bin/setpriv", "--reuid=1000", "--regid=1000", "--clear-groups", "/usr/bin/env",
         "XDG_RUNTIME_DIR=/run/user/1000", "/usr/bin/systemd-run", "--user", "--unit=vite", "-E",
         std::string("LD_LIBRARY_PATH=") + (libraries != nullptr ? libraries : ""), own_program(), "--listen", "8403"},
        90s);
    ASSERT_EQ(started.code, 0) << started.errors;
    const Json made = bind_of(8403, "ok");
    EXPECT_EQ(made["unit"], "vite.service");
    EXPECT_EQ(made["slice"], "app.slice");
    EXPECT_EQ(made["cgroup"]["path"], "/user.slice/user-1000.slice/user@1000.service/app.slice/vite.service");
    const Json told = refused(8403);
    EXPECT_TRUE(has(told["conflict"]["factors"], "user-session")) << told["conflict"]["factors"];
    EXPECT_NE(advice_of(told).find("dev"), std::string::npos) << "whom to talk to: " << advice_of(told);
    EXPECT_NE(advice_of(told).find("vite.service"), std::string::npos) << advice_of(told);
    EXPECT_EQ(systemctl({"stop", "user@1000.service"}), 0);
}

// A root folder of a busybox alone.
class Machine : public SystemdPlaces {
  protected:
    static std::string folder() {
        const std::string root = "/tmp/box";
        fs::create_directories(root + "/bin");
        fs::create_directories(root + "/usr");
        fs::create_directories(root + "/etc");
        fs::copy_file("/bin/busybox", root + "/bin/busybox", fs::copy_options::overwrite_existing);
        std::ofstream(root + "/etc/os-release") << "ID=box\n";
        return root;
    }
    static Words nspawn(Words options, const std::string& command) {
        Words words = {"/usr/bin/systemd-nspawn", "--quiet", "--machine=box", "--as-pid2", "--directory=" + folder()};
        words.insert(words.end(), options.begin(), options.end());
        words.insert(words.end(), {"/bin/busybox", "sh", "-c", command});
        return words;
    }
};

TEST_F(Machine, IsAContainerOfSystemdNspawn) {
    ChildProcess machine(nspawn({}, "/bin/busybox nc -l -p 8404"));
    const Json made = bind_of(8404, "ok");
    EXPECT_EQ(made["container"]["runtime"], "systemd-nspawn") << made["cgroup"];
    EXPECT_EQ(made["container"]["name"], "box");
    EXPECT_EQ(made["unit"], "machine-box.scope");
    EXPECT_EQ(made["slice"], "machine.slice");
    const Json told = refused(8404);
    EXPECT_EQ(told["conflict"]["holders"][0]["container"]["name"], "box");
    EXPECT_NE(told["conflict"]["advice"].dump().find("machinectl stop box"), std::string::npos) << told["conflict"];
    EXPECT_EQ(run({"/usr/bin/machinectl", "stop", "box"}, 60s).code, 0);  // as advised
    machine.wait(60s);
    EXPECT_EQ(take_port(8404, true), 0);
}

TEST_F(Machine, NamesItsNetworkNamespace) {
    ChildProcess machine(nspawn({"--private-network"}, "/bin/busybox nc -l -p 8405"));
    EXPECT_EQ(bind_of(8405, "ok")["netns"]["name"], "box");
    EXPECT_EQ(run({"/usr/bin/machinectl", "terminate", "box"}, 60s).code, 0);
    machine.wait(60s);
}

TEST_F(SystemdPlaces, NetworkNamespacesThatUnitsShareOrWereGiven) {
    unit("first.service", service("--listen 8406", "PrivateNetwork=yes"));
    unit("second.service", "[Unit]\nJoinsNamespaceOf=first.service\n" + service("--listen 8407", "PrivateNetwork=yes"));
    ASSERT_EQ(systemctl({"start", "first.service"}), 0);
    const Json first = bind_of(8406, "ok");
    ASSERT_EQ(systemctl({"start", "second.service"}), 0);
    const Json second = bind_of(8407, "ok");
    EXPECT_EQ(second["unit"], "second.service");
    EXPECT_EQ(second["netns"], first["netns"]);
    EXPECT_EQ(second["netns"]["name"], "first.service") << "whose it is";
    ASSERT_EQ(run({"/usr/sbin/ip", "netns", "add", "blue"}).code, 0);
    unit("third.service", service("--listen 8408", "NetworkNamespacePath=/run/netns/blue"));
    ASSERT_EQ(systemctl({"start", "third.service"}), 0);
    EXPECT_EQ(bind_of(8408, "ok")["netns"]["name"], "blue");
    for (const char* const port : {"8406", "8408"}) {
        const Json listed = Json::parse(run_bindtrace({"who", "--json", port}).out, nullptr, false);
        EXPECT_EQ(listed["netns"]["name"], std::string(port) == "8406" ? "first.service" : "blue");
    }
}

TEST_F(SystemdPlaces, AServiceThatRunsOnWithoutItsPortIsTold) {
    int held = -1;
    ASSERT_EQ(take_port(8409, true, &held), 0);
    Bindtrace watching({"--json"});
    ASSERT_TRUE(watching.attached());
    unit("stays.service", service("--stay 8409", ""));
    unit("leaves.service", service("--bind 8409", ""));
    ASSERT_EQ(systemctl({"start", "stays.service", "leaves.service"}), 0);
    bind_of(8409, "EADDRINUSE");
    bind_of(8409, "EADDRINUSE");
    std::this_thread::sleep_for(16s);
    EXPECT_EQ(systemctl({"is-active", "--quiet", "stays.service"}), 0) << "as far as systemd knows";
    std::vector<Json> warnings;
    for (const Line& line : watching.stop(SIGINT).lines)
        if (line.json["type"] == "warning") warnings.push_back(line.json);
    ASSERT_EQ(warnings.size(), 1u) << "of this one, once";
    const Json& warning = warnings.front();
    EXPECT_EQ(warning["reason"], "service-without-port");
    EXPECT_EQ(warning["local_port"], 8409);
    EXPECT_EQ(warning["result"], "EADDRINUSE");
    EXPECT_TRUE(warning["registry"].is_null() && warning["holder"].is_null()) << warning;
    EXPECT_EQ(warning["requester"]["unit"], "stays.service");
    EXPECT_EQ(warning["advice"], Json({"once the port is free, systemctl restart stays.service"}));
    ::close(held);
    ASSERT_EQ(systemctl({"restart", "stays.service"}), 0);  // as advised
    bind_of(8409, "ok");
}

// With what it takes to trace, and no more: names that are not to be had are null.
TEST_F(SystemdPlaces, WithoutPermissionToReadThereIsOneWarning) {
    const Words to_trace = {"/usr/bin/setpriv",
                            "--reuid=65534",
                            "--regid=65534",
                            "--clear-groups",
                            "--inh-caps=-all,+bpf,+perfmon,+net_admin",
                            "--ambient-caps=-all,+bpf,+perfmon,+net_admin",
                            bindtrace_binary()};
    const auto only_to_trace = [&](Words words) {
        words.insert(words.begin(), to_trace.begin(), to_trace.end());
        return words;
    };
    Bindtrace tracing(only_to_trace({"--json"}), Bindtrace::Whole{});
    ASSERT_TRUE(tracing.attached());
    unit("seen.service", service("--listen 8410", ""));
    ASSERT_EQ(systemctl({"start", "seen.service"}), 0);
    bind_of(8410, "ok");
    const auto is_seen = [](const Line& line) { return line.json["type"] == "bind" && line.json["port"] == 8410; };
    const Line* const bind = tracing.wait_for(is_seen, 60s);
    ASSERT_NE(bind, nullptr);
    EXPECT_EQ(bind->json["process"]["comm"], "system_tests");
    EXPECT_EQ(bind->json["container"], nullptr);
    const std::string errors = tracing.stop(SIGINT).errors;
    EXPECT_NE(errors.find("missing CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH"), std::string::npos) << errors;
    EXPECT_EQ(std::count(errors.begin(), errors.end(), '\n'), 2) << "that, and the totals: " << errors;
    const Ended who = run(only_to_trace({"who", "--json", "8410"}));
    ASSERT_EQ(who.code, 0) << who.errors;
    const Json listed = Json::parse(who.out, nullptr, false);
    EXPECT_EQ(listed["local_port"], 8410);
    EXPECT_GT(listed["process"]["pid"], 1);
    EXPECT_EQ(listed["unit"], nullptr);
    EXPECT_EQ(listed["container"], nullptr);
    EXPECT_NE(who.errors.find("missing CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH"), std::string::npos) << who.errors;
    EXPECT_EQ(std::count(who.errors.begin(), who.errors.end(), '\n'), 1) << who.errors;
}

}  // namespace
}  // namespace bindtrace
