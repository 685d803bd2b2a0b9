// SPDX-License-Identifier: MIT
// Where the option that comes to mind first would not help: it must not be advised, and what is advised must help.
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <memory>
#include <vector>

#include "provoke.h"
#include "provoke_cgroup.h"
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

// The holder's socket takes both families, and need not.
void ipv6_socket_of_the_holder(Story& story) {
    const auto serve = [](bool only) {
        return [only](Story& told, const auto& keep) {
            Sock six(told, kTcp6);
            if (only) six.set(IPPROTO_IPV6, IPV6_V6ONLY);
            six.bind({"::", 8080});
            six.listen();
            keep();
        };
    };
    OtherProcess both(serve(false));
    Sock late(story, kTcp4);
    verdict(late.bind({"0.0.0.0", 8080}, EADDRINUSE), "listener", {"dual-stack"}).event["conflict"]["advice"] = {
        {"has", {"set IPV6_V6ONLY on the holder's IPv6 socket before bind, so that each family has its own"}}};
    both.end();
    OtherProcess apart(serve(true));  // as advised
    late.bind({"0.0.0.0", 8080});
    apart.end();
}

// The listener has gone, a connection it accepted has not.
void old_connection(Story& story) {
    const auto serve = [](bool reuseaddr) {
        return [reuseaddr](Story& told, const auto& keep) {
            Sock server(told, kTcp4);
            if (reuseaddr) server.set(SOL_SOCKET, SO_REUSEADDR);
            server.bind({"127.0.0.1", 8080});
            server.listen();
            Sock client(told, kTcp4);
            Sock child = connected_child(server, client, {"127.0.0.1", 8080});
            server.close();
            keep();
            client.abort();
        };
    };
    OtherProcess plain(serve(false));
    Sock late(story, kTcp4);
    verdict(late.bind({"127.0.0.1", 8080}, EADDRINUSE), "bound", {"reuseaddr-missing-holder"},
            {{"state", "ESTABLISHED"}, {"process", {{"pid", plain.pid()}}}})
        .event["conflict"]["advice"] = {
        {"has", {"set SO_REUSEADDR on both sockets before bind: then old connections block nobody"}}};
    late.set(SOL_SOCKET, SO_REUSEADDR);
    verdict(late.bind({"127.0.0.1", 8080}, EADDRINUSE), "bound", {"reuseaddr-missing-holder"})
        .event["conflict"]["advice"] = {
        {"has", {"have the server set SO_REUSEADDR before bind: then its old connections block nobody"}}};
    plain.end();
    OtherProcess sharing(serve(true));  // both as advised
    late.bind({"127.0.0.1", 8080});
    sharing.end();
}

// More sockets than are named. The oldest, which is looked at last, is the one that may not share.
void more_than_are_named(Story& story) {
    const auto take = [](bool all_share) {
        return [all_share](Story& told, const auto& keep) {
            constexpr int kMore = 10;
            Sock oldest(told, kTcp4);
            oldest.bind({"127.0.0.1", 8080});  // without it, so that the kernel looks at each
            oldest.set(SOL_SOCKET, SO_REUSEADDR);
            std::vector<std::unique_ptr<Sock>> others;
            for (int i = 0; i < kMore; ++i) {
                others.push_back(std::make_unique<Sock>(told, kTcp4));
                others.back()->set(SOL_SOCKET, SO_REUSEADDR);
                others.back()->bind({"127.0.0.1", 8080});
            }
            if (!all_share) oldest.set(SOL_SOCKET, SO_REUSEADDR, 0);
            keep();
        };
    };
    OtherProcess all_but_one(take(false));
    Sock late(story, kTcp4);
    Json& mixed = verdict(late.bind({"127.0.0.1", 8080}, EADDRINUSE), "bound").event["conflict"];
    mixed["in_the_way"] = 11;
    mixed["advice"] = {{"lacks", {kSetReuseaddr}}};
    all_but_one.end();  // as advised
    OtherProcess all(take(true));
    Json& alike = verdict(late.bind({"127.0.0.1", 8080}, EADDRINUSE), "bound").event["conflict"];
    alike["in_the_way"] = 11;
    alike["advice"] = {{"has", {kSetReuseaddr}}};
    let_it_look();
    late.set(SOL_SOCKET, SO_REUSEADDR);  // as advised
    late.bind({"127.0.0.1", 8080});
    all.end();
}

// A client that chose its own port, and another one that has it with the same remote end.
void connection_there_already(Story& story) {
    const auto first = std::make_shared<Cgroup>("/bindtrace.slice", "/client.service");
    story.keep(first);
    Sock server(story, kTcp4);
    server.bind({"127.0.0.1", 8080});
    server.listen();
    first->enter();
    OtherProcess holder([](Story& told, const auto& keep) {
        Sock client(told, kTcp4);
        client.set(SOL_SOCKET, SO_REUSEADDR);
        client.bind({"127.0.0.1", 28080});
        client.connect({"127.0.0.1", 8080});
        keep();
        client.abort();  // else there would be a minute to wait, as advised
    });
    first->leave();
    Sock late(story, kTcp4);
    late.set(SOL_SOCKET, SO_REUSEADDR);
    late.bind({"127.0.0.1", 28080});
    Json& conflict = verdict(late.connect_without_port({"127.0.0.1", 8080}, EADDRNOTAVAIL), "bound", {},
                             {{"remote_port", 8080}, {"process", {{"pid", holder.pid()}}}})
                         .event["conflict"];
    conflict["rule"] = "a connection with the same two ends exists already";
    conflict["advice"] = {
        "connect without bind before, or bind port 0 with IP_BIND_ADDRESS_NO_PORT: then the kernel finds a source port "
        "that is free",
        "systemctl restart client.service, wait a minute, then connect again"};
    Sock unbound(story, kTcp4);  // as advised
    unbound.connect({"127.0.0.1", 8080});
    Sock port_later(story, kTcp4);  // or so
    port_later.set(IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT);
    port_later.bind({"127.0.0.1", 0});
    port_later.connect({"127.0.0.1", 8080});
    holder.end();  // or so
    late.connect({"127.0.0.1", 8080});
    for (Sock* client : {&unbound, &port_later, &late}) client->abort();
}

// Reserved when a client had it already: once is enough.
void reserved_too_late(Story& story) {
    const auto client_unit = std::make_shared<Cgroup>("/bindtrace.slice", "/client.service"),
               late_unit = std::make_shared<Cgroup>("/bindtrace.slice", "/x.service");
    story.keep(client_unit);
    story.keep(late_unit);
    Sock server(story, kTcp4);
    server.bind({"127.0.0.1", 8080});
    server.listen();
    set_sysctl("ip_local_port_range", "40000 40000");
    client_unit->enter();
    OtherProcess holder([](Story& told, const auto& keep) {
        Sock client(told, kTcp4);
        client.connect({"127.0.0.1", 8080});
        keep();
        client.abort();
    });
    late_unit->enter();
    set_sysctl("ip_local_reserved_ports", "40000");
    Sock late(story, kTcp4);
    Json& conflict = verdict(late.bind({"0.0.0.0", 40000}, EADDRINUSE), "ephemeral").event["conflict"];
    conflict["factors"] = {{"lacks", {"range-overlap"}}};
    conflict["advice"] = {
        "systemctl restart client.service, wait a minute, then systemctl restart x.service; the port is reserved by "
        "now: no other client will be given it"};
    holder.end();  // as advised
    late.bind({"0.0.0.0", 40000});
}

}  // namespace

std::vector<Case> conflict_advice_cases() {
    return {{"conflict-busy-listener", busy_listener},
            {"conflict-both-families", server_of_both_families},
            {"conflict-mapped", mapped},
            {"conflict-holders-ipv6-socket", ipv6_socket_of_the_holder},
            {"conflict-old-connection", old_connection},
            {"conflict-more-than-named", more_than_are_named},
            {"conflict-tuple-taken", connection_there_already, false, false, true},
            {"conflict-reserved-too-late", reserved_too_late, false, false, true}};
}

}  // namespace bindtrace
