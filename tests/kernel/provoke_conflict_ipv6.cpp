// SPDX-License-Identifier: MIT
// 0.0.0.0 against IPv6 sockets that have an IPv6 address and yet not IPV6_V6ONLY, since it was not bind that gave them
// the address; and IPv6 addresses that are there, but on another interface.
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>

#include "provoke.h"
#include "provoke_conflict.h"
#include "provoke_socket.h"
#include "provoke_world.h"

namespace bindtrace {
namespace {

constexpr const char* kV6onlyThere =
    "set IPV6_V6ONLY on the holder's IPv6 socket before bind or connect, so that each family has its own";
constexpr std::uint32_t kLoopback = 1;
constexpr std::uint32_t kNoSuchDevice = 4242;

std::string rule_of_unmarked(std::uint16_t port) {
    return "0.0.0.0 meets each IPv6 socket without IPV6_V6ONLY, and only a bind to an address sets that by itself: "
           "[::1]:" +
           std::to_string(port) + " has its address by connect or accept; neither socket set SO_REUSEADDR";
}

void serve(Sock& server) {
    server.set(SOL_SOCKET, SO_REUSEADDR);
    server.bind({"::1", 8080});
    server.listen();
}

// A claim of every IPv4 address.
Json& refused_everywhere(Sock& late, std::uint16_t port, const char* cause, const Json& holder) {
    Json& conflict = verdict(late.bind({"0.0.0.0", port}, EADDRINUSE), cause, {"dual-stack"}, holder).event["conflict"];
    conflict["in_the_way"] = 1;
    return conflict;
}

void tcp_client(Story& story) {
    Sock server(story, kTcp6);
    serve(server);
    set_sysctl("ip_local_port_range", "40000 40000");
    set_sysctl("ip_local_reserved_ports", "9100");
    OtherProcess client([](Story& told, const auto& keep) {
        Sock sock(told, kTcp6);
        sock.connect({"::1", 8080});
        keep();
        sock.abort();
    });
    Sock late(story, kTcp4);
    Json& conflict = refused_everywhere(late, 40000, "ephemeral", {{"process", {{"pid", client.pid()}}}});
    conflict["rule"] =
        rule_of_unmarked(40000) + "; 40000 lies in net.ipv4.ip_local_port_range (40000-40000) and is not reserved";
    conflict["advice"] =
        Json::array({"keep clients off it: sysctl -w net.ipv4.ip_local_reserved_ports=9100,40000 (in its network "
                     "namespace: ip netns "
                     "exec, nsenter -n, or --sysctl of the container), have provoke[" +
                     std::to_string(client.pid()) + "] close that connection, wait a minute, then start it again"});
    for (const auto& [protocol, address] : {std::pair{kTcp4, "127.0.0.1"}, std::pair{kTcp6, "::ffff:0.0.0.0"}}) {
        Sock other(story, protocol);
        other.bind({address, 40000});
    }
    let_it_look();
    set_sysctl("ip_local_reserved_ports", "9100,40000");  // as advised
    client.end();
    late.bind({"0.0.0.0", 40000});
}

void time_wait(Story& story) {
    Sock server(story, kTcp6);
    serve(server);
    const auto leave_in_time_wait = [&](Sock& client) {
        Sock child = connected_child(server, client, {"::1", 8080});
        client.close_fd();
        child.close();
        until_small_socket(client.claim()->port, TCP_TIME_WAIT);
    };
    Sock plain(story, kTcp6), sharing(story, kTcp6), late(story, kTcp4);
    leave_in_time_wait(plain);
    Json& conflict = refused_everywhere(late, plain.claim()->port, "time-wait", {{"process", nullptr}});
    conflict["advice"] = {
        {"has", {"set SO_REUSEADDR on both sockets; until then, wait a minute, then start it again"}}};
    sharing.set(SOL_SOCKET, SO_REUSEADDR);
    leave_in_time_wait(sharing);
    late.set(SOL_SOCKET, SO_REUSEADDR);  // both as advised
    late.bind({"0.0.0.0", sharing.claim()->port});
    for (Sock* client : {&plain, &sharing}) client->released_in_time_wait({boot_ns(), 0});
}

// Accepted by [::], and all of it that is left.
void accepted(Story& story) {
    const auto serve_one = [](bool apart) {
        return [apart](Story& told, const auto& keep) {
            Sock server(told, kTcp6), client(told, kTcp6);
            if (apart) server.set(IPPROTO_IPV6, IPV6_V6ONLY);
            server.bind({"::", 8080});
            server.listen();
            Sock child = connected_child(server, client, {"::1", 8080});
            server.close();
            keep();
            client.abort();
        };
    };
    OtherProcess plain(serve_one(false));
    Sock late(story, kTcp4);
    Json& conflict = refused_everywhere(late, 8080, "bound", {{"process", {{"pid", plain.pid()}}}});
    conflict["rule"] = rule_of_unmarked(8080);
    conflict["advice"] = {{"has", {kV6onlyThere}}};
    plain.end();
    OtherProcess apart(serve_one(true));  // as advised
    late.bind({"0.0.0.0", 8080});
    apart.end();
}

void udp_client(Story& story) {
    set_sysctl("ip_local_port_range", "40000 40000");
    const auto ask = [](bool apart) {
        return [apart](Story& told, const auto& keep) {
            Sock sock(told, kUdp6);
            if (apart) sock.set(IPPROTO_IPV6, IPV6_V6ONLY);
            sock.connect({"::1", 9});
            keep();
        };
    };
    OtherProcess plain(ask(false));
    Sock late(story, kUdp4);
    Json& conflict = refused_everywhere(late, 40000, "udp-holder", {{"process", {{"pid", plain.pid()}}}});
    conflict["advice"] = {{"has", {kV6onlyThere}}};
    plain.end();
    OtherProcess apart(ask(true));  // as advised
    late.bind({"0.0.0.0", 40000});
    apart.end();
}

// A link's address, asked for with the scope of another link, or of none. A port of its own, since failures are
// counted.
void scope_of_another_link(Story& story) {
    let_it_rest();
    add_tentative_address("fe80::77");
    until_no_address_is_tentative();
    const std::uint32_t link = ::if_nametoindex("bt-tap");
    const std::string there = "ask for fe80::77%bt-tap: scope " + std::to_string(link) + ", or SO_BINDTODEVICE bt-tap";
    Sock late(story, kTcp6);
    Json& wrong =
        verdict(late.bind({"fe80::77", 8096, kLoopback}, EADDRNOTAVAIL), "address-not-local").event["conflict"];
    wrong["summary"] = "fe80::77 is on bt-tap, but was asked for on lo";
    wrong["rule"] = "an address of a link is bound on the interface that has it";
    wrong["advice"] = Json::array({there});
    let_it_look();
    let_it_rest();
    Sock none(story, kTcp6);
    Json& absent = verdict(none.bind({"fe80::77", 8097, kNoSuchDevice}, ENODEV), "address-not-local").event["conflict"];
    absent["summary"] = "fe80::77 was asked for on interface 4242, which is not there";
    absent["advice"] = Json::array({there});
    let_it_look();
    late.bind({"fe80::77", 8096, link});  // as advised
    none.bind({"fe80::77", 8097, link});
}

}  // namespace

std::vector<Case> conflict_ipv6_cases() {
    return {{"conflict-ipv6-client", tcp_client, false, false, true},
            {"conflict-ipv6-time-wait", time_wait},
            {"conflict-ipv6-accepted", accepted},
            {"conflict-ipv6-udp-client", udp_client},
            {"conflict-ipv6-scope", scope_of_another_link}};
}

}  // namespace bindtrace
