// SPDX-License-Identifier: MIT
// Verdicts that depend on where the holder runs, and where its socket was made. The cgroups have the names that systemd
// gives them.
#include <unistd.h>

#include <cerrno>
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
         {"an earlier instance of myapp.service is still there: wait for it to end, then systemctl restart "
          "myapp.service"}}};
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

}  // namespace

std::vector<Case> conflict_unit_cases() {
    return {{"conflict-same-unit", same_unit, false, false, true},
            {"conflict-socket-unit", socket_unit, false, false, true},
            {"conflict-user-session", user_session, false, false, true},
            {"conflict-other-namespace", other_namespace}};
}

}  // namespace bindtrace
