// SPDX-License-Identifier: MIT
#include "kernel_missed_returns.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <atomic>
#include <fstream>
#include <latch>
#include <thread>

#include "kernel_bindtrace.h"
#include "unit/wait_until.h"

namespace bindtrace {
namespace {

constexpr int kCalls = 40;  // the kernel keeps 10, or twice as many as there are CPUs
constexpr int kAgain = 15;  // of them

// A page that is not there until it is asked for: whoever touches it waits.
class AbsentPage {
  public:
    AbsentPage()
        : fault_(static_cast<int>(syscall(SYS_userfaultfd, O_CLOEXEC))),
          page_(mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) {
        uffdio_api api{.api = UFFD_API, .features = 0, .ioctls = 0};
        uffdio_register all{.range = range(), .mode = UFFDIO_REGISTER_MODE_MISSING, .ioctls = 0};
        EXPECT_EQ(ioctl(fault_, UFFDIO_API, &api), 0) << std::strerror(errno);
        EXPECT_EQ(ioctl(fault_, UFFDIO_REGISTER, &all), 0) << std::strerror(errno);
    }
    ~AbsentPage() {
        munmap(page_, kSize);
        ::close(fault_);
    }
    AbsentPage(const AbsentPage&) = delete;
    AbsentPage& operator=(const AbsentPage&) = delete;

    const void* data() const { return page_; }
    void wait_for_a_touch() const {
        uffd_msg message{};
        EXPECT_EQ(read(fault_, &message, sizeof(message)), static_cast<ssize_t>(sizeof(message)));
    }
    void appear() const {
        uffdio_zeropage zeroes{.range = range(), .mode = 0, .zeropage = 0};
        EXPECT_EQ(ioctl(fault_, UFFDIO_ZEROPAGE, &zeroes), 0) << std::strerror(errno);
    }

  private:
    static constexpr std::size_t kSize = 4096;
    uffdio_range range() const { return {.start = reinterpret_cast<std::uintptr_t>(page_), .len = kSize}; }

    int fault_;
    void* page_;
};

// Sleeps where no signal wakes it, as one who waits for a socket's lock does.
bool waits(pid_t tid) {
    std::ifstream file("/proc/self/task/" + std::to_string(tid) + "/stat");
    std::string text;
    std::getline(file, text);
    const std::size_t end = text.rfind(") ");
    return end != std::string::npos && text[end + 2] == 'D';
}

void fail_to_bind(const Socket& bound) {
    sockaddr_in any{};
    any.sin_family = AF_INET;
    EXPECT_EQ(::bind(bound.fd(), reinterpret_cast<sockaddr*>(&any), sizeof(any)), -1);
    EXPECT_EQ(errno, EINVAL);
}

// Many tasks in bind(2) of one socket, whose lock a send has that waits for its data. Some bind once more later on.
void bind_all_at_once() {
    const Socket server(SOCK_STREAM), client(SOCK_STREAM);
    const std::uint16_t port = server.bind();
    server.listen();
    client.connect(port);
    const AbsentPage page;
    std::thread sender([&] { EXPECT_EQ(::send(client.fd(), page.data(), 1, 0), 1); });
    page.wait_for_a_touch();
    std::latch let_go(1);
    std::vector<std::atomic<pid_t>> tids(kCalls);
    std::vector<std::thread> callers;
    for (int i = 0; i < kCalls; ++i) {
        callers.emplace_back([&, i] {
            tids[static_cast<std::size_t>(i)] = static_cast<pid_t>(gettid());
            fail_to_bind(client);
            let_go.wait();
            if (i >= kCalls - kAgain) fail_to_bind(client);
        });
        // One after the other, so that those who come last are those whose returns are missed.
        EXPECT_TRUE(wait_until([&] { return waits(tids[static_cast<std::size_t>(i)]); }));
    }
    page.appear();
    sender.join();
    const auto none_waits = [&] { return std::ranges::none_of(tids, [](pid_t tid) { return waits(tid); }); };
    EXPECT_TRUE(wait_until(none_waits));
    let_go.count_down();
    for (std::thread& caller : callers) caller.join();
}

}  // namespace

void missed_returns_are_counted() {
    ChildProcess bindtrace({from_environment("BINDTRACE", "build/bindtrace"), "--json", "--events", "bind", "--pid",
                            std::to_string(getpid()), "--attach", "kprobe"});
    ASSERT_TRUE(bindtrace.read_line());  // meta
    bind_all_at_once();
    bindtrace.signal(SIGINT);
    std::uint64_t told = 0, lost = 0;
    while (const auto line = bindtrace.read_line()) {
        const Json record = Json::parse(*line, nullptr, false);
        if (record["type"] == "bind" && record["result"] == "EINVAL") ++told;
        if (record["type"] == "loss") {
            EXPECT_EQ(record["reason"], "kretprobe-missed") << record;
            lost += record["count"].get<std::uint64_t>();
        }
    }
    EXPECT_EQ(bindtrace.wait(std::chrono::seconds(60)), 0) << bindtrace.errors();
    EXPECT_GT(lost, 0u) << "nothing was missed: this test shows nothing";
    EXPECT_EQ(told + lost, static_cast<std::uint64_t>(kCalls + kAgain)) << told << " told, " << lost << " lost";
}

}  // namespace bindtrace
