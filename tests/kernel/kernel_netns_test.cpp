// SPDX-License-Identifier: MIT
// A network namespace that has no name is told by the oldest process in it, however many there are.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <csignal>
#include <iostream>
#include <string>

#include "bindtrace/event.h"
#include "kernel_bindtrace.h"
#include "kernel_bpf_objects.h"

namespace bindtrace {
namespace {

constexpr std::uint16_t kNetnsPort = 23040;

// Processes in a network namespace of their own, of which the last binds the port when it is told to.
class Inhabitants {
  public:
    explicit Inhabitants(int count) {
        if (pipe2(ready_, O_CLOEXEC) != 0 || pipe2(go_, O_CLOEXEC) != 0) return;
        oldest_ = fork();
        if (oldest_ == 0) live(count);
        close(ready_[1]);  // so that a read ends where nobody is left to write
        char byte = 0;
        came_up_ = read(ready_[0], &byte, 1) == 1;
    }
    ~Inhabitants() {
        if (oldest_ > 0) kill(-oldest_, SIGKILL);
        if (oldest_ > 0) waitpid(oldest_, nullptr, 0);
        for (const int fd : {ready_[0], go_[0], go_[1]}) close(fd);
    }
    Inhabitants(const Inhabitants&) = delete;
    Inhabitants& operator=(const Inhabitants&) = delete;

    bool came_up() const { return came_up_; }
    pid_t oldest() const { return oldest_; }
    void bind() const { EXPECT_EQ(write(go_[1], "x", 1), 1); }

  private:
    [[noreturn]] void live(int count) const {
        setpgid(0, 0);
        prctl(PR_SET_NAME, "inhabitant");
        signal(SIGCHLD, SIG_IGN);
        if (unshare(CLONE_NEWNET) != 0) _exit(1);
        for (int i = 1; i < count - 1; ++i) {
            if (fork() == 0)
                for (;;) pause();
        }
        if (fork() == 0) {
            char byte = 0;
            sockaddr_in any{};  // no interface is up
            any.sin_family = AF_INET;
            any.sin_port = htons(kNetnsPort);
            const Socket socket(SOCK_STREAM);
            if (write(ready_[1], "x", 1) == 1 && read(go_[0], &byte, 1) == 1)
                (void)::bind(socket.fd(), reinterpret_cast<const sockaddr*>(&any), sizeof(any));
            for (;;) pause();
        }
        for (;;) pause();
    }

    int ready_[2] = {-1, -1}, go_[2] = {-1, -1};
    pid_t oldest_ = -1;
    bool came_up_ = false;
};

// More than one walk has room for are told by the kernel's iterator.
TEST(Netns, IsNamedByTheOldestProcessInIt) {
    const UniqueFd counting = count_runs();
    ASSERT_TRUE(counting.valid());
    for (const int count : {2, BT_WALK_PROCESSES, BT_WALK_PROCESSES + 1}) {
        std::cout << count << " processes" << std::endl;
        const Inhabitants inhabitants(count);
        ASSERT_TRUE(inhabitants.came_up()) << count;
        ChildProcess tracer({from_environment("BINDTRACE", "build/bindtrace"), "--json", "--attach",
                             from_environment("BT_STRATEGY", "auto"), "--port", std::to_string(kNetnsPort)});
        ASSERT_TRUE(tracer.read_line()) << tracer.errors();
        inhabitants.bind();
        const auto line = tracer.read_line();
        EXPECT_GT(runs_of(tracer.pid(), "walk__netns").value_or(0), 0u) << "it was not asked";
        EXPECT_EQ(runs_of(tracer.pid(), "iter__task").value_or(0) > 0, count > BT_WALK_PROCESSES);
        tracer.signal(SIGTERM);
        ASSERT_EQ(tracer.wait(std::chrono::seconds(60)), 0) << tracer.errors();
        ASSERT_TRUE(line);
        const Json event = Json::parse(*line, nullptr, false);
        // In a service it is that one's.
        const Json expected = event["unit"].is_string() && event["unit"].get<std::string>().ends_with(".service")
                                  ? event["unit"]
                                  : Json("inhabitant[" + std::to_string(inhabitants.oldest()) + "]");
        EXPECT_EQ(event["netns"]["name"], expected) << count << " processes: " << event;
    }
}

}  // namespace
}  // namespace bindtrace
