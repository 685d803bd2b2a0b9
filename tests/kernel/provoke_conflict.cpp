// SPDX-License-Identifier: MIT
// The verdict on a refused claim: each cause, with the factors that are certain to be among those told, and the holder
// as the one who set it up knows it. Where a socket option is what is missing, it is set then, and the bind must
// succeed.
#include "provoke_conflict.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <functional>

#include "provoke.h"
#include "provoke_socket.h"
#include "provoke_world.h"

namespace bindtrace {
namespace {

void listener(Story& story) {
    OtherProcess server([](Story& told, const auto& keep) {
        Sock sock(told, kTcp4);
        sock.set(SOL_SOCKET, SO_REUSEADDR);
        sock.bind({"0.0.0.0", 8080});
        sock.listen();
        keep();
    });
    Sock late(story, kTcp4);
    late.set(SOL_SOCKET, SO_REUSEADDR);
    verdict(late.bind({"127.0.0.1", 8080}, EADDRINUSE), "listener", {"wildcard-vs-specific"},
            {{"state", "LISTEN"},
             {"local_addr", "0.0.0.0"},
             {"local_port", 8080},
             {"remote_port", nullptr},
             {"acquired", "bind"},
             {"process", {{"pid", server.pid()}, {"comm", "provoke"}, {"exe", own_exe()}}},
             {"last_process", nullptr}});
    server.end();
    late.bind({"127.0.0.1", 8080});
}

void bound(Story& story) {
    OtherProcess holder([](Story& told, const auto& keep) {
        Sock sock(told, kTcp4);
        sock.bind({"127.0.0.1", 8080});
        keep();
    });
    Sock late(story, kTcp4);
    verdict(late.bind({"127.0.0.1", 8080}, EADDRINUSE), "bound",
            {"reuseaddr-missing-requester", "reuseaddr-missing-holder"},
            {{"state", "CLOSE"}, {"acquired", "bind"}, {"process", {{"pid", holder.pid()}}}});
    holder.end();
}

// The server set SO_REUSEADDR, as everybody tells it to; the client's socket did not, and that is what counts.
void ephemeral(Story& story) {
    Sock server(story, kTcp4);
    server.bind({"127.0.0.1", 8080});
    server.listen();
    Sock client(story, kTcp4);
    client.connect({"127.0.0.1", 8080});
    Sock late(story, kTcp4);
    late.set(SOL_SOCKET, SO_REUSEADDR);
    verdict(late.bind({"0.0.0.0", client.claim()->port}, EADDRINUSE), "ephemeral",
            {"same-process", "reuseaddr-missing-holder", "wildcard-vs-specific", "range-overlap"},
            {{"state", "ESTABLISHED"},
             {"local_addr", "127.0.0.1"},
             {"remote_addr", "127.0.0.1"},
             {"remote_port", 8080},
             {"acquired", "connect"},
             {"process", {{"pid", ::getpid()}}}});
    let_it_look();
    client.abort();
}

// A client's datagram socket needs no connection, and still it was the kernel that chose its port.
void udp_client(Story& story) {
    set_sysctl("ip_local_port_range", "40000 40000");
    OtherProcess client([](Story& told, const auto& keep) {
        Sock sock(told, kUdp4);
        sock.send(Send::sendto, {"127.0.0.1", 9});
        keep();
    });
    Sock late(story, kUdp4);
    verdict(late.bind({"127.0.0.1", 40000}, EADDRINUSE), "udp-holder", {"range-overlap"},
            {{"acquired", "sendto"}, {"process", {{"pid", client.pid()}}}});
    let_it_look();
    set_sysctl("ip_local_reserved_ports", "40000");  // as advised
    client.end();
    Sock other_client(story, kUdp4);
    other_client.send(Send::sendto, {"127.0.0.1", 9}, EAGAIN);
    late.bind({"127.0.0.1", 40000});
}

void reserved_is_no_overlap(Story& story) {
    set_sysctl("ip_local_reserved_ports", "40000");
    Sock holder(story, kTcp4);
    holder.bind({"127.0.0.1", 40000});
    Sock late(story, kTcp4);
    verdict(late.bind({"127.0.0.1", 40000}, EADDRINUSE), "bound").event["conflict"]["factors"] = {
        {"lacks", {"range-overlap"}}};
}

// What is in TIME_WAIT has no process, and still the one who left it there is known.
void time_wait(Story& story) {
    Sock server(story, kTcp4);
    server.set(SOL_SOCKET, SO_REUSEADDR);
    server.bind({"127.0.0.1", 8080});
    server.listen();
    Sock client(story, kTcp4);
    client.set(SOL_SOCKET, SO_REUSEADDR);
    client.bind({"127.0.0.1", 28080});
    Sock child = connected_child(server, client, {"127.0.0.1", 8080});
    client.close_fd();
    child.close();
    until_small_socket(28080, TCP_TIME_WAIT);
    Sock late(story, kTcp4);
    verdict(
        late.bind({"127.0.0.1", 28080}, EADDRINUSE), "time-wait", {"reuseaddr-missing-requester"},
        {{"state", "TIME_WAIT"}, {"remote_port", 8080}, {"process", nullptr}, {"last_process", {{"pid", ::getpid()}}}})
        .event["conflict"]["factors"]["lacks"] = {"reuseaddr-missing-holder"};
    late.set(SOL_SOCKET, SO_REUSEADDR);  // as advised
    late.bind({"127.0.0.1", 28080});
    client.released_in_time_wait({boot_ns(), 0});
}

// The same, and by then the process has ended.
void time_wait_of_who_exited(Story& story) {
    Child client_and_server([](Story& told) {
        own_exe();
        Sock server(told, kTcp4);
        server.set(SOL_SOCKET, SO_REUSEADDR);
        server.bind({"127.0.0.1", 8080});
        server.listen();
        Sock client(told, kTcp4);
        client.bind({"127.0.0.1", 28080});
        Sock child = connected_child(server, client, {"127.0.0.1", 8080});
        client.close_fd();
        child.close();
        until_small_socket(28080, TCP_TIME_WAIT);
        client.released_in_time_wait({boot_ns(), 0});
    });
    const pid_t exited = client_and_server.pid();
    client_and_server.join();
    Sock late(story, kTcp4);
    late.set(SOL_SOCKET, SO_REUSEADDR);  // which does not help alone
    verdict(late.bind({"127.0.0.1", 28080}, EADDRINUSE), "time-wait", {"holder-exited", "reuseaddr-missing-holder"},
            {{"state", "TIME_WAIT"},
             {"process", nullptr},
             {"last_process", {{"pid", exited}, {"comm", "provoke"}, {"exe", own_exe()}}}});
}

// The client has gone, the server never closes: the client's end stays in FIN_WAIT2 without a process.
void orphan(Story& story, bool reuseaddr) {
    Sock server(story, kTcp4);
    server.bind({"127.0.0.1", 8080});
    server.listen();
    Sock client(story, kTcp4);
    if (reuseaddr) client.set(SOL_SOCKET, SO_REUSEADDR);
    client.bind({"127.0.0.1", 28080});
    Sock child = connected_child(server, client, {"127.0.0.1", 8080});
    client.close_fd();
    until_small_socket(28080, TCP_FIN_WAIT2);
    Sock late(story, kTcp4);
    Expectation& line = verdict(late.bind({"127.0.0.1", 28080}, EADDRINUSE), "closing",
                                {reuseaddr ? "reuseaddr-missing-requester" : "reuseaddr-missing-holder"},
                                {{"remote_port", 8080}, {"process", nullptr}, {"last_process", {{"pid", ::getpid()}}}});
    line.event["conflict"]["advice"] = {
        {"has",
         {reuseaddr ? kSetReuseaddr
                    : "set SO_REUSEADDR on both sockets; until then, wait a minute, then start it again"}}};
    if (reuseaddr) late.set(SOL_SOCKET, SO_REUSEADDR);  // as advised
    if (reuseaddr) late.bind({"127.0.0.1", 28080});
    child.abort();
    if (!reuseaddr) until_port_gone(28080, 5);  // as advised: it has ended
    if (!reuseaddr) late.bind({"127.0.0.1", 28080});
    Expectation& end = client.released(nullptr, {boot_ns(), 0});
    end.event.erase("ktime_ns");
    end.event.erase("held_ns");
    for (const char* key : {"inode", "state"}) end.event["socket"].erase(key);
    end.needs_function_hooks();  // where it has become a small socket
}

void udp(Story& story) {
    OtherProcess holder([](Story& told, const auto& keep) {
        Sock sock(told, kUdp4);
        sock.bind({"0.0.0.0", 8080});
        keep();
    });
    Sock late(story, kUdp6);
    verdict(late.bind({"::", 8080}, EADDRINUSE), "udp-holder", {"dual-stack"},
            {{"state", nullptr}, {"local_addr", "0.0.0.0"}, {"process", {{"pid", holder.pid()}}}});
    late.set(IPPROTO_IPV6, IPV6_V6ONLY);  // as advised
    late.bind({"::", 8080});
    holder.end();
}

// mDNS responders and the like: a multicast address is nobody's own, and still takes one socket unless both share.
void multicast(Story& story) {
    OtherProcess holder([](Story& told, const auto& keep) {
        Sock sock(told, kUdp4);
        sock.set(SOL_SOCKET, SO_REUSEADDR);
        sock.bind({"224.0.0.251", 5353});
        keep();
    });
    Sock late(story, kUdp4);
    verdict(late.bind({"224.0.0.251", 5353}, EADDRINUSE), "udp-holder", {"reuseaddr-missing-requester"},
            {{"local_addr", "224.0.0.251"}, {"process", {{"pid", holder.pid()}}}});
    Sock broadcast(story, kUdp4);
    broadcast.bind({"127.255.255.255", 5353});  // overlaps with neither
    Sock second(story, kUdp4);
    verdict(second.bind({"127.255.255.255", 5353}, EADDRINUSE), "udp-holder", {"same-process"},
            {{"local_addr", "127.255.255.255"}});
    let_it_look();
    late.set(SOL_SOCKET, SO_REUSEADDR);  // as advised
    late.bind({"224.0.0.251", 5353});
    holder.end();
}

// Two sockets on different interfaces do not meet; one on none meets both.
void bound_to_device(Story& story) {
    OtherProcess holder([](Story& told, const auto& keep) {
        Sock here(told, kUdp4);
        must(::setsockopt(here.fd(), SOL_SOCKET, SO_BINDTODEVICE, "lo", 2) == 0,
             "SO_BINDTODEVICE lo: " + errno_name(errno));
        here.bind({"0.0.0.0", 8080});
        keep();
    });
    Sock anywhere(story, kUdp4);
    verdict(anywhere.bind({"0.0.0.0", 8080}, EADDRINUSE), "udp-holder", {},
            {{"sockopt", {{"bound_dev", 1}}}, {"process", {{"pid", holder.pid()}}}})
        .event["conflict"]["rule"] =
        "SO_BINDTODEVICE keeps sockets apart only if both are on a device, each on another; neither socket set "
        "SO_REUSEADDR";
    holder.end();  // as advised
    anywhere.bind({"0.0.0.0", 8080});
}

void dual_stack(Story& story) {
    Sock six(story, kTcp6);
    six.bind({"::", 8080});
    six.listen();
    Sock late(story, kTcp4);
    verdict(late.bind({"127.0.0.1", 8080}, EADDRINUSE), "listener", {"dual-stack", "same-process"},
            {{"local_addr", "::"}});
    let_it_look();
    Sock four(story, kTcp4);
    four.bind({"0.0.0.0", 8081});
    Sock late6(story, kTcp6);
    verdict(late6.bind({"::", 8081}, EADDRINUSE), "bound", {"dual-stack"}, {{"local_addr", "0.0.0.0"}});
    late6.set(IPPROTO_IPV6, IPV6_V6ONLY);  // as advised
    let_it_look();
    late6.bind({"::", 8081});
}

// The parent that bound it has let go; the child it left behind has not.
void inherited(Story& story) {
    Sock sock(story, kTcp4);
    sock.bind({"127.0.0.1", 8080});
    sock.listen();
    Gate let_go;
    Child keeper([&](Story&) { let_go.wait(); });
    sock.close_fd();
    Sock late(story, kTcp4);
    verdict(late.bind({"127.0.0.1", 8080}, EADDRINUSE), "listener", {"inherited-fd"},
            {{"acquired", "inherited"},
             {"processes", 1},
             {"process", {{"pid", keeper.pid()}}},
             {"last_process", {{"pid", ::getpid()}}}})
        .event["conflict"]["advice"] = Json::array({"stop provoke[" + std::to_string(keeper.pid()) + "]" +
                                                    ", then start it again, or give one of the two another port"});
    let_it_look();
    const std::uint64_t before = boot_ns();
    let_go.open();  // as advised: it stops
    const Span gone = keeper.join();
    sock.released("exit", {before, gone.after});
    late.bind({"127.0.0.1", 8080});
}

// Both may bind, but only one may listen.
void refused_by_listen(Story& story) {
    Sock first(story, kTcp4);
    Sock second(story, kTcp4);
    for (Sock* sock : {&first, &second}) {
        sock->set(SOL_SOCKET, SO_REUSEADDR);
        sock->bind({"127.0.0.1", 8080});
    }
    first.listen();
    verdict(second.listen(EADDRINUSE), "listener", {"same-process"}, {{"state", "LISTEN"}})
        .event["conflict"]["advice"] = Json::array({kBindOnce});
    let_it_look();
    first.close();  // as advised
    second.listen();
}

void one_reuseport(Story& story) {
    OtherProcess holder([](Story& told, const auto& keep) {
        Sock sock(told, kTcp4);
        sock.set(SOL_SOCKET, SO_REUSEPORT);
        sock.bind({"0.0.0.0", 8080});
        sock.listen();
        keep();
    });
    Sock late(story, kTcp4);
    verdict(late.bind({"0.0.0.0", 8080}, EADDRINUSE), "listener", {"reuseport-missing-requester"})
        .event["conflict"]["advice"] = {{"has", {kSetReuseport}}};
    let_it_look();
    late.set(SOL_SOCKET, SO_REUSEPORT);  // as advised
    late.bind({"0.0.0.0", 8080});
    holder.end();
}

void reuseport_missing_there(Story& story) {
    const auto serve = [](bool share) {
        return [share](Story& told, const auto& keep) {
            Sock sock(told, kTcp4);
            if (share) sock.set(SOL_SOCKET, SO_REUSEPORT);
            sock.bind({"0.0.0.0", 8080});
            sock.listen();
            keep();
        };
    };
    OtherProcess plain(serve(false));
    Sock late(story, kTcp4);
    late.set(SOL_SOCKET, SO_REUSEPORT);
    verdict(late.bind({"0.0.0.0", 8080}, EADDRINUSE), "listener", {"reuseport-missing-holder"})
        .event["conflict"]["advice"] = {
        {"has", {"to share the port, set SO_REUSEPORT on the holder's socket too, before it binds"}}};
    plain.end();
    OtherProcess sharing(serve(true));  // as advised
    late.bind({"0.0.0.0", 8080});
    sharing.end();
}

// It shares with its own user's sockets alone, whether the other one sets it or not.
void reuseport_of_two_users(Story& story) {
    Sock holder(story, kTcp4);
    holder.set(SOL_SOCKET, SO_REUSEPORT);
    holder.bind({"127.0.0.1", 8080});
    Child somebody([](Story& told) {
        own_exe();
        become_user(1000);
        Sock late(told, kTcp4);
        Expectation& line = verdict(late.bind({"127.0.0.1", 8080}, EADDRINUSE), "bound",
                                    {"reuseport-uid-mismatch", "reuseport-missing-requester"});
        line.event["conflict"]["advice"] = {{"lacks", {kSetReuseport}}};
        line.event["conflict"]["rule"] =
            "SO_REUSEPORT shares only between sockets of one user, and theirs are uid 1000 and 0";
        late.set(SOL_SOCKET, SO_REUSEPORT);
        verdict(late.bind({"127.0.0.1", 8080}, EADDRINUSE), "bound", {"reuseport-uid-mismatch"});
        late.bind({"127.0.0.1", 8081});  // as advised: another port
    });
    somebody.join();
}

// A busy server: its listener is named, though a hundred connections share the port.
void listener_of_many(Story& story) {
    Sock server(story, kTcp4);
    server.set(SOL_SOCKET, SO_REUSEADDR);
    server.bind({"127.0.0.1", 8080});
    server.listen(0, 128);
    constexpr int kConnections = 40;
    std::vector<std::unique_ptr<Sock>> clients;
    for (int i = 0; i < kConnections; ++i) {
        clients.push_back(std::make_unique<Sock>(story, kTcp4));
        clients.back()->connect({"127.0.0.1", 8080});
    }
    Sock late(story, kTcp4);
    Expectation& line = verdict(late.bind({"127.0.0.1", 8080}, EADDRINUSE), "listener", {}, {{"state", "LISTEN"}});
    line.event["conflict"]["in_the_way"] = {{"min", 1 + kConnections / 2}};  // not all may have been established yet
    for (const auto& client : clients) client->abort();
}

void refused_requests(Story& story) {
    let_it_rest();
    Sock sock(story, kTcp4);
    verdict(sock.bind({"10.99.99.99", 8080}, EADDRNOTAVAIL), "address-not-local")
        .event["conflict"]["local_addresses"] = {{"has", {{{"interface", "lo"}, {"addr", "127.0.0.1"}}}}};
    let_it_look();
    Sock early(story, kTcp4);
    early.set(IPPROTO_IP, IP_FREEBIND);  // as advised, both ways
    early.bind({"10.99.99.99", 8080});
    Sock everywhere(story, kTcp4);
    everywhere.bind({"0.0.0.0", 8082});  // or so
    add_local_address("10.99.99.99");
    Sock late(story, kTcp4);
    late.bind({"10.99.99.99", 8081});
    sock.bind({"127.0.0.1", 8080});
    verdict(sock.bind({"127.0.0.1", 8081}, EINVAL), "already-bound").event["conflict"]["advice"] = {
        "a socket binds once: make a new one for the second address"};
    Sock other(story, kTcp4);
    verdict(other.bind_bytes("", 1, EINVAL), "bad-request");
    other.bind({"127.0.0.1", 8081});  // as advised: a new one
    Child somebody([](Story& told) {
        own_exe();
        become_user(1000);
        Sock low(told, kTcp4);
        verdict(low.bind({"127.0.0.1", 80}, EACCES), "privileged-port");
        low.bind({"127.0.0.1", 1024});  // as advised
    });
    somebody.join();
}

// The address is there, but the kernel does not know yet whether it is alone with it. A port of its own, since failures
// are counted.
void address_not_ready(Story& story) {
    let_it_rest();
    add_tentative_address("fd00::1");
    Sock early(story, kTcp6);
    Json& conflict = verdict(early.bind({"fd00::1", 8094}, EADDRNOTAVAIL), "address-not-local").event["conflict"];
    conflict["summary"] = "fd00::1 came to bt-tap only after this, or was not yet ready";
    conflict["advice"] = {
        "if it comes later: After=network-online.target in the unit, or IP_FREEBIND on the socket",
        "add the address to an interface (ip addr in its network namespace), or bind 0.0.0.0 or [::]"};
    Sock free(story, kTcp6);
    free.set(IPPROTO_IP, IP_FREEBIND);  // as advised
    free.bind({"fd00::1", 8095});
    let_it_look();
    until_no_address_is_tentative();  // as advised: that is what network-online waits for
    early.bind({"fd00::1", 8094});
}

// Three new processes fail alike; the third makes it a loop. On a port of its own: a namespace's number is used again.
void restart_loop(Story& story) {
    Sock holder(story, kTcp4);
    holder.bind({"0.0.0.0", 8091});
    holder.listen();
    for (int start = 1; start <= 3; ++start) {
        Child server([start](Story& told) {
            Sock late(told, kTcp4);
            Json& conflict = verdict(late.bind({"0.0.0.0", 8091}, EADDRINUSE), "listener").event["conflict"];
            conflict["failures"] = start;
            if (start == 3) conflict["factors"] = {{"has", {"restart-loop"}}};
            if (start < 3) conflict["factors"] = {{"lacks", {"restart-loop"}}};
        });
        server.join();
    }
    let_it_look();
}

}  // namespace

std::vector<Case> conflict_cases() {
    return {{"conflict-listener", listener},
            {"conflict-bound", bound},
            {"conflict-ephemeral", ephemeral},
            {"conflict-reserved-port", reserved_is_no_overlap},
            {"conflict-time-wait", time_wait},
            {"conflict-time-wait-exited", time_wait_of_who_exited},
            {"conflict-orphan", [](Story& story) { orphan(story, false); }},
            {"conflict-orphan-reuseaddr", [](Story& story) { orphan(story, true); }},
            {"conflict-udp", udp},
            {"conflict-udp-client", udp_client},
            {"conflict-multicast", multicast},
            {"conflict-bound-to-device", bound_to_device},
            {"conflict-dual-stack", dual_stack},
            {"conflict-inherited-fd", inherited},
            {"conflict-listen", refused_by_listen},
            {"conflict-one-reuseport", one_reuseport},
            {"conflict-reuseport-missing-there", reuseport_missing_there},
            {"conflict-reuseport-uid", reuseport_of_two_users},
            {"conflict-listener-of-many", listener_of_many},
            {"conflict-requests", refused_requests},
            {"conflict-address-not-ready", address_not_ready},
            {"conflict-restart-loop", restart_loop}};
}

}  // namespace bindtrace
