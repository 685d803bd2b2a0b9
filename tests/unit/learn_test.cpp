// SPDX-License-Identifier: MIT
// Whatever listens, the registry that is learned from it can be read, and the check of it is content.
#include "registry/learn.h"

#include <algorithm>

#include "host_state.h"

namespace bindtrace {
namespace {

constexpr std::uint32_t kBlue = 7;  // a name of `ip netns`

class Learn : public CheckedHost {
  protected:
    std::string learn() {
        return learned_registry(
            state_.held, kNetns,
            [](const std::string& name) { return name == "blue" ? std::optional(kBlue) : std::nullopt; }, "web1");
    }

    void expect_content() {
        const std::string text = learn();
        for (const CheckedEntry& checked : check(text))
            EXPECT_EQ(status_word(checked.status), "ok") << place_text(*checked.entry) << checked.reason << "\n"
                                                         << text;
    }
};

const Person kNginx = {"nginx", 812, "/system.slice/nginx.service", "/usr/sbin/nginx"};
const Person kShell = {"app", 900, "/user.slice/user-1000.slice/session-3.scope", "/opt/app", "bob", 1000};
const Person kNameless = {"gone", 901, nullptr, nullptr, "bob", 1000};
const Person kSystemd = {"systemd", 1, "/init.scope", "/usr/lib/systemd/systemd"};

TEST_F(Learn, NamesOwnersThatLast) {
    has(by(held({"0.0.0.0", 443}), kNginx));
    has(by(held({"127.0.0.1", 8080}), kShell));
    has(by(held({"0.0.0.0", 53, IPPROTO_UDP, TCP_CLOSE}), kNameless));
    has(made_for(by(held({"::", 22}), kSystemd), "/system.slice/ssh.socket"));
    EXPECT_EQ(learn(), R"(# The ports of web1 and their owners, as bindtrace check --learn found them.

# systemd (/usr/lib/systemd/systemd), user root
[[port]]
port = 22
owner = "ssh.socket"

# nginx (/usr/sbin/nginx), user root
[[port]]
port = 443
address = "0.0.0.0"
owner = "nginx.service"

# app (/opt/app), user bob
[[port]]
port = 8080
address = "127.0.0.1"
owner = "exe:/opt/app"

# gone, user bob
[[port]]
port = 53
proto = "udp"
address = "0.0.0.0"
owner = "user:bob"
)");
    expect_content();
}

TEST_F(Learn, WhatIsBoundAndNotListenedOnIsNoEntry) {
    has(by(held({"127.0.0.1", 80, IPPROTO_TCP, TCP_CLOSE}), kNginx));
    EXPECT_NE(learn().find("\n# Not listed:\n#   tcp 80, bound and not listened on: nginx (/usr/sbin/nginx)"),
              std::string::npos)
        << learn();
    EXPECT_EQ(learn().find("[[port]]"), std::string::npos) << learn();
    has(by(held({"0.0.0.0", 80}), kNginx));
    expect_content();
}

TEST_F(Learn, OtherNamespacesAreNamedOrCounted) {
    const auto inside = [](HeldSocket socket, std::uint32_t netns, const char* name) {
        socket.holder.raw.sock.netns = netns;
        if (name != nullptr) socket.holder.netns_name = name;
        return socket;
    };
    has(inside(by(held({"127.0.0.1", 8080}), kShell), kBlue, "blue"));
    has(inside(by(held({"0.0.0.0", 80}), kNginx), 8, "web-1"));
    has(inside(by(held({"0.0.0.0", 81}), kNginx), 8, "web-1"));
    has(inside(by(held({"0.0.0.0", 81}), kNginx), 9, "pause[4711]"));
    has(inside(by(held({"0.0.0.0", 82}), kNginx), 10, nullptr));
    has(inside(by(held({"0.0.0.0", 83}), kNginx), 11, "blue"));  // of a container that is called so
    has(by(held({"127.0.0.1", 8080}), kShell));
    EXPECT_EQ(learn(), R"(# The ports of web1 and their owners, as bindtrace check --learn found them.

# app (/opt/app), user bob
[[port]]
port = 8080
address = "127.0.0.1"
owner = "exe:/opt/app"

# app (/opt/app), user bob
[[port]]
port = 8080
address = "127.0.0.1"
netns = "blue"
owner = "exe:/opt/app"

# Not listed:
#   1 port of a network namespace that has no name of `ip netns`: blue
#   1 port of a network namespace that has no name of `ip netns`: pause
#   1 port of a network namespace that has no name of `ip netns`: without a name
#   2 ports of a network namespace that has no name of `ip netns`: web-1
)");
    state_.netns["blue"] = {kBlue, {}};
    expect_content();
}

TEST_F(Learn, IsTheSameInWhateverOrderTheyAreFound) {
    constexpr std::uint16_t kPorts[] = {443, 80, 8443};
    for (const std::uint16_t port : kPorts) has(by(held({"0.0.0.0", port}), kNginx));
    const std::string text = learn();
    std::ranges::reverse(state_.held.sockets);
    EXPECT_EQ(learn(), text);
}

TEST_F(Learn, BothFamiliesOfOneOwnerAreOneEntry) {
    has(by(held({"0.0.0.0", 80}), kNginx));
    has(with(by(held({"::", 80}), kNginx), BT_OPT_V6ONLY));
    has(by(held({"127.0.0.1", 81}), kNginx));
    has(by(held({"::1", 81}), kNginx));
    expect_content();
    ASSERT_EQ(checked_.size(), 3u);
    EXPECT_EQ(place_text(*checked_[0].entry), "tcp 80");
    EXPECT_EQ(place_text(*checked_[1].entry), "tcp 127.0.0.1:81");
    EXPECT_EQ(place_text(*checked_[2].entry), "tcp [::1]:81");
}

TEST_F(Learn, ThoseThatShareAPortAreAllNamed) {
    has(with(by(held({"0.0.0.0", 5353, IPPROTO_UDP, TCP_CLOSE}), kNginx), BT_OPT_REUSEADDR));
    has(with(by(held({"0.0.0.0", 5353, IPPROTO_UDP, TCP_CLOSE}), kShell), BT_OPT_REUSEADDR));
    has(with(by(held({"0.0.0.0", 53, IPPROTO_UDP, TCP_CLOSE}), kShell), BT_OPT_REUSEADDR));
    has(with(by(held({"127.0.0.1", 53, IPPROTO_UDP, TCP_CLOSE}), kNginx), BT_OPT_REUSEADDR));
    has(by(held({"0.0.0.0", 80}), kNginx));
    has(with(by(held({"::", 80}), kShell), BT_OPT_V6ONLY));
    expect_content();
    ASSERT_EQ(checked_.size(), 4u);
    EXPECT_EQ(owners_text(checked_[3].entry->owners), "exe:/opt/app, nginx.service");
}

TEST_F(Learn, WhatHasNoNameIsAComment) {
    has(held({"0.0.0.0", 4789, IPPROTO_UDP, TCP_CLOSE}));
    state_.held.sockets.back().holder.raw.of_kernel = 1;
    has(by(held({"0.0.0.0", 40197}), kNginx));
    state_.held.sockets.back().holder.raw.explicit_port = 0;
    has(by(held({"0.0.0.0", 4789, IPPROTO_UDP, TCP_CLOSE}), kNginx));
    has(by(held({"0.0.0.0", 80}), kNginx));
    EXPECT_NE(
        learn().find("\n# Not listed:\n#   tcp, a port that the kernel chose: nginx (/usr/sbin/nginx), user root\n"
                     "#   udp 4789, whose owner has no name that would last: the kernel\n"),
        std::string::npos)
        << learn();
    expect_content();
    EXPECT_EQ(checked_.size(), 1u);
}

TEST_F(Learn, WithoutRootWhoChoseAPortIsNotKnown) {
    state_.held.with_processes = false;
    has(by(held({"0.0.0.0", 8080}), kNginx));
    state_.held.sockets.back().holder.raw.explicit_port = 0;
    expect_content();
    EXPECT_EQ(checked_.size(), 1u);
}

TEST_F(Learn, HostileNamesStayNames) {
    has(by(held({"0.0.0.0", 81}), {"x\"\n[[port]]", 7, nullptr, "/tmp/a\"\n[[port]]\nport = 1 # \\ \x1b[2J"}));
    has(by(held({"0.0.0.0", 82}), {"\xff\xfe", 8, nullptr, "/tmp/\xff"}));
    has(by(held({"0.0.0.0", 83}), {"y", 9, nullptr, "/tmp/\xf3\xa0\x81\xa1"}));  // invisible, and takes a surrogate
    expect_content();
    EXPECT_EQ(checked_.size(), 1u);
    EXPECT_EQ(learn().find('\x1b'), std::string::npos);
}

}  // namespace
}  // namespace bindtrace
