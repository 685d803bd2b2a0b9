// SPDX-License-Identifier: MIT
// A range of ports that is full: who has how many of it, how many are reserved, and that what is advised makes room.
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "provoke.h"
#include "provoke_conflict.h"
#include "provoke_socket.h"
#include "provoke_world.h"

namespace bindtrace {
namespace {

constexpr const char* kUnreserve =
    "take out of net.ipv4.ip_local_reserved_ports what no server needs (sysctl -w in its network namespace: ip netns "
    "exec, nsenter -n, or --sysctl of the container)";
constexpr const char* kWiden =
    "widen net.ipv4.ip_local_port_range (sysctl -w in its network namespace: ip netns exec, nsenter -n, or --sysctl of "
    "the container)";
constexpr const char* kKeepOpen = "have clients keep connections open instead of making a new one each time";

Json range_of(std::size_t taken, const char* state, std::size_t reserved = 0) {
    const Json largest = {{"ports", taken}, {"state", state}, {"process", {{"pid", ::getpid()}}}};
    return {{"taken", taken}, {"reserved", reserved}, {"shares", {{"first", largest}}}};
}

Json& exhausted(Expectation& line) {
    line.event.erase("ephemeral");
    return verdict(line, "exhausted").event["conflict"];
}

void by_a_bound_socket(Story& story) {
    let_it_rest();
    set_sysctl("ip_local_port_range", "40000 40000");
    Sock holder(story, kTcp4);
    holder.bind({"127.0.0.1", 40000});
    Sock late(story, kTcp4);
    Json& conflict = exhausted(late.bind({"127.0.0.1", 0}, EADDRINUSE));
    conflict["range"] = range_of(1, "CLOSE");
    conflict["advice"] = Json::array({kWiden});
    let_it_look();
    set_sysctl("ip_local_port_range", "40000 40001");  // as advised
    late.bind({"127.0.0.1", 0});
}

// Two ports, both taken by connections to the same server. One to another server is not in the way.
void by_connections(Story& story) {
    let_it_rest();
    set_sysctl("ip_local_port_range", "40000 40001");
    Sock server(story, kTcp4), elsewhere(story, kTcp4);
    server.bind({"127.0.0.1", 8080});
    server.listen();
    elsewhere.bind({"127.0.0.1", 8081});
    elsewhere.listen();
    Sock one(story, kTcp4), two(story, kTcp4), other(story, kTcp4), late(story, kTcp4);
    one.connect({"127.0.0.1", 8080});
    two.connect({"127.0.0.1", 8080});
    other.connect({"127.0.0.1", 8081});
    Json& conflict = exhausted(late.connect_without_port({"127.0.0.1", 8080}, EADDRNOTAVAIL));
    conflict["range"] = range_of(2, "ESTABLISHED");
    conflict["advice"] = Json::array({kKeepOpen, kWiden});
    let_it_look();
    one.abort();  // as advised: fewer connections
    late.connect({"127.0.0.1", 8080});
    for (Sock* client : {&two, &other, &late}) client->abort();
}

// The namespace's range has room, the socket's own has none; a bound beyond the namespace's does not count.
void by_an_own_range(Story& story) {
    constexpr int kLocalPortRange = 51;  // IP_LOCAL_PORT_RANGE
    Sock holder(story, kTcp4), late(story, kTcp4);
    const int range = 40010 | 50000 << 16;
    if (::setsockopt(late.fd(), IPPROTO_IP, kLocalPortRange, &range, sizeof(range)) != 0)
        skip("the kernel has no IP_LOCAL_PORT_RANGE");
    let_it_rest();
    set_sysctl("ip_local_port_range", "40000 40010");
    holder.bind({"127.0.0.1", 40010});
    Json& conflict = exhausted(late.bind({"127.0.0.1", 0}, EADDRINUSE));
    conflict["range"] = range_of(1, "CLOSE");
    conflict["advice"] = Json::array({"give the socket a wider IP_LOCAL_PORT_RANGE within 40000-40010, or none"});
    let_it_look();
    late.set(IPPROTO_IP, kLocalPortRange, 40009 | 40010 << 16);  // as advised
    late.bind({"127.0.0.1", 0});
}

// Few are taken, and yet none is left: the others are reserved.
void by_reservation(Story& story) {
    let_it_rest();
    set_sysctl("ip_local_port_range", "40000 40003");
    set_sysctl("ip_local_reserved_ports", "40001-40003,50000");
    Sock holder(story, kTcp4);
    holder.bind({"127.0.0.1", 40000});
    Sock late(story, kTcp4);
    Json& conflict = exhausted(late.bind({"127.0.0.1", 0}, EADDRINUSE));
    conflict["range"] = range_of(1, "CLOSE", 3);
    conflict["advice"] = Json::array({kUnreserve, kWiden});
    let_it_look();
    set_sysctl("ip_local_reserved_ports", "40001-40002,50000");  // as advised
    late.bind({"127.0.0.1", 0});
}

// A client, and nobody has a port that could be given up.
void by_reservation_alone(Story& story) {
    let_it_rest();
    Sock server(story, kTcp4), late(story, kTcp4);
    server.bind({"127.0.0.1", 8080});
    server.listen();
    set_sysctl("ip_local_port_range", "40000 40001");
    set_sysctl("ip_local_reserved_ports", "40000-40001");
    Json& conflict = exhausted(late.connect_without_port({"127.0.0.1", 8080}, EADDRNOTAVAIL));
    conflict["range"] = {{"taken", 0}, {"reserved", 2}, {"shares", Json::array()}};
    conflict["advice"] = Json::array({kUnreserve, kWiden});
    let_it_look();
    set_sysctl("ip_local_port_range", "40000 40003");  // as advised, the second
    late.connect({"127.0.0.1", 8080});
    late.abort();
}

// Its holders stay to the end, and the ports that are advised are beyond the range that was full: so the look may be
// late.
void of_datagrams(Story& story) {
    let_it_rest();
    set_sysctl("ip_local_port_range", "50000 50001");
    Sock first(story, kUdp4), second(story, kUdp4), third(story, kUdp4);
    first.connect({"127.0.0.1", 9});  // elsewhere, and still in the way
    second.send(Send::sendto, {"127.0.0.1", 10});
    Json& conflict = exhausted(third.connect_without_port({"127.0.0.1", 11}, EAGAIN));
    conflict["range"] = {{"taken", 2}, {"reserved", 0}};
    conflict["rule"] = "a port the kernel chooses must be free for all addresses that were asked for";
    conflict["advice"] = Json::array({kWiden});
    set_sysctl("ip_local_port_range", "50000 50003");  // as advised
    third.connect({"127.0.0.1", 11});
    for (Sock* sock : {&first, &second, &third}) sock->leave();
}

void by_listeners(Story& story) {
    let_it_rest();
    set_sysctl("ip_local_port_range", "50000 50001");
    Sock first(story, kTcp4), second(story, kTcp4), third(story, kTcp4);
    first.listen();
    second.listen();
    Json& conflict = exhausted(third.listen(EADDRINUSE));
    conflict["range"] = range_of(2, "LISTEN");
    conflict["rule"] = "a port the kernel chooses must be free for all addresses that were asked for";
    conflict["advice"] = Json::array({kWiden});
    set_sysctl("ip_local_port_range", "50000 50003");  // as advised
    third.listen();
    for (Sock* sock : {&first, &second, &third}) sock->leave();
}

}  // namespace

std::vector<Case> range_cases() {
    return {{"conflict-exhausted", by_a_bound_socket},
            {"conflict-exhausted-by-connections", by_connections},
            {"conflict-exhausted-own-range", by_an_own_range},
            {"conflict-exhausted-by-reservation", by_reservation},
            {"conflict-exhausted-by-reservation-alone", by_reservation_alone},
            {"udp-eagain-range-full", of_datagrams, false, false, true},
            {"listen-eaddrinuse-range-full", by_listeners, false, false, true}};
}

}  // namespace bindtrace
