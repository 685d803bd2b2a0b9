// SPDX-License-Identifier: MIT
// --registry: the kernel side passes claims of registered ports by filters that hide all else, under every strategy.
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <string>

#include "kernel_bindtrace.h"
#include "kernel_socket.h"

namespace bindtrace {
namespace {

// All ports are spoken for.
class WatchedPorts {
  public:
    WatchedPorts() {
        std::ofstream(file_) << "[[port]]\nport = '1-65535'\nowner = 'exe:/nobody'\n"
                                "[[port]]\nport = '1-65535'\nproto = 'udp'\nowner = 'exe:/nobody'\n";
    }
    ~WatchedPorts() { std::remove(file_.c_str()); }
    WatchedPorts(const WatchedPorts&) = delete;
    WatchedPorts& operator=(const WatchedPorts&) = delete;

    const std::string& file() const { return file_; }

  private:
    std::string file_ = "/tmp/watched-" + std::to_string(getpid()) + ".toml";
};

TEST(RegisteredPorts, PassFiltersThatHideAllElse) {
    const WatchedPorts ports;
    ChildProcess tracer({from_environment("BINDTRACE", "build/bindtrace"), "--json", "--registry", ports.file(),
                         "--pid", "1", "--port", "7", "--events", "release", "--no-ephemeral", "--attach",
                         from_environment("BT_STRATEGY", "auto")});
    const auto meta = tracer.read_line();
    ASSERT_TRUE(meta) << tracer.errors();
    // The next one of ours: "bind tcp 80 other-owner".
    const auto next = [&]() -> std::string {
        while (const auto line = tracer.read_line()) {
            const Json told = Json::parse(*line, nullptr, false);
            const std::string type = told.value("type", "");
            if (type == "loss") continue;  // what is lost is told whatever the filters
            if (type != "warning") return "not a warning: " + *line;
            const Json& process = told["holder"]["process"];
            if (!process.is_object() || process["pid"] != getpid()) continue;
            return type + " " + told["holder"]["acquired"].get<std::string>() + " " + told["proto"].get<std::string>() +
                   " " + std::to_string(told["local_port"].get<unsigned>()) + " " + told["reason"].get<std::string>();
        }
        return "it has ended: " + tracer.errors();
    };
    const auto with = [](const char* how, const Socket& socket, const char* reason) {
        return "warning " + std::string(how) + " " + std::to_string(socket.port()) + " " + reason;
    };

    const Socket server(SOCK_STREAM), server6(SOCK_STREAM, AF_INET6), any(SOCK_STREAM), unbound(SOCK_STREAM);
    const std::uint16_t port = any.bind();
    EXPECT_EQ(next(), with("bind tcp", any, "ephemeral"));
    server.bind(static_cast<std::uint16_t>(port ^ 0x40));
    EXPECT_EQ(next(), with("bind tcp", server, "other-owner"));
    server.listen();  // is the same claim
    server6.bind(static_cast<std::uint16_t>(port ^ 0x80));
    EXPECT_EQ(next(), with("bind tcp", server6, "other-owner"));
    unbound.listen();
    EXPECT_EQ(next(), with("listen tcp", unbound, "ephemeral"));
    const Socket client(SOCK_STREAM), datagrams(SOCK_DGRAM), datagrams6(SOCK_DGRAM, AF_INET6);
    client.connect(server.port());
    EXPECT_EQ(next(), with("connect tcp", client, "ephemeral"));
    datagrams.connect(port);
    EXPECT_EQ(next(), with("connect udp", datagrams, "ephemeral"));
    datagrams6.bind(static_cast<std::uint16_t>(port ^ 0x100));
    EXPECT_EQ(next(), with("bind udp", datagrams6, "other-owner"));
    tracer.signal(SIGINT);
    EXPECT_EQ(next().find("it has ended"), 0u) << "and nothing else";
    EXPECT_EQ(tracer.wait(std::chrono::seconds(60)), 0);
}

}  // namespace
}  // namespace bindtrace
