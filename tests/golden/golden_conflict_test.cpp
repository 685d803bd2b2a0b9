// SPDX-License-Identifier: MIT
// Verdicts, as text and as JSON: each cause once, from evidence as the kernel side gives it.
#include <algorithm>

#include "../unit/redacted_verdict.h"
#include "diagnose/diagnose.h"
#include "golden.h"

namespace bindtrace {
namespace {

// A refused bind with what was found in the way.
struct RefusedBind {
    Story story;
    Refusal refusal;
    std::vector<Holder> holders;

    explicit RefusedBind(const Place& place, int error = EADDRINUSE) : story(BT_KIND_BIND, BT_OP_BIND) {
        story.ask(place).fail(error);
        refusal.claimant = story.event.sock;
        refusal.claimant.local_port = place.port;
        set_address(refusal.claimant.local_addr, place);
        refusal.claimant_uid = 998;
        refusal.complete = true;
        refusal.ephemeral_first = 32768;
        refusal.ephemeral_last = 60999;
        refusal.unprivileged_start = 1024;
    }

    RefusedBind& held_by(std::uint8_t state, const Place& place) {
        Holder holder;
        bt_holder& raw = holder.raw;
        raw.since_ns = kKtime - 212'000'000;
        raw.flags = BT_EVENT_HAS_SOCKOPT | BT_EVENT_HAS_TASK;
        raw.op = BT_OP_BIND;
        raw.has_claim = 1;
        raw.explicit_port = 1;
        raw.substate = state;
        raw.sock = story.event.sock;
        raw.sock.state = state;
        raw.sock.family = family_of(place);
        raw.sock.local_port = place.port;
        raw.sock.opts = 0;
        set_address(raw.sock.local_addr, place);
        raw.task.key = {86'300'000'000'000, 1312, 1};
        raw.task.tid = 1312;
        raw.task.ppid = 1;
        raw.task.uid = 997;
        set_comm(raw.task.comm, "java");
        holder.since_ns = kTime - 212'000'000;
        holder.netns_name = "host";
        holder.socket_cgroup_path = "/system.slice/config-client.service";
        Owner owner;
        owner.task = raw.task;
        owner.process = Process{.exe = "/usr/lib/jvm/java-17/bin/java",
                                .cmdline = std::vector<std::string>{"java", "-jar", "config-client.jar"},
                                .ancestry = {{1, "systemd"}}};
        owner.start_time_ns = kTime - 100'000'000'000;
        owner.user = "config";
        owner.cgroup_path = "/system.slice/config-client.service";
        holder.process = owner;
        holders.push_back(holder);
        refusal.in_the_way = static_cast<std::uint32_t>(holders.size());
        return *this;
    }

    RefusedBind& as_client_of(const Place& remote) {
        bt_holder& raw = holders.back().raw;
        raw.op = BT_OP_CONNECT;
        raw.flags |= BT_EVENT_EPHEMERAL;
        raw.explicit_port = 0;
        raw.sock.remote_port = remote.port;
        set_address(raw.sock.remote_addr, remote);
        return *this;
    }

    RefusedBind& whose_process_has_gone() {
        Holder& holder = holders.back();
        holder.raw.sock.inode = 0;
        holder.last_process = holder.process;
        holder.last_process_exited = true;
        holder.process.reset();
        return *this;
    }
};

class GoldenConflict : public Golden {
  protected:
    // `failures`: so many times in a row, the last of which is told.
    void add(const std::string& what, RefusedBind refused, Findings found = {}, int failures = 1) {
        Story& story = refused.story;
        story.settle();
        Diagnosis diagnosis;
        RedactedVerdict redacted;
        found.refusal = refused.refusal;
        found.holders = refused.holders;
        for (int i = 1; i < failures; ++i) {
            (void)diagnosis.diagnose(story.event, story.context, found);
            redacted.expect_same(what, story.event, story.context, found);
            story.event.ktime_ns += 2'000'000'000;
            ++story.event.task.key.pid;
        }
        redacted.expect_same(what, story.event, story.context, found);
        const Conflict verdict = diagnosis.diagnose(story.event, story.context, std::move(found));
        add_record(what, story.event, story.context, &verdict);
    }
};

LocalAddress local_address(const char* interface, const Place& place) {
    LocalAddress local{.interface = interface, .family = family_of(place)};
    std::uint8_t bytes[16]{};
    set_address(bytes, place);
    std::ranges::copy(bytes, local.address.begin());
    return local;
}

TEST_F(GoldenConflict, Holders) {
    RefusedBind client = RefusedBind({"0.0.0.0", 38080}).held_by(TCP_ESTABLISHED, {"10.0.0.1", 38080});
    add("a client's source port", client.as_client_of({"10.0.0.5", 8848}));
    Findings reserved;
    reserved.to_reserve = "9100,38080";
    add("a client's source port, and what is reserved", client, reserved);

    RefusedBind unmarked = RefusedBind({"0.0.0.0", 38080}).held_by(TCP_ESTABLISHED, {"2001:db8::1", 38080});
    add("a client of IPv6", unmarked.as_client_of({"2001:db8::5", 8848}));

    add("a listener", RefusedBind({"0.0.0.0", 8080}).held_by(TCP_LISTEN, {"0.0.0.0", 8080}));
    add("bound, not listening", RefusedBind({"127.0.0.1", 8080}).held_by(TCP_CLOSE, {"0.0.0.0", 8080}));

    RefusedBind time_wait = RefusedBind({"0.0.0.0", 38080}).held_by(TCP_TIME_WAIT, {"10.0.0.1", 38080});
    time_wait.as_client_of({"10.0.0.5", 8848}).whose_process_has_gone();
    add("TIME_WAIT", time_wait);

    RefusedBind orphan = RefusedBind({"0.0.0.0", 8080}).held_by(TCP_FIN_WAIT2, {"10.0.0.1", 8080});
    orphan.holders.back().raw.sock.remote_port = 51000;
    set_address(orphan.holders.back().raw.sock.remote_addr, {"10.0.0.9", 51000});
    add("an orphan", orphan.whose_process_has_gone());

    RefusedBind udp = RefusedBind({"0.0.0.0", 53}).held_by(TCP_CLOSE, {"127.0.0.53", 53});
    udp.holders.back().raw.sock.protocol = IPPROTO_UDP;
    udp.holders.back().raw.sock.type = SOCK_DGRAM;
    udp.story.socket(IPPROTO_UDP, SOCK_DGRAM);
    add("UDP", udp);

    add("dual-stack", RefusedBind({"::", 8080}).held_by(TCP_LISTEN, {"0.0.0.0", 8080}));

    RefusedBind inherited = RefusedBind({"0.0.0.0", 8080}).held_by(TCP_LISTEN, {"0.0.0.0", 8080});
    inherited.holders.back().last_process = inherited.holders.back().process;
    inherited.holders.back().last_process->task.key.pid = 1300;
    inherited.holders.back().last_process_exited = true;
    inherited.holders.back().processes = 1;
    add("a child that inherited it", inherited);
    inherited.holders.back().processes = 2;
    inherited.holders.back().others = {*inherited.holders.back().process};
    inherited.holders.back().others.back().task.key.pid = 1313;
    inherited.holders.back().others.back().cgroup_path = "/system.slice/worker.service";
    add("two children that inherited it", inherited);

    RefusedBind same_unit = RefusedBind({"0.0.0.0", 8080}).held_by(TCP_LISTEN, {"0.0.0.0", 8080});
    same_unit.holders.back().process->cgroup_path = "/system.slice/myapp.service";
    add("the old instance of the same unit", same_unit);

    RefusedBind activated = RefusedBind({"0.0.0.0", 8080}).held_by(TCP_LISTEN, {"0.0.0.0", 8080});
    activated.holders.back().socket_cgroup_path = "/system.slice/myapp.socket";
    set_comm(activated.holders.back().process->task.comm, "systemd");
    activated.holders.back().process->task.key.pid = 1;
    activated.holders.back().process->cgroup_path = "/init.scope";
    add("a socket unit", activated);

    RefusedBind before_start = RefusedBind({"0.0.0.0", 8080}).held_by(TCP_LISTEN, {"0.0.0.0", 8080});
    before_start.holders.back().raw.since_ns = 0;
    before_start.holders.back().since_ns.reset();
    add("held since before the start", before_start);

    RefusedBind many = RefusedBind({"0.0.0.0", 8080}).held_by(TCP_ESTABLISHED, {"10.0.0.1", 8080});
    many.held_by(TCP_LISTEN, {"0.0.0.0", 8080});
    many.refusal.in_the_way = 1501;
    add("a listener and its connections", many);

    many.refusal.complete = false;
    many.refusal.seen = 2047;
    add("more than were looked at", many);

    RefusedBind hostile = RefusedBind({"0.0.0.0", 8080}).held_by(TCP_LISTEN, {"0.0.0.0", 8080});
    set_comm(hostile.holders.back().process->task.comm, "\x1b[2J\xff\n");
    hostile.holders.back().process->cgroup_path = "/system.slice/\x1b[1m.service";
    add("a hostile holder", hostile);

    RefusedBind old_client = RefusedBind({"0.0.0.0", 38080}).held_by(TCP_ESTABLISHED, {"10.0.0.1", 38080});
    old_client.as_client_of({"10.0.0.5", 8848}).holders.back().raw.has_claim = 0;
    old_client.holders.back().raw.since_ns = 0;
    old_client.holders.back().since_ns.reset();
    old_client.refusal.seen = 1;
    add("a client from before the start", old_client);

    RefusedBind kernel = RefusedBind({"0.0.0.0", 4789}).held_by(TCP_CLOSE, {"0.0.0.0", 4789});
    kernel.holders.back().raw.of_kernel = 1;
    kernel.holders.back().raw.has_claim = 0;
    kernel.holders.back().raw.since_ns = 0;
    kernel.holders.back().since_ns.reset();
    kernel.holders.back().process.reset();
    kernel.holders.back().raw.sock.protocol = IPPROTO_UDP;
    kernel.holders.back().raw.sock.type = SOCK_DGRAM;
    kernel.story.socket(IPPROTO_UDP, SOCK_DGRAM);
    add("the kernel itself", kernel);

    const RefusedBind refused_again = RefusedBind({"0.0.0.0", 8080}).held_by(TCP_LISTEN, {"0.0.0.0", 8080});
    add("a restart loop", refused_again, {}, 3);
    add("a restart loop goes on", refused_again, {}, 7);

    add("the holder has gone", RefusedBind({"0.0.0.0", 8080}));
    expect_file("conflict");
}

constexpr const char* kId = "9c53d1279d6798a5b4b00c6e154a2e1edbd2f50e61164b188287de4c7b9fd028";

Holder& held_by_program(RefusedBind& refused, const char* comm, const char* cgroup) {
    Holder& holder = refused.held_by(TCP_LISTEN, {"0.0.0.0", 8080}).holders.back();
    set_comm(holder.process->task.comm, comm);
    holder.process->process.reset();
    holder.process->cgroup_path = cgroup;
    holder.process->user = "alice";
    holder.socket_cgroup_path = cgroup;
    return holder;
}

TEST_F(GoldenConflict, Containers) {
    const Container web{.runtime = "docker", .id = kId, .name = "web", .image = "tiny:1"};
    RefusedBind proxy({"0.0.0.0", 8080});
    Holder& published = held_by_program(proxy, "docker-proxy", "/system.slice/docker.service");
    published.process->task.uid = 0;
    published.container.container = web;
    published.published =
        Published{.host_port = 8080, .container_port = 80, .container_address = "172.17.0.2", .runtime = "docker"};
    add("a port that Docker publishes", proxy);

    published.published->container_gone = true;
    published.container = {};
    add("a docker-proxy that was left behind", proxy);

    RefusedBind conmon({"0.0.0.0", 8080});
    Holder& of_podman = held_by_program(conmon, "conmon", "/user.slice/user-0.slice/session-4.scope");
    of_podman.process->task.uid = 0;
    of_podman.container.container =
        Container{.runtime = "podman", .id = kId, .name = "pweb", .image = "localhost/tiny"};
    of_podman.published = Published{.host_port = 8080, .container_port = 80, .runtime = "podman"};
    of_podman.last_process = of_podman.process;
    set_comm(of_podman.last_process->task.comm, "podman");
    of_podman.last_process->task.key.pid = 1300;
    of_podman.last_process_exited = true;
    add("a port that Podman publishes", conmon);

    RefusedBind rootless({"0.0.0.0", 8080});
    Holder& of_alice = held_by_program(rootless, "rootlessport",
                                       "/user.slice/user-1000.slice/user@1000.service/user.slice/podman-713.scope");
    of_alice.container.container = Container{.runtime = "podman", .id = kId, .name = "r2", .image = {}};
    of_alice.published = Published{.host_port = 8080, .runtime = "podman"};
    add("a port that a user's Podman publishes", rootless);

    RefusedBind as_unit({"0.0.0.0", 8080});
    Holder& of_unit = held_by_program(as_unit, "conmon", "/system.slice/quad.service/runtime");
    of_unit.process->task.uid = 0;
    of_unit.container.container = Container{.runtime = "podman", .id = kId, .name = "quad", .image = {}};
    of_unit.published = Published{.host_port = 8080, .container_port = 80, .runtime = "podman"};
    add("a container of Podman's that is a unit", as_unit);

    RefusedBind users_docker({"0.0.0.0", 8080});
    Holder& of_rootlesskit =
        held_by_program(users_docker, "rootlesskit", "/user.slice/user-1000.slice/session-4.scope");
    of_rootlesskit.process->task.uid = 1000;
    of_rootlesskit.container.container = web;
    of_rootlesskit.published = Published{.host_port = 8080, .container_port = 80, .runtime = "docker"};
    add("a port that a user's Docker publishes", users_docker);

    RefusedBind in_host_network({"0.0.0.0", 8080});
    held_by_program(in_host_network, "httpd", "/system.slice/docker-9c53.scope").container.container = web;
    add("a container on the host's network", in_host_network);

    RefusedBind pods({"0.0.0.0", 8080});
    pods.story.context.cgroup_path = "/kubepods.slice/cri-containerd-4f6d.scope";
    pods.story.facts = {.container = Container{.runtime = "containerd", .id = kId, .name = "api", .image = {}},
                        .pod = Pod{.name_space = "shop", .name = "api-1", .uid = "0d1e", .container = "api"}};
    held_by_program(pods, "nginx", "/kubepods.slice/cri-containerd-9c53.scope").container = {
        .container = Container{.runtime = "containerd", .id = kId, .name = "nginx", .image = "nginx:1"},
        .pod = Pod{.name_space = "shop", .name = "web-1", .uid = "6c5b", .container = "nginx"}};
    add("two pods on the host's network", pods);

    RefusedBind dev_server({"0.0.0.0", 8080});
    held_by_program(dev_server, "node", "/user.slice/user-1000.slice/session-4.scope");
    add("somebody's session", dev_server);

    RefusedBind user_unit({"0.0.0.0", 8080});
    held_by_program(user_unit, "node", "/user.slice/user-1000.slice/user@1000.service/app.slice/dev.service");
    add("a unit of a user's own manager", user_unit);
    expect_file("conflict_container");
}

TEST_F(GoldenConflict, Requests) {
    add("an address that is not here", RefusedBind({"10.99.99.99", 8080}, EADDRNOTAVAIL));
    const std::vector<LocalAddress> local = {local_address("lo", {"127.0.0.1", 0}), local_address("lo", {"::1", 0}),
                                             local_address("eth0", {"10.0.0.1", 0})};
    const auto has = [](const std::vector<LocalAddress>& list) {
        return Findings{.refusal = {}, .holders = {}, .range = {}, .local_addresses = list};
    };
    add("an address that is not here, and those that are", RefusedBind({"10.99.99.99", 8080}, EADDRNOTAVAIL),
        has(local));
    add("an address that came too late", RefusedBind({"10.0.0.1", 8080}, EADDRNOTAVAIL), has(local));
    LocalAddress link = local_address("eth0", {"fe80::1", 0});
    link.index = 2;
    RefusedBind elsewhere({"fe80::1", 8080}, EADDRNOTAVAIL);
    elsewhere.story.event.sock.bound_dev = 1;
    add("an address of another link", elsewhere, has({link}));
    link = local_address("eth0", {"10.0.0.1", 0});
    link.index = 2;
    link.vrf = 7;
    link.vrf_name = "red";
    add("an address in a VRF", RefusedBind({"10.0.0.1", 8080}, EADDRNOTAVAIL), has({link}));
    add("no address of that family", RefusedBind({"10.0.0.1", 8080}, EADDRNOTAVAIL), has({local[1]}));
    add("a privileged port", RefusedBind({"0.0.0.0", 80}, EACCES));
    add("refused by policy", RefusedBind({"0.0.0.0", 8080}, EPERM));
    add("port 0 and none is free", RefusedBind({"0.0.0.0", 0}));
    Owner hog;
    hog.task.key = {86'300'000'000'000, 1312, 1};
    set_comm(hog.task.comm, "curl");
    hog.cgroup_path = "/system.slice/poller.service";
    Findings users;
    users.range = RangeUse{.taken = 28232,
                           .shares = {{.ports = 27000, .state = "TIME_WAIT", .owner = {}},
                                      {.ports = 1200, .state = "ESTABLISHED", .owner = hog}},
                           .reserved = 0};
    add("port 0 and none is free, and who has them", RefusedBind({"0.0.0.0", 0}), users);
    users.range->taken = 2232;
    users.range->shares.front().ports = 1000;
    users.range->reserved = 26000;
    add("port 0 and none is free, since most are reserved", RefusedBind({"0.0.0.0", 0}), users);
    users.range = RangeUse{.taken = 0, .shares = {}, .reserved = 28232};
    add("port 0 and all are reserved", RefusedBind({"0.0.0.0", 0}), users);
    RefusedBind twice({"0.0.0.0", 8081}, EINVAL);
    twice.story.hold({"0.0.0.0", 8080});
    add("bound already", twice);
    add("no memory", RefusedBind({"0.0.0.0", 8080}, ENOMEM));
    add("not to be done", RefusedBind({"0.0.0.0", 8080}, EAFNOSUPPORT));
    add("an errno without a story", RefusedBind({"0.0.0.0", 8080}, EIO));
    RefusedBind ping({"0.0.0.0", 4711}, EADDRINUSE);
    ping.story.event.sock.protocol = IPPROTO_ICMP;
    ping.story.event.sock.type = SOCK_DGRAM;
    add("a protocol whose table is not looked at", ping);
    expect_file("conflict_request");
}

}  // namespace
}  // namespace bindtrace
