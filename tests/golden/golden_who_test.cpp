// SPDX-License-Identifier: MIT
// What `who` prints, as a table and as JSON.
#include "golden.h"
#include "sink/held_ports.h"

namespace bindtrace {
namespace {

HeldPort held(std::uint8_t state, const Place& place, std::uint16_t protocol = IPPROTO_TCP) {
    HeldPort port;
    bt_holder& raw = port.holder.raw;
    raw.substate = raw.sock.state = state;
    raw.flags = BT_EVENT_HAS_SOCKOPT;
    raw.sock.family = family_of(place);
    raw.sock.protocol = protocol;
    raw.sock.type = protocol == IPPROTO_TCP ? SOCK_STREAM : SOCK_DGRAM;
    raw.sock.local_port = place.port;
    set_address(raw.sock.local_addr, place);
    raw.sock.netns = 4026531840;
    raw.sock.cookie = 41;
    raw.sock.inode = 5101;
    raw.sock.cgroup_id = 7;
    port.holder.netns_name = "host";
    port.holder.socket_cgroup_path = "/system.slice/nginx.service";
    return port;
}

HeldPort& by(HeldPort& port, const char* comm, std::uint32_t pid, const char* cgroup, std::size_t processes = 1) {
    Owner owner;
    owner.task.key = {86'300'000'000'000, pid, 1};
    owner.task.tid = pid;
    owner.task.ppid = 1;
    set_comm(owner.task.comm, comm);
    owner.process = Process{.exe = "/usr/sbin/" + std::string(comm),
                            .cmdline = std::vector<std::string>{comm, "-g", "daemon off;"},
                            .ancestry = {{1, "systemd"}}};
    owner.start_time_ns = kTime - 100'000'000'000;
    owner.user = "root";
    owner.cgroup_path = cgroup;
    port.holder.process = owner;
    port.processes = processes;
    return port;
}

HeldPort& with(HeldPort& port, const Place& remote) {
    port.holder.raw.sock.remote_port = remote.port;
    set_address(port.holder.raw.sock.remote_addr, remote);
    return port;
}

TEST_F(Golden, Who) {
    std::vector<HeldPort> ports;
    ports.push_back(held(TCP_LISTEN, {"0.0.0.0", 80}));
    by(ports.back(), "nginx", 812, "/system.slice/nginx.service", 5);
    for (std::uint16_t remote = 51544; remote < 51547; ++remote) {
        ports.push_back(held(TCP_ESTABLISHED, {"10.0.0.1", 80}));
        by(with(ports.back(), {"10.0.0.9", remote}), "nginx", 815, "/system.slice/nginx.service");
    }
    ports.push_back(held(TCP_LISTEN, {"::", 8080}));
    by(ports.back(), "systemd", 1, "/init.scope").holder.socket_cgroup_path = "/system.slice/web.socket";
    ports.push_back(held(TCP_CLOSE, {"127.0.0.1", 8081}));
    by(ports.back(), "myapp", 900, "/user.slice/user-1000.slice/session-3.scope").holder.netns_name = "web";
    ports.push_back(held(TCP_TIME_WAIT, {"10.0.0.1", 9100}));
    with(ports.back(), {"10.0.0.5", 8848}).holder.raw.sock.inode = 0;
    ports.back().holder.raw.flags = BT_EVENT_EPHEMERAL;
    ports.back().holder.socket_cgroup_path.reset();
    ports.push_back(held(TCP_CLOSE, {"0.0.0.0", 53}, IPPROTO_UDP));
    by(ports.back(), "\x1b[2J\n", 901, "/x\x1b/y");
    ports.push_back(held(TCP_CLOSE, {"0.0.0.0", 4789}, IPPROTO_UDP));
    ports.back().holder.raw.of_kernel = 1;
    ports.push_back(held(TCP_LISTEN, {"0.0.0.0", 2024}));
    ports.back().holder.netns_name.reset();
    std::string text;
    append_held_ports_text(text, ports, false);
    append_held_ports_json(text, ports, kKtime);
    expect_file("who", text);
}

}  // namespace
}  // namespace bindtrace
