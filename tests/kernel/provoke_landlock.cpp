// SPDX-License-Identifier: MIT
// A bind that a security module refuses: Landlock, which needs no policy of the machine's.
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#include "provoke.h"
#include "provoke_conflict.h"
#include "provoke_socket.h"
#include "provoke_world.h"

namespace bindtrace {
namespace {

// <linux/landlock.h> of today; Debian 12's knows files alone.
constexpr std::uint64_t kBindTcp = 1 << 0, kBindUdp = 1 << 2;
constexpr int kRuleOfPort = 2;
constexpr unsigned kAskVersion = 1;
constexpr long kFirstWithNetwork = 4;
struct Ruleset {
    std::uint64_t files, network;
};
struct PortRule {
    std::uint64_t allowed, port;
};

bool has_landlock() {
    return ::syscall(SYS_landlock_create_ruleset, nullptr, 0, kAskVersion) >= kFirstWithNetwork;
}

void allow_only(std::uint16_t port, std::uint64_t what) {
    if (!has_landlock()) skip("the kernel has no Landlock for ports");
    const Ruleset ruleset{0, what};
    const PortRule rule{what, port};
    const long fd = ::syscall(SYS_landlock_create_ruleset, &ruleset, sizeof(ruleset), 0);
    if (fd < 0 && errno == EINVAL && what == kBindUdp) skip("the kernel has no Landlock for UDP ports");
    must(fd >= 0 && ::syscall(SYS_landlock_add_rule, fd, kRuleOfPort, &rule, 0) == 0 &&
             ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && ::syscall(SYS_landlock_restrict_self, fd, 0) == 0,
         "Landlock");
}

// Below 1024 too, where an EACCES has another reason with those who may not take such a port.
void denied(Story& story) {
    Child another([](Story& told) {
        own_exe();
        if (!has_landlock()) return;
        allow_only(8081, kBindTcp);  // as advised below
        Sock sock(told, kTcp4);
        sock.bind({"127.0.0.1", 8081});
    });
    another.join();
    allow_only(8080, kBindTcp);
    Sock sock(story, kTcp4);
    for (const std::uint16_t port : {std::uint16_t{80}, std::uint16_t{8081}})
        verdict(sock.bind({"127.0.0.1", port}, EACCES).refused_early(), "denied").event["conflict"]["advice"] = {
            {"has",
             {"allow tcp port " + std::to_string(port) +
              " where it is denied: journalctl -k tells of SELinux and AppArmor; Landlock's rules are made by the "
              "program "
              "itself, or by what starts it"}}};
    sock.bind({"127.0.0.1", 8080});
}

void denied_udp(Story& story) {
    allow_only(8080, kBindUdp);
    Sock sock(story, kUdp4);
    verdict(sock.bind({"127.0.0.1", 8081}, EACCES).refused_early(), "denied");
    sock.bind({"127.0.0.1", 8080});
}

}  // namespace

std::vector<Case> landlock_cases() {
    return {{"landlock-denied", denied}, {"landlock-denied-udp", denied_udp}};
}

}  // namespace bindtrace
