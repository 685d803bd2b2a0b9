// SPDX-License-Identifier: MIT
// connect(2) where the kernel has no memory to note the port with, which is ENOMEM.
//
// The kernel takes it from what is set apart for those who cannot wait. With net.ipv4's fast open such a call allocates
// nothing else: the SYN is left to the first send. So sockets are connected, one port each, while vm.min_free_kbytes
// says that all the memory there is be kept free, until what the kernel has at hand for notes is used up.
//
// For these milliseconds nobody else may run, who would wait for memory until the kernel kills for it: the case has one
// processor with real-time priority and keeps the others busy. It has all its own memory before.
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <deque>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "provoke.h"
#include "provoke_conflict.h"
#include "provoke_socket.h"
#include "provoke_world.h"

namespace bindtrace {
namespace {

constexpr const char* kRealTime = "/proc/sys/kernel/sched_rt_runtime_us";
constexpr std::size_t kSockets = 800;  // more than there are notes at hand

void run_alone_on(int processor) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(processor, &set);
    must(::sched_setaffinity(0, sizeof set, &set) == 0, "sched_setaffinity: " + errno_name(errno));
    const sched_param priority{.sched_priority = 50};
    must(::sched_setscheduler(0, SCHED_FIFO, &priority) == 0, "SCHED_FIFO: " + errno_name(errno));
}

// This thread has the first processor, and nobody the others, until it goes out of scope.
class AllProcessors {
  public:
    AllProcessors() {
        must(::mlockall(MCL_CURRENT | MCL_FUTURE) == 0, "mlockall: " + errno_name(errno));
        const int count = static_cast<int>(::sysconf(_SC_NPROCESSORS_ONLN));
        for (int i = 1; i < count; ++i) {
            others_.emplace_back([this, i] {
                run_alone_on(i);
                ++busy_;
                while (!over_) {
                }
            });
        }
        run_alone_on(0);
        while (busy_ < count - 1) {
        }
    }
    ~AllProcessors() {
        over_ = true;
        for (std::thread& other : others_) other.join();
        const sched_param none{};
        must(::sched_setscheduler(0, SCHED_OTHER, &none) == 0, "SCHED_OTHER: " + errno_name(errno));
    }
    AllProcessors(const AllProcessors&) = delete;
    AllProcessors& operator=(const AllProcessors&) = delete;

  private:
    std::atomic<bool> over_ = false;
    std::atomic<int> busy_ = 0;
    std::vector<std::thread> others_;
};

// vm.min_free_kbytes. Both texts have one length, so that writing the second needs the memory that the first gave back.
class MinFree {
  public:
    MinFree() : fd_(::open(kPath, O_WRONLY | O_CLOEXEC)), before_(read_file(kPath)) {
        must(fd_ >= 0, std::string("cannot open ") + kPath);
        before_.resize(sizeof kAll - 1, '\n');
    }
    ~MinFree() { ::close(fd_); }
    MinFree(const MinFree&) = delete;
    MinFree& operator=(const MinFree&) = delete;

    bool ask_for_all() const { return write(kAll); }
    bool restore() const { return write(before_.c_str()); }

  private:
    static constexpr const char* kPath = "/proc/sys/vm/min_free_kbytes";
    static constexpr char kAll[] = "16000000\n";  // more than a guest has

    bool write(const char* text) const { return ::pwrite(fd_, text, sizeof kAll - 1, 0) == sizeof kAll - 1; }

    int fd_;
    std::string before_;
};

int deferred_client(const Protocol& protocol) {
    const int fd = ::socket(protocol.family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int on = 1;
    must(::setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &on, sizeof on) == 0,
         "TCP_FASTOPEN_CONNECT: " + errno_name(errno));
    return fd;
}

// What the kernel has kept of earlier notes, where they have a cache of their own: so that few connects will do.
void give_up_notes() {
    for (const char* cache : {"tcp_bind_bucket", "tcp_bind2_bucket"})
        std::ofstream(std::string("/sys/kernel/slab/") + cache + "/shrink") << "1";
}

// Gives the outcomes up to the first failure.
std::vector<Outcome> connect_without_memory(const std::vector<int>& clients, const SocketAddress& to) {
    std::vector<Outcome> outcomes(clients.size());
    std::size_t count = 0;
    const auto connect_next = [&] {
        const int fd = clients[count];
        outcomes[count] = timed([fd, &to] { return ::connect(fd, to.get(), to.size); });
        return outcomes[count++].error == 0;
    };
    const MinFree min_free;
    give_up_notes();
    write_file("/proc/self/oom_score_adj", "-1000");
    const std::string real_time = read_file(kRealTime);
    write_file(kRealTime, "-1");  // or others would get a twentieth of each second
    bool asked = false, restored = false;
    {
        const AllProcessors alone;
        connect_next();  // now the route is known
        asked = min_free.restore() && min_free.ask_for_all();
        while (connect_next() && count < clients.size()) {
        }
        restored = min_free.restore();
    }
    write_file(kRealTime, real_time);
    must(asked && restored, "vm.min_free_kbytes cannot be written");
    outcomes.resize(count);
    return outcomes;
}

void no_memory(Story& story, const Protocol& protocol, const Endpoint& to) {
    // Nobody wants this of a machine that does anything else.
    if (std::getenv("BT_EXHAUST_MEMORY") == nullptr) skip("its memory is not to be used up");
    set_sysctl("tcp_fastopen", "5");  // clients, without a cookie
    std::vector<int> clients;
    while (clients.size() < kSockets) clients.push_back(deferred_client(protocol));
    const std::vector<Outcome> outcomes = connect_without_memory(clients, to_socket_address(to));
    must_be(outcomes.back(), ENOMEM, "connect number " + std::to_string(outcomes.size()));
    std::deque<Sock> socks;
    for (const Outcome& outcome : outcomes) {
        Sock& sock = socks.emplace_back(story, protocol, clients[socks.size()]);
        if (outcome.error == 0) sock.connected(to, outcome);
    }
    Json& conflict = verdict(socks.back().left_without_port(to, outcomes.back()), "no-memory").event["conflict"];
    conflict["holders"] = Json::array();
    conflict["advice"] = Json::array({"look for memory limits of the cgroup (memory.max) and in dmesg"});
    socks.back().connect(to);
}

}  // namespace

std::vector<Case> no_memory_cases() {
    return {
        {"connect-enomem-tcp4",
         [](Story& story) {
             no_memory(story, kTcp4, {"127.0.0.1", 8080});
         }},
        {"connect-enomem-tcp6",
         [](Story& story) {
             no_memory(story, kTcp6, {"::1", 8080});
         }},
    };
}

}  // namespace bindtrace
