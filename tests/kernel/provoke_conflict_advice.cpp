// SPDX-License-Identifier: MIT
// Where the option that comes to mind first would not help: it must not be advised, and what is advised must help.
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>

#include "provoke.h"
#include "provoke_conflict.h"
#include "provoke_socket.h"
#include "provoke_world.h"

namespace bindtrace {
namespace {

// Its connection would let in whoever sets SO_REUSEADDR, but the listener never does.
void busy_listener(Story& story) {
    OtherProcess server([](Story& told, const auto& keep) {
        Sock sock(told, kTcp4);
        sock.set(SOL_SOCKET, SO_REUSEADDR);
        sock.bind({"127.0.0.1", 8080});
        sock.listen();
        keep();
    });
    Sock client(story, kTcp4);
    client.connect({"127.0.0.1", 8080});
    Sock late(story, kTcp4);
    Expectation& line =
        verdict(late.bind({"127.0.0.1", 8080}, EADDRINUSE), "listener", {"reuseaddr-missing-requester"});
    line.event["conflict"]["in_the_way"] = 2;
    line.event["conflict"]["advice"] = {{"lacks", {kSetReuseaddr}}};
    client.abort();
    server.end();  // as advised
    late.bind({"127.0.0.1", 8080});
}

// As nginx and sshd listen: a socket for each family. IPV6_V6ONLY parts the requester from one of them only.
void server_of_both_families(Story& story) {
    OtherProcess server([](Story& told, const auto& keep) {
        Sock four(told, kTcp4), six(told, kTcp6);
        four.bind({"0.0.0.0", 8080});
        four.listen();
        six.set(IPPROTO_IPV6, IPV6_V6ONLY);
        six.bind({"::", 8080});
        six.listen();
        keep();
    });
    Sock late(story, kTcp6);
    verdict(late.bind({"::", 8080}, EADDRINUSE), "listener", {"dual-stack"}).event["conflict"]["advice"] = {
        {"lacks", {kSetV6only}}};
    server.end();  // as advised
    late.bind({"::", 8080});
}

// What Java makes of 127.0.0.1: an IPv6 socket that is IPv4 all the same.
void mapped(Story& story) {
    Sock four(story, kTcp4);
    four.bind({"0.0.0.0", 8080});
    Sock java(story, kTcp6);
    Json& asks = verdict(java.bind({"::ffff:127.0.0.1", 8080}, EADDRINUSE), "bound").event["conflict"];
    asks["factors"] = {{"lacks", {"dual-stack"}}, {"has", {"wildcard-vs-specific"}}};
    asks["rule"] = "[::ffff:127.0.0.1]:8080 and 0.0.0.0:8080 overlap; neither socket set SO_REUSEADDR";
    asks["advice"] = Json::array({kBindOnce});
    let_it_look();
    four.close();  // as advised
    java.bind({"::ffff:127.0.0.1", 8080});

    Sock late(story, kTcp4);
    Json& meets = verdict(late.bind({"127.0.0.1", 8080}, EADDRINUSE), "bound").event["conflict"];
    meets["factors"] = {{"lacks", {"dual-stack"}}};
    meets["rule"] = "127.0.0.1:8080 and [::ffff:127.0.0.1]:8080 are the same address; neither socket set SO_REUSEADDR";
    meets["advice"] = Json::array({kBindOnce});

    Sock both(story, kTcp6);
    verdict(both.bind({"::", 8080}, EADDRINUSE), "bound", {"dual-stack"}).event["conflict"]["advice"] = {
        {"has", {kSetV6only}}};
    let_it_look();
    both.set(IPPROTO_IPV6, IPV6_V6ONLY);  // as advised
    both.bind({"::", 8080});
}

}  // namespace

std::vector<Case> conflict_advice_cases() {
    return {{"conflict-busy-listener", busy_listener},
            {"conflict-both-families", server_of_both_families},
            {"conflict-mapped", mapped}};
}

}  // namespace bindtrace
