// SPDX-License-Identifier: MIT
// IPv6 sockets that also hold IPv4: [::] against 0.0.0.0, and IPv4-mapped addresses.
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>

#include "provoke.h"
#include "provoke_socket.h"

namespace bindtrace {
namespace {

enum class Six { dual, only };

void v6_then_v4(Story& story, const Protocol& v6, const Protocol& v4, Six six, const char* addr) {
    Sock holder(story, v6);
    if (six == Six::only) holder.set(IPPROTO_IPV6, IPV6_V6ONLY);
    holder.bind({"::", 8080});
    Sock late(story, v4);
    late.bind({addr, 8080}, six == Six::only ? 0 : EADDRINUSE);
}

void v4_then_v6(Story& story, const Protocol& v4, const Protocol& v6, Six six, const char* addr) {
    Sock holder(story, v4);
    holder.bind({addr, 8080});
    Sock late(story, v6);
    if (six == Six::only) late.set(IPPROTO_IPV6, IPV6_V6ONLY);
    late.bind({"::", 8080}, six == Six::only ? 0 : EADDRINUSE);
}

void listener(Story& story) {
    Sock holder(story, kTcp6);
    holder.bind({"::", 8080});
    holder.listen();
    Sock late(story, kTcp4);
    late.set(SOL_SOCKET, SO_REUSEADDR);
    late.bind({"127.0.0.1", 8080}, EADDRINUSE);
    Sock specific(story, kTcp6);
    specific.bind({"::1", 8080}, EADDRINUSE);
}

void specific_v6_leaves_v4(Story& story) {
    Sock holder(story, kTcp6);
    holder.bind({"::1", 8080});
    Sock late(story, kTcp4);
    late.bind({"0.0.0.0", 8080});
}

void mapped(Story& story) {
    Sock holder(story, kTcp6);
    holder.bind({"::ffff:127.0.0.1", 8080});
    Sock late(story, kTcp4);
    late.bind({"127.0.0.1", 8080}, EADDRINUSE);
    Sock elsewhere(story, kTcp4);
    elsewhere.bind({"127.0.0.2", 8080});
}

void mapped_any(Story& story) {
    Sock holder(story, kUdp6);
    holder.bind({"::ffff:0.0.0.0", 8080});
    Sock late(story, kUdp4);
    late.bind({"127.0.0.1", 8080}, EADDRINUSE);
}

}  // namespace

std::vector<Case> dual_stack_cases() {
    return {
        {"dual-tcp-v6-first", [](Story& story) { v6_then_v4(story, kTcp6, kTcp4, Six::dual, "0.0.0.0"); }},
        {"dual-tcp-v6-first-v4-specific",
         [](Story& story) { v6_then_v4(story, kTcp6, kTcp4, Six::dual, "127.0.0.1"); }},
        {"dual-tcp-v4-first", [](Story& story) { v4_then_v6(story, kTcp4, kTcp6, Six::dual, "0.0.0.0"); }},
        {"dual-tcp-v4-specific-first", [](Story& story) { v4_then_v6(story, kTcp4, kTcp6, Six::dual, "127.0.0.1"); }},
        {"dual-tcp-v6only-first", [](Story& story) { v6_then_v4(story, kTcp6, kTcp4, Six::only, "0.0.0.0"); }},
        {"dual-tcp-v4-first-v6only", [](Story& story) { v4_then_v6(story, kTcp4, kTcp6, Six::only, "0.0.0.0"); }},
        {"dual-udp-v6-first", [](Story& story) { v6_then_v4(story, kUdp6, kUdp4, Six::dual, "0.0.0.0"); }},
        {"dual-udp-v4-first", [](Story& story) { v4_then_v6(story, kUdp4, kUdp6, Six::dual, "0.0.0.0"); }},
        {"dual-udp-v6only-first", [](Story& story) { v6_then_v4(story, kUdp6, kUdp4, Six::only, "0.0.0.0"); }},
        {"dual-udp-v4-first-v6only", [](Story& story) { v4_then_v6(story, kUdp4, kUdp6, Six::only, "0.0.0.0"); }},
        {"dual-tcp-listener", listener},
        {"dual-tcp-specific-v6", specific_v6_leaves_v4},
        {"dual-tcp-mapped", mapped},
        {"dual-udp-mapped-any", mapped_any},
    };
}

}  // namespace bindtrace
