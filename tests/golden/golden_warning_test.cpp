// SPDX-License-Identifier: MIT
// What is said when a port of the registry is taken by somebody else, and when a service runs on without its port.
#include "diagnose/warning_words.h"
#include "golden.h"
#include "registry_warning.h"

namespace bindtrace {
namespace {

TEST_F(Golden, Warning) {
    add("another unit", warning(WarningReason::other_owner, by(held({"0.0.0.0", 9100}), kMetrics)));

    Warning client =
        warning(WarningReason::ephemeral,
                by(connected(held({"10.0.0.1", 9100, IPPROTO_TCP, TCP_SYN_SENT}), "10.0.0.5", 8848), kMetrics));
    client.claim.raw.op = BT_OP_CONNECT;
    client.claim.raw.flags |= BT_EVENT_EPHEMERAL;
    client.reserved = "9050,9100";
    client.entry.last_port = 9110;
    client.entry.netns = "web";
    add("a client's source port, in a network namespace of a name", client);
    client.claim.raw.sock.remote_port = 0;
    client.claim.raw.op = BT_OP_BIND;
    client.reserved.clear();
    add("bind to any port, when it was reserved already", client);

    Warning published = warning(WarningReason::container_published,
                                by(held({"0.0.0.0", 9100}), {"docker-proxy", 77, "/system.slice/docker.service"}));
    published.claim.published =
        Published{.host_port = 9100, .container_port = 9100, .container_address = "172.17.0.2", .runtime = "docker"};
    published.claim.container.container =
        Container{.runtime = "docker", .id = std::string(64, 'a'), .name = "metrics", .image = "metrics:1"};
    published.entry.owners.push_back({OwnerRule::Kind::container, "exporter"});
    add("a container's published port", published);

    Warning joined =
        warning(WarningReason::reuseport_join, with(by(held({"::", 53, IPPROTO_UDP}), kMetrics), BT_OPT_REUSEPORT));
    joined.entry.address = held({"::1", 53}).holder.raw.sock;
    joined.entry.owners = {{OwnerRule::Kind::user, "dns"}, {OwnerRule::Kind::exe, "/usr/bin/dns"}};
    add("a port shared by SO_REUSEPORT", joined);

    Person unseen = kMetrics;
    unseen.cgroup = nullptr;
    unseen.comm = "\x1b[2Jx\n";
    Warning unknown = warning(WarningReason::unknown_owner, by(held({"0.0.0.0", 9100}), unseen));
    unknown.unknown = "the cgroup of its holder is not known";
    unknown.entry.owners.clear();
    unknown.entry.file = "a\x1b[31m.toml";
    add("who it is could not be determined, and hostile names", unknown);
    add("a service that runs on without its port", service_without_port());
    expect_file("warning");
}

}  // namespace
}  // namespace bindtrace
