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

#include "model/conflict.h"

namespace bindtrace {

// What a busy host does, 20,000 events a second: many short connections by a few clients, two of six in containers;
// servers that bind and listen; processes that are new each time; and one event in a thousand is a bind that is
// refused, with who was in the way: 20 a second, as where some services are restarted again and again.
class Stream {
  public:
    static constexpr std::uint64_t kPerFailure = 1000;

    // The next event, into event, context and findings.
    void next() {
        const std::uint64_t choice = random_() % 100;
        time_ += 20'000 + random_() % 60'000;
        findings = nullptr;
        if (++count_ % kPerFailure == 0)
            refused();
        else if (choice < 4 || open_.empty())
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
    const Findings* findings = nullptr;  // of a failure

  private:
    void task(std::uint32_t pid, const char* comm, std::uint64_t cgroup) {
        event = {};
        event.ktime_ns = time_;
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
        const std::string comm = event.task.comm,
                          id = "9c53d1279d6798a5b4b00c6e154a2e1edbd2f50e61164b188287de4c7b9fd028";
        facts_ = {};
        path_ = "/system.slice/" + comm + ".service";
        if (comm == "node") {
            path_ = "/system.slice/docker-" + id + ".scope";
            facts_.container = Container{.runtime = "docker", .id = id, .name = "web", .image = "shop/web:1.4"};
        } else if (comm == "envoy") {
            path_ = "/kubepods.slice/kubepods-pod0d1e6c5b.slice/cri-containerd-" + id + ".scope";
            facts_.container = Container{.runtime = "containerd", .id = id, .name = "envoy", .image = "envoy:1.30"};
            facts_.pod = Pod{.name_space = "shop", .name = "edge-7d9f", .uid = "0d1e6c5b", .container = "envoy"};
        }
        context.container = facts_.container ? &facts_ : nullptr;
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
        open_.push_back(event);
    }
    // The port is one that an earlier server or client has, who is found.
    void refused() {
        if (open_.empty()) client();
        event = open_[random_() % open_.size()];
        describe();
        found_.holders.resize(1);
        Holder& holder = found_.holders.front();
        holder.raw = {.since_ns = event.ktime_ns,
                      .flags = event.flags,
                      .op = event.op,
                      .uid = event.task.uid,
                      .substate = event.sock.state,
                      .has_claim = 1,
                      .explicit_port = event.kind == BT_KIND_BIND,
                      .of_kernel = 0,
                      .task = event.task,
                      .sock = event.sock};
        holder.since_ns = context.time_ns;
        holder.socket_cgroup_path = path_;
        holder.netns_name = "host";
        holder.process = Owner{.task = event.task,
                               .process = process,
                               .start_time_ns = context.start_time_ns,
                               .user = "app",
                               .cgroup_path = path_};
        holder.container = facts_;
        const std::uint16_t port = event.sock.local_port;
        server();
        open_.pop_back();
        event.error = EADDRINUSE;
        event.port = port;
        event.sock.local_port = 0;
        found_.refusal = Refusal{.claimant = event.sock,
                                 .claimant_uid = event.task.uid,
                                 .in_the_way = 1,
                                 .seen = 1,
                                 .complete = true,
                                 .ephemeral_first = 32768,
                                 .ephemeral_last = 60999,
                                 .unprivileged_start = 1024,
                                 .holders = {holder.raw}};
        found_.refusal->claimant.local_port = port;
        findings = &found_;
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
        open_.push_back(event);
    }
    void release() {
        const std::size_t which = random_() % 4 != 0
                                      ? open_.size() - 1 - random_() % std::min<std::size_t>(open_.size(), 8)
                                      : random_() % open_.size();
        std::swap(open_[which], open_.back());
        event = open_.back();
        open_.pop_back();
        event.held_ns = time_ - event.ktime_ns;
        event.kind = BT_KIND_RELEASE;
        event.op = BT_OP_CLOSE;
        event.flags |= BT_EVENT_HAS_HELD;
        event.sock.state = TCP_CLOSE;
        describe();
    }

    std::mt19937_64 random_{42};
    std::vector<Event> open_;
    std::string path_;
    ContainerFacts facts_;
    Findings found_;
    std::uint64_t count_ = 0, time_ = 86'400'000'000'000, cookie_ = 20'000, inode_ = 900'000;
    std::uint32_t new_pid_ = 0;
};

}  // namespace bindtrace
