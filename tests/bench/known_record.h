// SPDX-License-Identifier: MIT
// A record with everything known about it, the usual case: a bind by a service that was refused.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "model/record.h"

namespace bindtrace {

struct KnownRecord {
    Event event{};
    Context context;
    Process process;

    KnownRecord() {
        event.ktime_ns = 86'400'123'456'789;
        event.port = 8080;
        event.addr_family = AF_INET;
        event.kind = BT_KIND_BIND;
        event.flags = BT_EVENT_HAS_REQUEST | BT_EVENT_HAS_TASK | BT_EVENT_HAS_SOCK | BT_EVENT_HAS_SOCKOPT;
        event.op = BT_OP_BIND;
        event.error = EADDRINUSE;
        event.task.key = {86'000'000'000'000, 18422, 2};
        event.task.cgroup_id = 7311;
        event.task.tid = 18431;
        event.task.ppid = 1;
        event.task.uid = 998;
        std::strcpy(event.task.comm, "myapp");
        event.sock.cookie = 20481;
        event.sock.inode = 912345;
        event.sock.cgroup_id = 7311;
        event.sock.family = AF_INET;
        event.sock.protocol = IPPROTO_TCP;
        event.sock.type = SOCK_STREAM;
        event.sock.netns = 4026531840;
        event.sock.state = 7;
        context.time_ns = 1'795'294'388'123'456'789;
        context.process = &process;
        context.start_time_ns = 1'795'293'988'000'000'000;
        context.user = "myapp";
        context.cgroup_path = "/system.slice/myapp.service";
        context.socket_cgroup_path = "/system.slice/myapp.service";
        context.netns_name = "host";
        process.exe = "/opt/myapp/bin/myapp";
        process.cmdline = {"/opt/myapp/bin/myapp", "--config", "/etc/myapp/config.yaml", "--listen", "0.0.0.0:8080"};
        process.ancestry = {{812, "supervisord"}, {1, "systemd"}};
    }

    // Another record of the same burst: a later time, now and then in the next second.
    void advance() {
        event.ktime_ns += 1'234'567;
        context.time_ns += 1'234'567;
    }
};

}  // namespace bindtrace
