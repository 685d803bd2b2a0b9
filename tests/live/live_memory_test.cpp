// SPDX-License-Identifier: MIT
// A refusal for want of memory, without using it up: the kernel lets no more than 32,768 sockets listen on one port by
// SO_REUSEPORT, and calls the next one ENOMEM.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <utility>
#include <vector>

#include "live_bindtrace.h"
#include "live_netns.h"

namespace bindtrace {
namespace {

constexpr int kGroup = 32'768;
constexpr int kProcesses = 4;  // each of which may have some thousands of descriptors
constexpr std::uint16_t kPort = 18900;

int listen_with_others() {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int on = 1;
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(kPort);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) != 0 ||
        ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 || ::listen(fd, 1) != 0)
        return errno;
    return 0;
}

// Children that hold the whole group, until it goes out of scope.
class Crowd {
  public:
    Crowd() {
        int ready[2];
        if (pipe2(ready, O_CLOEXEC) != 0) std::abort();
        for (int i = 0; i < kProcesses; ++i) {
            const pid_t pid = fork();
            if (pid == 0) {
                const rlimit many{.rlim_cur = kGroup / kProcesses + 100, .rlim_max = kGroup / kProcesses + 100};
                char told = setrlimit(RLIMIT_NOFILE, &many) == 0 ? 'y' : 'n';
                for (int n = 0; n < kGroup / kProcesses && told == 'y'; ++n)
                    if (listen_with_others() != 0) told = 'n';
                (void)!write(ready[1], &told, 1);
                for (;;) pause();
            }
            pids_.push_back(pid);
        }
        for (char told = 0; read(ready[0], &told, 1) == 1;) {
            complete_ = complete_ && told == 'y';
            if (++count_ == kProcesses) break;
        }
        close(ready[0]);
        close(ready[1]);
    }
    Crowd(const Crowd&) = delete;
    Crowd& operator=(const Crowd&) = delete;
    ~Crowd() {
        for (const pid_t pid : pids_) kill(pid, SIGKILL);
        for (const pid_t pid : pids_) waitpid(pid, nullptr, 0);
    }
    bool is_complete() const { return complete_; }

  private:
    std::vector<pid_t> pids_;
    int count_ = 0;
    bool complete_ = true;
};

TEST(Memory, ItsWantIsACauseOfItsOwn) {
    const Netns netns;
    netns.run([&] {
        std::optional<Crowd> crowd(std::in_place);
        ASSERT_TRUE(crowd->is_complete()) << "may this user have " << kGroup / kProcesses << " descriptors?";
        Bindtrace bindtrace({"--json", "--failed", "--netns", netns.inum_text()});
        ASSERT_TRUE(bindtrace.attached());
        ASSERT_EQ(listen_with_others(), ENOMEM);
        const Line* line = bindtrace.wait_for([](const Line& told) { return told.json["type"] == "listen"; });
        ASSERT_NE(line, nullptr);
        EXPECT_EQ(line->json["result"], "ENOMEM");
        EXPECT_EQ(line->json["conflict"]["cause"], "no-memory");
        EXPECT_EQ(line->json["conflict"]["holders"].size(), 0u);
        EXPECT_EQ(line->json["conflict"]["advice"][0],
                  "listen with fewer SO_REUSEPORT sockets on the port: the kernel has room for 32,768");
        crowd.reset();  // as advised
        EXPECT_EQ(listen_with_others(), 0);
    });
}

}  // namespace
}  // namespace bindtrace
