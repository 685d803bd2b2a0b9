// SPDX-License-Identifier: MIT
// Verdicts that depend on where the holder runs, and where its socket was made. The cgroups have the names that systemd
// gives them.
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <functional>
#include <memory>

#include "provoke.h"
#include "provoke_cgroup.h"
#include "provoke_conflict.h"
#include "provoke_socket.h"

namespace bindtrace {
namespace {

std::shared_ptr<Cgroup> place(Story& story, const std::string& leaf) {
    auto cgroup = std::make_shared<Cgroup>("/bindtrace.slice", "/" + leaf);
    story.keep(cgroup);
    return cgroup;
}

// A restart that overlaps: the old instance has not let go.
void same_unit(Story& story) {
    const auto unit = place(story, "myapp.service");
    unit->enter();
    OtherProcess old_instance([](Story& told, const auto& keep) {
        Sock sock(told, kTcp4);
        sock.bind({"0.0.0.0", 8080});
        sock.listen();
        keep();
    });
    Sock late(story, kTcp4);
    Expectation& line =
        verdict(late.bind({"0.0.0.0", 8080}, EADDRINUSE), "listener", {"same-unit"},
                {{"unit", "myapp.service"}, {"process", {{"pid", old_instance.pid()}}}, {"acquired", "bind"}});
    line.event["conflict"]["advice"] = {
        {"has",
         {"an earlier instance of myapp.service is still there: wait for it to end, or end it: systemctl kill "
          "myapp.service, then systemctl restart myapp.service"}}};
    old_instance.end();  // as advised
    late.bind({"0.0.0.0", 8080});
}

// Bound in the socket unit's cgroup, held by somebody else: systemd has it for a service that is not running.
void socket_unit(Story& story) {
    const auto unit = place(story, "web.socket");
    unit->enter();
    Sock sock(story, kTcp4);
    unit->leave();
    sock.bind({"0.0.0.0", 8080});
    sock.listen();
    Sock late(story, kTcp4);
    Expectation& line = verdict(late.bind({"0.0.0.0", 8080}, EADDRINUSE), "listener", {"socket-activated"},
                                {{"socket_unit", "web.socket"}, {"unit", nullptr}});
    line.event["conflict"]["advice"] = {{"has",
                                         {"the process has this port open already: let it bind once, or close "
                                          "the first socket"}}};
    let_it_look();
    OtherProcess later([](Story& told, const auto& keep) {
        Sock other(told, kTcp4);
        Json& conflict =
            verdict(other.bind({"0.0.0.0", 8080}, EADDRINUSE), "listener", {"socket-activated"}).event["conflict"];
        conflict["advice"] = {{"has",
                               {"systemctl disable --now web.socket, then start it again, or give one of the two "
                                "another port"}}};
        keep();
    });
    later.end();
}

void user_session(Story& story) {
    const auto session = place(story, "session-7.scope");
    session->enter();
    OtherProcess somebody([](Story& told, const auto& keep) {
        Sock sock(told, kTcp4);
        sock.bind({"127.0.0.1", 8080});
        sock.listen();
        keep();
    });
    session->leave();
    Sock late(story, kTcp4);
    verdict(late.bind({"0.0.0.0", 8080}, EADDRINUSE), "listener", {"user-session"},
            {{"unit", "session-7.scope"}, {"process", {{"pid", somebody.pid()}}}});
    somebody.end();
    late.bind({"0.0.0.0", 8080});
}

// The same port in another network namespace is nobody's business.
void other_namespace(Story& story) {
    OtherProcess elsewhere([](Story&, const auto& keep) {
        enter_new_netns();
        Story untold;
        Sock sock(untold, kTcp4);
        sock.bind({"0.0.0.0", 8080});
        sock.listen();
        keep();
    });
    OtherProcess here([](Story& told, const auto& keep) {
        Sock sock(told, kTcp4);
        sock.bind({"0.0.0.0", 8080});
        keep();
    });
    Sock late(story, kTcp4);
    Expectation& line = verdict(late.bind({"0.0.0.0", 8080}, EADDRINUSE), "bound", {},
                                {{"process", {{"pid", here.pid()}}}, {"state", "CLOSE"}});
    line.event["conflict"]["in_the_way"] = 1;
    here.end();
    late.bind({"0.0.0.0", 8080});
    elsewhere.end();
}

void listen_at(Story& told, const char* address, const std::function<void()>& keep) {
    Sock sock(told, kTcp4);
    sock.bind({address, 8080});
    sock.listen();
    keep();
}

// A wildcard meets them all: to stop one of them is not enough.
void two_owners(Story& story) {
    const auto one = place(story, "one.service"), two = place(story, "two.service"),
               late_one = place(story, "x.service");
    one->enter();
    OtherProcess first([](Story& told, const auto& keep) { listen_at(told, "127.0.0.1", keep); });
    two->enter();
    OtherProcess second([](Story& told, const auto& keep) { listen_at(told, "127.0.0.2", keep); });
    late_one->enter();
    Sock late(story, kTcp4);
    verdict(late.bind({"0.0.0.0", 8080}, EADDRINUSE), "listener").event["conflict"]["advice"] = {
        "systemctl stop two.service, systemctl stop one.service, then systemctl restart x.service, or take another "
        "port"};
    first.end();
    verdict(late.bind({"0.0.0.0", 8080}, EADDRINUSE), "listener").event["conflict"]["advice"] = {
        "systemctl stop two.service, then systemctl restart x.service, or give one of the two another port"};
    second.end();  // both as advised
    late.bind({"0.0.0.0", 8080});
}

// The process's own socket is not all that is in the way.
void own_and_another(Story& story) {
    const auto one = place(story, "one.service"), late_one = place(story, "x.service");
    one->enter();
    OtherProcess first([](Story& told, const auto& keep) { listen_at(told, "127.0.0.1", keep); });
    late_one->enter();
    Sock own(story, kTcp4);
    own.bind({"127.0.0.2", 8080});
    Sock late(story, kTcp4);
    verdict(late.bind({"0.0.0.0", 8080}, EADDRINUSE), "listener", {"same-process"}).event["conflict"]["advice"] = {
        "systemctl stop one.service, close the socket that the process has there already, then systemctl restart "
        "x.service, or take another port"};
    let_it_look();
    own.close();
    first.end();  // both as advised
    late.bind({"0.0.0.0", 8080});
}

// A server that never closes what its clients have closed, after its listener has gone.
void close_wait(Story& story) {
    const auto leaky = place(story, "leaky.service"), late_one = place(story, "x.service");
    Sock server(story, kTcp4);
    server.bind({"127.0.0.1", 8080});
    server.listen();
    Sock client(story, kTcp4);
    Sock child = connected_child(server, client, {"127.0.0.1", 8080});
    server.close();
    must(::shutdown(client.fd(), SHUT_WR) == 0, "shutdown: " + errno_name(errno));
    leaky->enter();
    Gate let_go;
    Child keeper([&](Story&) { let_go.wait(); });
    child.close_fd();
    late_one->enter();
    Sock late(story, kTcp4);
    verdict(late.bind({"127.0.0.1", 8080}, EADDRINUSE), "closing", {"reuseaddr-missing-holder"},
            {{"state", "CLOSE_WAIT"}, {"process", {{"pid", keeper.pid()}}}})
        .event["conflict"]["advice"] = {
        "set SO_REUSEADDR on both sockets; until then, systemctl restart leaky.service, then systemctl restart "
        "x.service"};
    let_it_look();
    let_go.open();
    keeper.join();  // as advised
    late.bind({"127.0.0.1", 8080});
    client.close_fd();  // in TIME_WAIT now
    client.released_in_time_wait({boot_ns(), 0});
}

}  // namespace

std::vector<Case> conflict_unit_cases() {
    return {{"conflict-same-unit", same_unit, false, false, true},
            {"conflict-socket-unit", socket_unit, false, false, true},
            {"conflict-user-session", user_session, false, false, true},
            {"conflict-two-owners", two_owners, false, false, true},
            {"conflict-own-and-another", own_and_another, false, false, true},
            {"conflict-close-wait", close_wait, false, false, true},
            {"conflict-other-namespace", other_namespace}};
}

}  // namespace bindtrace
