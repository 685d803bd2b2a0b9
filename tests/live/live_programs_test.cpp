// SPDX-License-Identifier: MIT
// Real programs, each in a network namespace of its own, named by what they are.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>

#include "live_bindtrace.h"
#include "live_netns.h"
#include "unit/temp_dir.h"
#include "unit/wait_until.h"

namespace bindtrace {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

// The first of the usual folders that has it, with links followed; empty where none does.
std::string find_program(const std::string& name) {
    for (const char* folder : {"/usr/bin/", "/usr/sbin/", "/bin/", "/sbin/", "/usr/local/bin/"}) {
        const std::string path = folder + name;
        if (::access(path.c_str(), X_OK) == 0) return path;
    }
    return "";
}

#define NEED_PROGRAM(variable, name, package)        \
    const std::string variable = find_program(name); \
    ASSERT_NE(variable, "") << "apt-get install " package

class RealProgram : public testing::Test {
  protected:
    void SetUp() override {
        bindtrace_ = std::make_unique<Bindtrace>(Words{"--json", "--netns", netns_.inum_text()});
        ASSERT_TRUE(bindtrace_->attached());
    }

    // Its output is read by nobody: none of these fills a pipe.
    std::unique_ptr<ChildProcess> start(const Words& argv) const {
        std::unique_ptr<ChildProcess> process;
        netns_.run([&] { process = std::make_unique<ChildProcess>(argv); });
        return process;
    }
    void set_sysctl(const std::string& name, const std::string& value) const {
        netns_.run([&] {
            std::ofstream file("/proc/sys/net/ipv4/" + name);
            file << value << std::flush;
            EXPECT_TRUE(file) << name;
        });
    }
    void stop(ChildProcess& process) const {
        process.signal(SIGTERM);
        EXPECT_TRUE(process.wait(20s).has_value());
    }

    // Waits for the event with these words, of that process where one is given.
    std::optional<Json> seen(const std::string& words, std::optional<pid_t> pid = {}) const {
        const auto wanted = [&](const Line& line) {
            return line.json["type"] != "meta" && brief(line.json) == words &&
                   (!pid || line.json["process"]["pid"] == *pid);
        };
        const Line* line = bindtrace_->wait_for(wanted, 60s);
        if (line == nullptr) {
            ADD_FAILURE() << "not seen: " << words << "\nbut:\n" << everything();
            return std::nullopt;
        }
        return line->json;
    }
    std::string everything() const {
        std::string text;
        bindtrace_->wait_for([&](const Line& line) { return text += line.text + "\n", false; }, 0ms);
        return text;
    }

    void expect_who(const std::optional<Json>& event, const std::string& program, const Words& argv) const {
        ASSERT_TRUE(event);
        const Json& process = (*event)["process"];
        EXPECT_EQ(process["exe"], fs::canonical(program).string());
        EXPECT_EQ(process["cmdline"], argv);
        EXPECT_EQ(process["uid"], 0);
        EXPECT_EQ((*event)["netns"]["inum"], netns_.inum());
        EXPECT_TRUE((*event)["socket"]["inode"].is_number_unsigned()) << *event;
    }

    const Netns netns_;
    const TempDir dir_;
    std::unique_ptr<Bindtrace> bindtrace_;
};

Words nginx_command(const TempDir& dir, const std::string& nginx, const char* name, int port) {
    const std::string folder = dir / name;
    const std::string config = dir.write(std::string(name) + "/nginx.conf",
                                         "daemon off; user root; worker_processes 1;\n"
                                         "pid " +
                                             folder + "/pid; error_log " + folder +
                                             "/error.log;\n"
                                             "events { worker_connections 16; }\n"
                                             "http { access_log off; client_body_temp_path " +
                                             folder +
                                             "/t1;\n"
                                             "proxy_temp_path " +
                                             folder + "/t2; fastcgi_temp_path " + folder +
                                             "/t3;\n"
                                             "uwsgi_temp_path " +
                                             folder + "/t4; scgi_temp_path " + folder +
                                             "/t5;\n"
                                             "server { listen 127.0.0.1:" +
                                             std::to_string(port) + "; } }\n");
    return {nginx, "-p", folder, "-c", config};
}

TEST_F(RealProgram, NginxAndAnotherOneOnItsPort) {
    NEED_PROGRAM(nginx, "nginx", "nginx-light");
    const Words first_argv = nginx_command(dir_, nginx, "first", 18080);
    const auto first = start(first_argv);
    const auto bound = seen("bind tcp 127.0.0.1:18080 ok", first->pid());
    expect_who(bound, nginx, first_argv);
    EXPECT_EQ((*bound)["process"]["comm"], "nginx");
    EXPECT_EQ((*bound)["sockopt"]["reuseaddr"], true);
    expect_who(seen("listen tcp 127.0.0.1:18080 ok", first->pid()), nginx, first_argv);

    const Words second_argv = nginx_command(dir_, nginx, "second", 18080);
    const auto second = start(second_argv);
    const auto refused = seen("bind tcp 127.0.0.1:18080 EADDRINUSE", second->pid());
    expect_who(refused, nginx, second_argv);
    EXPECT_EQ((*refused)["errno"], EADDRINUSE);
    EXPECT_TRUE((*refused)["local_port"].is_null());
    EXPECT_EQ(second->wait(20s), 1) << "it gives up after some tries";

    stop(*first);
    EXPECT_TRUE(seen("release tcp 127.0.0.1:18080"));
    int refusals = 0;
    for (const Json& event : events_of(bindtrace_->stop(SIGTERM).lines))
        refusals += word_of(event, "result") == "EADDRINUSE" ? 1 : 0;
    EXPECT_EQ(refusals, 5) << "nginx tries five times";
}

TEST_F(RealProgram, PythonServerAndCurl) {
    NEED_PROGRAM(python, "python3", "python3");
    NEED_PROGRAM(curl, "curl", "curl");
    const Words server_argv = {python, "-m", "http.server", "18080", "--bind", "127.0.0.1", "--directory", dir_.path()};
    const auto server = start(server_argv);
    expect_who(seen("bind tcp 127.0.0.1:18080 ok", server->pid()), python, server_argv);
    expect_who(seen("listen tcp 127.0.0.1:18080 ok", server->pid()), python, server_argv);

    const Words client_argv = {curl, "--silent", "--noproxy", "*", "--max-time", "20", "http://127.0.0.1:18080/"};
    const auto client = start(client_argv);
    const auto connected = seen("autobind tcp 127.0.0.1:ephemeral -> 127.0.0.1:18080 ok", client->pid());
    expect_who(connected, curl, client_argv);
    EXPECT_EQ((*connected)["process"]["comm"], "curl");
    EXPECT_EQ((*connected)["op"], "connect");
    EXPECT_EQ((*connected)["ephemeral"], true);
    EXPECT_GE((*connected)["local_port"], 32768);
    EXPECT_EQ(client->wait(30s), 0) << client->errors();

    const auto again = start(server_argv);
    const auto refused = seen("bind tcp 127.0.0.1:18080 EADDRINUSE", again->pid());
    ASSERT_TRUE(refused);
    const Json& conflict = (*refused)["conflict"];
    EXPECT_EQ(conflict["holders"][0]["process"]["pid"], server->pid());
    EXPECT_TRUE(conflict["factors"].is_array() && conflict["factors"].dump().find("\"same-unit\"") != std::string::npos)
        << conflict;
    const std::string advice = conflict["advice"][0];
    EXPECT_TRUE(advice.starts_with("an earlier ")) << conflict;
    EXPECT_NE(advice.find("wait for it to end"), std::string::npos) << conflict;
    stop(*server);  // as advised
    const auto at_last = start(server_argv);
    EXPECT_TRUE(seen("bind tcp 127.0.0.1:18080 ok", at_last->pid()));
    stop(*at_last);
}

TEST_F(RealProgram, JavaServer) {
    NEED_PROGRAM(java, "java", "openjdk-17-jdk-headless");
    const std::string source = dir_.write("Server.java",
                                          "import java.net.*;\n"
                                          "class Server {\n"
                                          "    public static void main(String[] arguments) throws Exception {\n"
                                          "        var address = new InetSocketAddress(\"127.0.0.1\", 18080);\n"
                                          "        var server = new ServerSocket();\n"
                                          "        server.bind(address);\n"
                                          "        server.accept();\n"
                                          "    }\n"
                                          "}\n");
    const Words argv = {java, "-Xshare:auto", source};
    const auto server = start(argv);
    // The JVM asks for an IPv6 socket where it can.
    const Line* line = bindtrace_->wait_for(
        [](const Line& it) { return it.json["type"] == "bind" && it.json["port"] == 18080; }, 120s);
    ASSERT_NE(line, nullptr) << server->wait(0ms).has_value() << everything();
    const Json& event = line->json;
    EXPECT_EQ(event["result"], "ok");
    EXPECT_EQ(event["process"]["pid"], server->pid());
    EXPECT_EQ(event["process"]["exe"], fs::canonical(java).string());
    EXPECT_EQ(event["process"]["cmdline"], argv);
    EXPECT_NE(event["process"]["tid"], event["process"]["pid"]) << "main() runs in a thread of its own";
    const std::string address = event["family"] == "ipv6" ? "::ffff:127.0.0.1" : "127.0.0.1";
    EXPECT_TRUE(seen("bind tcp " + address + ":18080 ok", server->pid()));
    EXPECT_TRUE(seen("listen tcp " + address + ":18080 ok", server->pid()));
    stop(*server);
    EXPECT_TRUE(seen("release tcp " + address + ":18080"));
}

// The story that bindtrace is for: the range of ephemeral ports covers 8080, a client gets 8080 as its source port, and
// the server that comes after it cannot start. As advised, the port is reserved: then it can.
TEST_F(RealProgram, JavaServerWhosePortAClientHas) {
    NEED_PROGRAM(java, "java", "openjdk-17-jdk-headless");
    NEED_PROGRAM(python, "python3", "python3");
    NEED_PROGRAM(curl, "curl", "curl");
    const std::string source = dir_.write("Server.java",
                                          "import com.sun.net.httpserver.HttpServer;\n"
                                          "import java.net.InetSocketAddress;\n"
                                          "class Server {\n"
                                          "    public static void main(String[] arguments) throws Exception {\n"
                                          "        HttpServer.create(new InetSocketAddress(8080), 0).start();\n"
                                          "    }\n"
                                          "}\n");
    const Words server_argv = {java, "-Xshare:auto", source};
    const Words registry_argv = {python,   "-m",        "http.server", "9000",
                                 "--bind", "127.0.0.1", "--directory", dir_.path()};
    const Words client_argv = {curl, "--silent", "--no-buffer", "telnet://127.0.0.1:9000"};
    const std::string grab = "autobind tcp 127.0.0.1:ephemeral -> 127.0.0.1:9000 ok";
    set_sysctl("ip_local_port_range", "8080 8081");

    auto registry = start(registry_argv);
    ASSERT_TRUE(seen("listen tcp 127.0.0.1:9000 ok", registry->pid()));
    const auto client = start(client_argv);
    const auto taken = seen(grab, client->pid());
    ASSERT_TRUE(taken);
    ASSERT_EQ((*taken)["local_port"], 8080);

    const auto refused_server = start(server_argv);
    const Line* line =
        bindtrace_->wait_for([](const Line& it) { return it.json["type"] == "bind" && it.json["port"] == 8080; }, 120s);
    ASSERT_NE(line, nullptr) << everything();
    EXPECT_EQ(line->json["result"], "EADDRINUSE");
    EXPECT_EQ(line->json["process"]["pid"], refused_server->pid());
    const Json& conflict = line->json["conflict"];
    EXPECT_EQ(conflict["cause"], "ephemeral");
    ASSERT_EQ(conflict["holders"].size(), 1u) << conflict;
    const Json& holder = conflict["holders"][0];
    EXPECT_EQ(holder["process"]["pid"], client->pid());
    EXPECT_EQ(holder["process"]["cmdline"], client_argv);
    EXPECT_EQ(holder["acquired"], "connect");
    EXPECT_EQ(holder["remote_addr"], "127.0.0.1");
    EXPECT_EQ(holder["remote_port"], 9000);
    EXPECT_GT(holder["held_ns"], 0);
    EXPECT_EQ(holder["since"], (*taken)["time"]);
    const Json& factors = conflict["factors"];
    EXPECT_NE(std::find(factors.begin(), factors.end(), "range-overlap"), factors.end()) << factors;
    EXPECT_NE(std::find(factors.begin(), factors.end(), "reuseaddr-missing-holder"), factors.end()) << factors;
    EXPECT_NE(conflict["rule"].get<std::string>().find("8080 lies in net.ipv4.ip_local_port_range (8080-8081)"),
              std::string::npos)
        << conflict["rule"];
    EXPECT_NE(conflict["advice"][0].get<std::string>().find("sysctl -w net.ipv4.ip_local_reserved_ports=8080 "),
              std::string::npos)
        << conflict["advice"];
    EXPECT_NE(conflict["advice"][0].get<std::string>().find("close that connection, wait a minute, then "),
              std::string::npos)
        << "whichever end closes first is in TIME_WAIT: " << conflict["advice"];
    EXPECT_EQ(refused_server->wait(60s), 1);
    EXPECT_NE(refused_server->errors().find("BindException"), std::string::npos) << refused_server->errors();

    set_sysctl("ip_local_reserved_ports", "8080");  // as advised
    stop(*registry);                                // closes first, so that the client leaves no TIME_WAIT
    stop(*client);
    const auto released = [](const Line& it) { return it.json["type"] == "release" && it.json["local_port"] == 8080; };
    EXPECT_NE(bindtrace_->wait_for(released), nullptr) << everything();
    registry = start(registry_argv);
    ASSERT_TRUE(seen("listen tcp 127.0.0.1:9000 ok", registry->pid()));
    const auto next_client = start(client_argv);
    const auto elsewhere = seen(grab, next_client->pid());
    ASSERT_TRUE(elsewhere);
    EXPECT_EQ((*elsewhere)["local_port"], 8081);
    const auto server = start(server_argv);
    const auto listens = [&](const Line& it) {
        return it.json["type"] == "listen" && it.json["local_port"] == 8080 && it.json["result"] == "ok" &&
               it.json["process"]["pid"] == server->pid();
    };
    EXPECT_NE(bindtrace_->wait_for(listens, 120s), nullptr) << everything();
    stop(*server);
    stop(*next_client);
    stop(*registry);
}

TEST_F(RealProgram, Dnsmasq) {
    NEED_PROGRAM(dnsmasq, "dnsmasq", "dnsmasq-base");
    const Words argv = {dnsmasq,
                        "--no-daemon",
                        "--port=5353",
                        "--no-hosts",
                        "--no-resolv",
                        "--listen-address=127.0.0.1",
                        "--user=root",
                        "--bind-interfaces",
                        "--conf-file=/dev/null",
                        "--pid-file=" + (dir_ / "pid").string()};
    const auto server = start(argv);
    expect_who(seen("bind udp 127.0.0.1:5353 ok", server->pid()), dnsmasq, argv);
    expect_who(seen("bind tcp 127.0.0.1:5353 ok", server->pid()), dnsmasq, argv);
    const auto listening = seen("listen tcp 127.0.0.1:5353 ok", server->pid());
    expect_who(listening, dnsmasq, argv);
    EXPECT_EQ((*listening)["process"]["comm"], "dnsmasq");
    stop(*server);
    EXPECT_TRUE(seen("release udp 127.0.0.1:5353"));
    EXPECT_TRUE(seen("release tcp 127.0.0.1:5353"));
}

}  // namespace
}  // namespace bindtrace
