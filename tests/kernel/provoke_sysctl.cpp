// SPDX-License-Identifier: MIT
// Settings of a network namespace that decide whether a bind is refused.
#include <sys/socket.h>

#include <cerrno>

#include "provoke.h"
#include "provoke_conflict.h"
#include "provoke_socket.h"
#include "provoke_world.h"

namespace bindtrace {
namespace {

// Each IPv6 socket is for IPv6 alone: IPv4's is not in its way, the other IPv6 socket is.
void bindv6only(Story& story) {
    Sock four(story, kTcp4);
    four.bind({"0.0.0.0", 8080});
    four.listen();
    Sock early(story, kTcp6);
    verdict(early.bind({"::", 8080}, EADDRINUSE), "listener", {"dual-stack"});
    let_it_look();
    write_file("/proc/sys/net/ipv6/bindv6only", "1");
    verdict(early.bind({"::", 8080}, EADDRINUSE), "listener", {"dual-stack"});  // counts when a socket is made
    Sock six(story, kTcp6);
    six.bind({"::", 8080}).event["sockopt"]["v6only"] = true;
    six.listen();
    Sock late(story, kTcp6);
    Json& conflict = verdict(late.bind({"::", 8080}, EADDRINUSE), "listener", {}, {{"local_addr", "::"}}).event["conflict"];
    conflict["factors"] = {{"lacks", {"dual-stack"}}};
    conflict["in_the_way"] = 1;
    let_it_look();
}

void ip_nonlocal_bind(Story& story) {
    Sock sock(story, kTcp4);
    verdict(sock.bind({"10.99.99.99", 8080}, EADDRNOTAVAIL), "address-not-local");
    set_sysctl("ip_nonlocal_bind", "1");
    sock.bind({"10.99.99.99", 8080});
}

}  // namespace

std::vector<Case> sysctl_cases() {
    return {{"sysctl-bindv6only", bindv6only}, {"sysctl-ip-nonlocal-bind", ip_nonlocal_bind}};
}

}  // namespace bindtrace
