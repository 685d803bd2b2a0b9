// SPDX-License-Identifier: MIT
// A host to be checked, made of words.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cstring>
#include <string>
#include <vector>

#include "registry/check.h"
#include "temp_dir.h"

namespace bindtrace {

inline constexpr std::uint32_t kNetns = 4026531840;

struct Listening {
    const char* address;
    std::uint16_t port;
    std::uint16_t protocol = IPPROTO_TCP;
    std::uint8_t state = TCP_LISTEN;
};

inline HeldSocket held(const Listening& what) {
    HeldSocket socket;
    bt_holder& raw = socket.holder.raw;
    bt_sock& sock = raw.sock;
    raw.explicit_port = 1;
    raw.flags = BT_EVENT_HAS_SOCKOPT;
    raw.substate = sock.state = what.state;
    sock.family = std::strchr(what.address, ':') != nullptr ? AF_INET6 : AF_INET;
    EXPECT_EQ(inet_pton(sock.family, what.address, sock.local_addr), 1) << what.address;
    sock.protocol = what.protocol;
    sock.type = what.protocol == IPPROTO_UDP ? SOCK_DGRAM : SOCK_STREAM;
    sock.local_port = what.port;
    sock.netns = kNetns;
    sock.inode = 5101;
    return socket;
}

struct Person {
    const char* comm;
    std::uint32_t pid;
    const char* cgroup;  // null = not known
    const char* exe = nullptr;
    const char* user = "root";
    std::uint32_t uid = 0;
};

inline HeldSocket by(HeldSocket socket, const Person& person) {
    Owner owner;
    owner.task.key.pid = person.pid;
    owner.task.uid = person.uid;
    std::strncpy(owner.task.comm, person.comm, sizeof(owner.task.comm) - 1);
    owner.user = person.user;
    if (person.cgroup != nullptr) owner.cgroup_path = person.cgroup;
    if (person.exe != nullptr) owner.process = Process{.exe = person.exe, .cmdline = {}, .ancestry = {}};
    if (socket.users.empty()) socket.holder.process = owner;
    socket.users.push_back(owner);
    return socket;
}

// Made by systemd for a socket unit.
inline HeldSocket made_for(HeldSocket socket, const char* cgroup) {
    socket.holder.socket_cgroup_path = cgroup;
    return socket;
}

inline HeldSocket with(HeldSocket socket, std::uint32_t options) {
    socket.holder.raw.sock.opts |= options;
    return socket;
}

inline HeldSocket connected(HeldSocket socket, const char* address, std::uint16_t port) {
    bt_sock& sock = socket.holder.raw.sock;
    EXPECT_EQ(inet_pton(sock.family, address, sock.remote_addr), 1) << address;
    sock.remote_port = port;
    return socket;
}

class CheckedHost : public testing::Test {
  protected:
    CheckedHost() {
        state_.netns[""] = {kNetns, {}};
        state_.units = UnitFiles(root_.path());
    }

    void unit(const std::string& name, const std::string& text, const std::string& folder = "etc/systemd/system") {
        root_.write(folder + "/" + name, text);
        state_.units = UnitFiles(root_.path());
    }
    PortSysctls& sysctls() { return state_.netns[""].sysctls; }
    void has(const HeldSocket& socket) { state_.held.sockets.push_back(socket); }

    // Of a registry's text.
    const std::vector<CheckedEntry>& check(const std::string& registry) {
        const auto entries = parse_registry(registry, "ports.toml");
        EXPECT_TRUE(entries) << entries.error().what;
        if (entries) entries_ = *entries;
        checked_ = check_ports(entries_, state_);
        return checked_;
    }
    // Of one entry: "port = 80\nowner = ..."
    const CheckedEntry& check_one(const std::string& entry) { return check("[[port]]\n" + entry).at(0); }
    std::string status(const std::string& entry) { return std::string(status_word(check_one(entry).status)); }

    TempDir root_;
    HostState state_;
    std::vector<PortEntry> entries_;
    std::vector<CheckedEntry> checked_;
};

inline std::vector<std::string> risks_of(const CheckedEntry& checked) {
    std::vector<std::string> words;
    for (const Risk& risk : checked.risks) words.emplace_back(risk_word(risk.kind));
    return words;
}

}  // namespace bindtrace
