// SPDX-License-Identifier: MIT
// A port with more sockets than are looked at. The kernel has the newest first: who is in the way comes last.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "kernel_bindtrace.h"
#include "kernel_socket.h"

namespace bindtrace {
namespace {

constexpr int kLookedAt = 2048;
constexpr int kMany = kLookedAt + 100;

void allow_many_descriptors() {
    const rlimit many{8192, 8192};
    ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &many), 0);
}

class WithReuse : public Socket {
  public:
    explicit WithReuse(int family = AF_INET) : Socket(SOCK_STREAM, family) { set(SOL_SOCKET, SO_REUSEADDR); }
};

// Sockets that share a port, as a server's connections share it with each other.
class Crowd {
  public:
    explicit Crowd(int family, std::uint16_t port) {
        for (int i = 0; i < kMany; ++i) {
            sockets_.push_back(std::make_unique<WithReuse>(family));
            sockets_.back()->bind(port);
        }
    }

  private:
    std::vector<std::unique_ptr<Socket>> sockets_;
};

// Its connections, which nobody has accepted yet.
class Clients {
  public:
    explicit Clients(std::uint16_t port) {
        const linger at_once{1, 0};  // no TIME_WAIT
        for (int i = 0; i < kMany; ++i) {
            sockets_.push_back(std::make_unique<Socket>(SOCK_STREAM));
            setsockopt(sockets_.back()->fd(), SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
            sockets_.back()->connect(port);
        }
    }

  private:
    std::vector<std::unique_ptr<Socket>> sockets_;
};

void expect_listener(const Json& conflict) {
    EXPECT_EQ(conflict["cause"], "listener") << conflict;
    ASSERT_FALSE(conflict["holders"].empty()) << conflict;
    EXPECT_EQ(conflict["holders"][0]["state"], "LISTEN");
    EXPECT_EQ(conflict["holders"][0]["process"]["pid"], getpid());
    EXPECT_EQ(conflict["evidence"]["complete"], false) << conflict["evidence"];
    EXPECT_GE(conflict["evidence"]["sockets"], kLookedAt);
    EXPECT_NE(conflict["summary"].get<std::string>().find("there are more"), std::string::npos) << conflict["summary"];
    EXPECT_EQ(conflict["advice"].dump().find("SO_REUSE"), std::string::npos) << conflict["advice"];
}

class ABusyServer : public testing::Test {
  protected:
    void SetUp() override { allow_many_descriptors(); }
};

TEST_F(ABusyServer, IsNamedAndNotItsConnections) {
    const WithReuse server;
    const std::uint16_t port = server.bind();
    ASSERT_EQ(::listen(server.fd(), 2 * kMany), 0);
    const Clients clients(port);
    LateTracer tracer;
    ASSERT_TRUE(tracer.attached());
    expect_listener(tracer.verdict_on(port, WithReuse()));  // for which the connections are not in the way
    const Json conflict = tracer.verdict_on(port);
    expect_listener(conflict);
    EXPECT_GE(conflict["in_the_way"], kLookedAt) << conflict;
    EXPECT_NE(conflict["summary"].get<std::string>().find("and at least 20"), std::string::npos) << conflict["summary"];
}

TEST_F(ABusyServer, IsFoundByTheAddressesItMayListenOn) {
    const WithReuse all, six(AF_INET6);
    sockaddr_in any{};
    any.sin_family = AF_INET;
    ASSERT_EQ(::bind(all.fd(), reinterpret_cast<sockaddr*>(&any), sizeof(any)), 0);
    six.set(IPPROTO_IPV6, IPV6_V6ONLY);
    const std::uint16_t port = six.bind();
    const Crowd crowd(AF_INET, all.port()), crowd_of_six(AF_INET6, port);
    all.listen();
    six.listen();
    LateTracer tracer;
    ASSERT_TRUE(tracer.attached());
    expect_listener(tracer.verdict_on(all.port(), WithReuse()));
    sockaddr_in6 every{};
    every.sin6_family = AF_INET6;
    every.sin6_port = htons(port);
    expect_listener(tracer.verdict_on(WithReuse(AF_INET6), every));
}

TEST_F(ABusyServer, IsNotSaidToHaveLetGoWhereNotAllWereLookedAt) {
    const Socket first(SOCK_STREAM);
    const std::uint16_t port =
        first.bind();  // so that the kernel looks at each socket, and not at what the last one set
    first.set(SOL_SOCKET, SO_REUSEADDR);
    const Crowd crowd(AF_INET, port);
    first.set(SOL_SOCKET, SO_REUSEADDR, 0);
    LateTracer tracer;
    ASSERT_TRUE(tracer.attached());
    const Json conflict = tracer.verdict_on(port, WithReuse());
    EXPECT_EQ(conflict["cause"], "unknown") << conflict;
    EXPECT_EQ(conflict["evidence"]["complete"], false);
    EXPECT_NE(conflict["summary"].get<std::string>().find("there are more"), std::string::npos) << conflict["summary"];
}

}  // namespace
}  // namespace bindtrace
