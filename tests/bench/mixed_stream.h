// SPDX-License-Identifier: MIT
#pragma once

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "model/record.h"

namespace bindtrace {

// What a busy host does: many short connections by a few clients, servers that bind and listen, processes that are new
// each time, and a failure now and then.
class Stream {
  public:
    // The next event, into event and context.
    void next() {
        const std::uint64_t choice = random_() % 100;
        time_ += 20'000 + random_() % 60'000;
        if (choice < 4 || open_.empty())
            server();
        else if (choice < 48)
            client();
        else
            release();
        event.ktime_ns = time_;
        context.time_ns = 1'795'000'000'000'000'000 + static_cast<std::int64_t>(time_);
    }

    Event event{};
    Context context;
    Process process;

  private:
    struct Open {
        Event event;
        bool is_new_process = false;
    };

    void task(std::uint32_t pid, const char* comm, std::uint64_t cgroup) {
        event = {};
        event.flags = BT_EVENT_HAS_TASK | BT_EVENT_HAS_SOCK | BT_EVENT_HAS_SOCKOPT;
        event.task = {.key = {40'000'000'000 + pid * 1'000'003ull, pid, 1},
                      .cgroup_id = cgroup,
                      .tid = pid,
                      .ppid = 1,
                      .uid = 998,
                      .pad = 0,
                      .comm = {}};
        std::strncpy(event.task.comm, comm, sizeof(event.task.comm) - 1);
        event.sock.cookie = ++cookie_;
        event.sock.inode = inode_ += 1 + random_() % 3;
        event.sock.cgroup_id = cgroup;
        event.sock.family = AF_INET;
        event.sock.protocol = IPPROTO_TCP;
        event.sock.type = SOCK_STREAM;
        event.sock.netns = 4026531840;
        describe();
    }
    void describe() {
        process.exe = std::string("/usr/bin/") + event.task.comm;
        process.cmdline = {{event.task.comm, "--config", "/etc/app/config.yaml"}};
        process.ancestry = {{1, "systemd"}};
        path_ = "/system.slice/" + std::string(event.task.comm) + ".service";
        context.process = &process;
        context.start_time_ns = 1'795'000'000'000'000'000 + static_cast<std::int64_t>(event.task.key.start_ns);
        context.user = "app";
        context.cgroup_path = context.socket_cgroup_path = path_;
        context.netns_name = "host";
    }
    void client() {
        static constexpr const char* kClients[] = {"java", "nginx", "envoy", "node", "python3"};
        const auto which = static_cast<std::uint32_t>(random_() % 6);
        if (which == 5)  // a new process each time
            task(100'000 + ++new_pid_, "curl", 900);
        else
            task(1000 + which * 7, kClients[which], 800 + which);
        event.kind = BT_KIND_AUTOBIND;
        event.op = BT_OP_CONNECT;
        event.flags |= BT_EVENT_EPHEMERAL;
        event.sock.local_port = static_cast<std::uint16_t>(32768 + random_() % 28232);
        event.sock.remote_port = random_() % 3 == 0 ? 443 : 5432;
        const std::uint8_t host = static_cast<std::uint8_t>(random_() % 40);
        const std::uint8_t mine[] = {10, 0, 0, 5}, theirs[] = {10, 0, 1, host};
        std::memcpy(event.sock.local_addr, mine, 4);
        std::memcpy(event.sock.remote_addr, theirs, 4);
        event.sock.state = TCP_SYN_SENT;
        open_.push_back({event});
    }
    void server() {
        task(2000 + static_cast<std::uint32_t>(random_() % 8), "server", 700);
        event.kind = BT_KIND_BIND;
        event.op = BT_OP_BIND;
        event.flags |= BT_EVENT_HAS_REQUEST;
        event.addr_family = AF_INET;
        event.port = event.sock.local_port = static_cast<std::uint16_t>(8000 + random_() % 50);
        event.sock.opts = BT_OPT_REUSEADDR;
        event.sock.state = TCP_CLOSE;
        open_.push_back({event});
    }
    void release() {
        const std::size_t which = random_() % 4 != 0
                                      ? open_.size() - 1 - random_() % std::min<std::size_t>(open_.size(), 8)
                                      : random_() % open_.size();
        std::swap(open_[which], open_.back());
        event = open_.back().event;
        open_.pop_back();
        event.held_ns = time_ - event.ktime_ns;
        event.kind = BT_KIND_RELEASE;
        event.op = BT_OP_CLOSE;
        event.flags |= BT_EVENT_HAS_HELD;
        event.sock.state = TCP_CLOSE;
        describe();
    }

    std::mt19937_64 random_{42};
    std::vector<Open> open_;
    std::string path_;
    std::uint64_t time_ = 86'400'000'000'000, cookie_ = 20'000, inode_ = 900'000;
    std::uint32_t new_pid_ = 0;
};

}  // namespace bindtrace
