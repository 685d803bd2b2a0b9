// SPDX-License-Identifier: MIT
// Whose a port is: owners, addresses, families, protocols, connections, and what is not known.
#include "registry/check.h"

#include "host_state.h"

namespace bindtrace {
namespace {

using Check = CheckedHost;

const Person kNginx = {"nginx", 812, "/system.slice/nginx.service", "/usr/sbin/nginx", "www-data", 33};
const Person kOtherPerson = {"other", 813, "/user.slice/user-1000.slice/session-3.scope", "/home/x/nginx", "x", 1000};
const Person kSystemd = {"systemd", 1, "/init.scope", "/usr/lib/systemd/systemd"};

TEST_F(Check, OwnersByUnitUserAndProgram) {
    has(by(held({"0.0.0.0", 80}), kNginx));
    EXPECT_EQ(status("port = 80\nowner = 'nginx.service'"), "ok");
    EXPECT_EQ(status("port = 80\nowner = 'nginx2.service'"), "taken");
    EXPECT_EQ(status("port = 80\nowner = 'user:www-data'"), "ok");
    EXPECT_EQ(status("port = 80\nowner = 'user:33'"), "ok");
    EXPECT_EQ(status("port = 80\nowner = 'user:root'"), "taken");
    EXPECT_EQ(status("port = 80\nowner = 'exe:/usr/sbin/nginx'"), "ok");
    EXPECT_EQ(status("port = 80\nowner = 'exe:/usr/sbin/ngin'"), "taken");
    EXPECT_EQ(status("port = 80\nowner = 'free'"), "taken");
    EXPECT_EQ(status("port = 80\nowner = ['a.service', 'user:www-data']"), "ok");
    EXPECT_EQ(status("port = 81\nowner = 'nginx.service'"), "free");
    EXPECT_EQ(status("port = 81\nowner = 'free'"), "ok");
    EXPECT_EQ(status("port = '79-81'\nowner = 'nginx.service'"), "ok");
}

TEST_F(Check, OwnersByContainer) {
    has(by(held({"0.0.0.0", 80}), kNginx));
    EXPECT_EQ(status("port = 80\nowner = 'container:web'"), "taken") << "it is in none";
    EXPECT_EQ(status("port = 81\nowner = 'container:web'"), "free");
    const std::string id(64, 'a');
    ContainerFacts& facts = state_.held.sockets[0].holder.container;  // that it is in, or that has published the port
    facts.container = Container{.runtime = "docker", .id = id, .name = "web", .image = {}};
    EXPECT_EQ(status("port = 80\nowner = 'container:web'"), "ok");
    EXPECT_EQ(status("port = 80\nowner = 'container:aaaaaaaaaaaa'"), "ok");
    EXPECT_EQ(status("port = 80\nowner = 'container:aaaa'"), "taken");
    EXPECT_EQ(status("port = 80\nowner = 'container:web2'"), "taken");
    facts.container->name.reset();
    EXPECT_EQ(status("port = 80\nowner = 'container:web'"), "unknown");
    EXPECT_EQ(checked_[0].reason, "the name of its container is not known");
}

TEST_F(Check, OwnersByInstanceAndAlias) {
    has(by(held({"0.0.0.0", 80}), {"app", 9, "/system.slice/system-app.slice/app@one.service"}));
    EXPECT_EQ(status("port = 80\nowner = 'app@.service'"), "ok");
    EXPECT_EQ(status("port = 80\nowner = 'app@one.service'"), "ok");
    EXPECT_EQ(status("port = 80\nowner = 'app@two.service'"), "taken");
    EXPECT_EQ(status("port = 80\nowner = 'app.service'"), "taken");
    unit("app@one.service", "[Service]\n");
    std::filesystem::create_symlink("app@one.service", root_ / "etc/systemd/system/alias.service");
    EXPECT_EQ(status("port = 80\nowner = 'alias.service'"), "ok");
}

TEST_F(Check, APersonsUnitOfTheSameNameIsNotTheOwner) {
    has(by(held({"0.0.0.0", 80}),
           {"x", 9, "/user.slice/user-1000.slice/user@1000.service/app.slice/nginx.service", nullptr, "x", 1000}));
    EXPECT_EQ(status("port = 80\nowner = 'nginx.service'"), "taken");
    state_.held.sockets[0] =
        made_for(state_.held.sockets[0], "/user.slice/user-1000.slice/user@1000.service/app.slice/web.socket");
    EXPECT_EQ(status("port = 80\nowner = 'web.socket'"), "taken");
    state_.held.sockets[0].users[0].cgroup_path = "/user.slice/user-1000.slice/user@1000.service/init.scope";
    EXPECT_EQ(status("port = 80\nowner = 'init.scope'"), "taken");
}

TEST_F(Check, ASocketUnitCountsForItsServiceAndTheOtherWayRound) {
    has(made_for(by(held({"::", 80}), kSystemd), "/system.slice/web.socket"));
    EXPECT_EQ(status("port = 80\nowner = 'web.service'"), "ok");
    EXPECT_EQ(status("port = 80\nowner = 'web.socket'"), "ok");
    EXPECT_EQ(status("port = 80\nowner = 'other.service'"), "taken");
    unit("web.socket", "[Socket]\nListenStream=80\nService=other.service\n");
    EXPECT_EQ(status("port = 80\nowner = 'other.service'"), "ok");
    EXPECT_EQ(status("port = 80\nowner = 'web.service'"), "taken");
    state_.held.sockets = {by(held({"::", 80}), {"other", 7, "/system.slice/other.service"})};
    EXPECT_EQ(status("port = 80\nowner = 'web.socket'"), "ok") << "its service has it";
}

TEST_F(Check, RespectsAddressFamilyProtocolAndNamespace) {
    has(by(held({"10.0.0.1", 80}), kNginx));
    EXPECT_EQ(status("port = 80\naddress = '10.0.0.1'\nowner = 'free'"), "taken");
    EXPECT_EQ(status("port = 80\naddress = '0.0.0.0'\nowner = 'free'"), "taken");
    EXPECT_EQ(status("port = 80\naddress = '10.0.0.2'\nowner = 'free'"), "ok");
    EXPECT_EQ(status("port = 80\naddress = '::'\nowner = 'free'"), "ok") << "another family";
    EXPECT_EQ(status("port = 80\nproto = 'udp'\nowner = 'free'"), "ok");
    state_.netns["web"] = {7, {}};
    EXPECT_EQ(status("port = 80\nnetns = 'web'\nowner = 'free'"), "ok");
    state_.held.sockets[0].holder.raw.sock.netns = 7;
    EXPECT_EQ(status("port = 80\nnetns = 'web'\nowner = 'free'"), "taken");
    EXPECT_EQ(status("port = 80\nowner = 'free'"), "ok");

    state_.held.sockets = {by(held({"::", 80}), kNginx)};
    EXPECT_EQ(status("port = 80\naddress = '10.0.0.1'\nowner = 'free'"), "taken") << "dual-stack";
    state_.held.sockets = {with(by(held({"::", 80}), kNginx), BT_OPT_V6ONLY)};
    EXPECT_EQ(status("port = 80\naddress = '10.0.0.1'\nowner = 'free'"), "ok");
    state_.held.sockets = {by(held({"0.0.0.0", 53, IPPROTO_UDP, TCP_CLOSE}), kNginx)};
    EXPECT_EQ(status("port = 53\nproto = 'udp'\nowner = 'nginx.service'"), "ok");
    EXPECT_EQ(status("port = 53\nowner = 'free'"), "ok");
    constexpr std::uint16_t kMptcp = 262;
    state_.held.sockets = {by(held({"0.0.0.0", 80, kMptcp}), kNginx)};
    EXPECT_EQ(status("port = 80\nowner = 'nginx.service'"), "ok") << "MPTCP takes ports of TCP";
}

TEST_F(Check, AnUnknownNamespaceNeverPasses) {
    state_.netns["gone"] = {std::nullopt, {}};
    EXPECT_EQ(status("port = 80\nnetns = 'gone'\nowner = 'free'"), "unknown");
    EXPECT_EQ(checked_[0].reason, "there is no network namespace 'gone' to be seen");
}

TEST_F(Check, AConnectionIsInTheWayUnlessItIsOfThePortsOwnServer) {
    const HeldSocket client =
        by(connected(held({"10.0.0.1", 8080, IPPROTO_TCP, TCP_ESTABLISHED}), "10.0.0.5", 8848), kOtherPerson);
    has(client);
    EXPECT_EQ(status("port = 8080\nowner = 'nginx.service'"), "taken");
    EXPECT_EQ(holder_words(*checked_[0].claims.at(0).socket),
              "other[813] of session-3.scope, source port of its connection to 10.0.0.5:8848");
    EXPECT_EQ(status("port = 8080\nowner = 'user:x'"), "free") << "it does not listen";
    EXPECT_EQ(checked_[0].reason, "its owner has connections from it, and does not listen on it");
    has(by(held({"0.0.0.0", 8080}), kNginx));
    EXPECT_EQ(status("port = 8080\nowner = 'nginx.service'"), "ok") << "accepted there";
}

TEST_F(Check, WhatIsBoundAndNotListenedOnIsNotServed) {
    has(by(held({"0.0.0.0", 80, IPPROTO_TCP, TCP_CLOSE}), kNginx));
    EXPECT_EQ(status("port = 80\nowner = 'nginx.service'"), "free");
    EXPECT_EQ(checked_[0].reason, "its owner has bound it, and does not listen on it");
    EXPECT_EQ(status("port = 80\nowner = 'other.service'"), "taken");
    state_.held.sockets[0].holder.published.emplace();
    EXPECT_EQ(status("port = 80\nowner = 'nginx.service'"), "ok") << "what comes there goes to a container";
}

TEST_F(Check, WhatLingersIsToldAndAClientsTimeWaitIsInTheWay) {
    HeldSocket closed = connected(held({"10.0.0.1", 8080, IPPROTO_TCP, TCP_TIME_WAIT}), "10.0.0.5", 8848);
    closed.holder.raw.sock.inode = 0;
    has(closed);
    EXPECT_EQ(status("port = 8080\nowner = 'nginx.service'"), "free");
    EXPECT_NE(checked_[0].reason.find("1 closed connection of it linger"), std::string::npos) << checked_[0].reason;
    state_.held.sockets[0].holder.raw.flags |= BT_EVENT_EPHEMERAL;
    EXPECT_EQ(status("port = 8080\nowner = 'nginx.service'"), "taken");
    EXPECT_EQ(status("port = 8080\nowner = 'free'"), "taken");
}

TEST_F(Check, WhatIsNotKnownNeverPasses) {
    has(held({"0.0.0.0", 80}));
    EXPECT_EQ(status("port = 80\nowner = 'nginx.service'"), "unknown");
    EXPECT_EQ(checked_[0].reason, "who has it open was not to be seen");
    state_.held.sockets = {by(held({"0.0.0.0", 80}), {"nginx", 5, nullptr})};
    EXPECT_EQ(status("port = 80\nowner = 'nginx.service'"), "unknown");
    EXPECT_EQ(checked_[0].reason, "the cgroup of its holder is not known");
    EXPECT_EQ(status("port = 80\nowner = 'exe:/usr/sbin/nginx'"), "unknown");
    EXPECT_EQ(checked_[0].reason, "the program of its holder is not known");
    state_.held.sockets.clear();
    state_.held.complete = false;
    EXPECT_EQ(status("port = 80\nowner = 'free'"), "unknown") << "there were more";
}

TEST_F(Check, WithoutRootItSaysWhatItCannotSee) {
    state_.held.with_processes = false;
    EXPECT_EQ(status("port = 80\nowner = 'nginx.service'"), "free");
    EXPECT_EQ(status("port = 80\nowner = 'free'"), "unknown");
    EXPECT_EQ(status("port = 80\nproto = 'udp'\nowner = 'free'"), "ok") << "the table of UDP has them all";
    state_.netns["web"] = {7, {}};
    EXPECT_EQ(status("port = 80\nnetns = 'web'\nproto = 'udp'\nowner = 'free'"), "unknown");
}

TEST_F(Check, TheKernelsOwnSocketIsNobodysUnit) {
    has(held({"0.0.0.0", 4789, IPPROTO_UDP, TCP_CLOSE}));
    state_.held.sockets[0].holder.raw.of_kernel = 1;
    EXPECT_EQ(status("port = 4789\nproto = 'udp'\nowner = 'x.service'"), "taken");
    EXPECT_EQ(holder_words(*checked_[0].claims.at(0).socket), "the kernel");
}

}  // namespace
}  // namespace bindtrace
