// SPDX-License-Identifier: MIT
// bind, listen and connect without a system call of that name. Only hooks on kernel functions see them; the close(2) of
// a socket whose claim was never seen is not seen either.
#include <linux/io_uring.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstring>

#include "provoke.h"
#include "provoke_socket.h"

namespace bindtrace {
namespace {

// Younger than the headers some systems build with.
constexpr unsigned kOpBind = 56;
constexpr unsigned kOpListen = 57;

// A ring of a few entries, used for one operation at a time.
class Ring {
  public:
    Ring() : fd_(static_cast<int>(::syscall(__NR_io_uring_setup, 4, &params_))) {
        if (fd_ < 0 && errno == ENOSYS) skip("the kernel has no io_uring");
        if (fd_ < 0 && errno == EPERM) skip("io_uring is switched off");
        must(fd_ >= 0, "io_uring_setup: " + errno_name(errno));
        submissions_ = map(params_.sq_off.array + params_.sq_entries * sizeof(unsigned), IORING_OFF_SQ_RING);
        entries_ = reinterpret_cast<io_uring_sqe*>(map(params_.sq_entries * sizeof(io_uring_sqe), IORING_OFF_SQES));
        completions_ = map(params_.cq_off.cqes + params_.cq_entries * sizeof(io_uring_cqe), IORING_OFF_CQ_RING);
    }
    ~Ring() { ::close(fd_); }
    Ring(const Ring&) = delete;
    Ring& operator=(const Ring&) = delete;

    Outcome run(unsigned operation, int fd, const void* address, std::uint64_t offset, unsigned length) {
        io_uring_sqe& entry = entries_[0];
        std::memset(&entry, 0, sizeof entry);
        entry.opcode = static_cast<__u8>(operation);
        entry.fd = fd;
        entry.addr = reinterpret_cast<std::uintptr_t>(address);
        entry.off = offset;
        entry.len = length;
        word(submissions_, params_.sq_off.array + sizeof(unsigned) * (tail_ & (params_.sq_entries - 1))) = 0;
        std::atomic_ref(word(submissions_, params_.sq_off.tail)).store(++tail_, std::memory_order_release);
        int result = 0;
        Outcome outcome = timed([&]() -> long {
            if (::syscall(__NR_io_uring_enter, fd_, 1, 1, IORING_ENTER_GETEVENTS, nullptr, 0) < 0) return -1;
            const unsigned head = word(completions_, params_.cq_off.head);
            std::memcpy(&result,
                        completions_ + params_.cq_off.cqes + (head & (params_.cq_entries - 1)) * sizeof(io_uring_cqe) +
                            offsetof(io_uring_cqe, res),
                        sizeof result);
            std::atomic_ref(word(completions_, params_.cq_off.head)).store(head + 1, std::memory_order_release);
            return 0;
        });
        must(outcome.error == 0, "io_uring_enter: " + errno_name(outcome.error));
        outcome.error = result < 0 ? -result : 0;
        return outcome;
    }

  private:
    unsigned char* map(std::size_t size, off_t what) const {
        void* at = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, what);
        must(at != MAP_FAILED, "mmap of the ring: " + errno_name(errno));
        return static_cast<unsigned char*>(at);
    }
    static unsigned& word(unsigned char* base, std::size_t offset) {
        return *reinterpret_cast<unsigned*>(base + offset);
    }

    io_uring_params params_{};
    int fd_;
    unsigned tail_ = 0;
    unsigned char* submissions_ = nullptr;
    unsigned char* completions_ = nullptr;
    io_uring_sqe* entries_ = nullptr;
};

Outcome ring_bind(Ring& ring, const Sock& sock, const Endpoint& ask) {
    const SocketAddress address = to_socket_address(ask);
    return ring.run(kOpBind, sock.fd(), address.get(), address.size, 0);
}

void close_unseen(Sock& sock) {
    const std::uint64_t before = boot_ns();
    sock.close_fd();
    sock.released("close", {before, boot_ns()}).needs_function_hooks();
}

void binds(Story& story) {
    Ring ring;
    Sock sock(story, kTcp4);
    const Outcome outcome = ring_bind(ring, sock, {"127.0.0.1", 8080});
    if (outcome.error == EINVAL) skip("the kernel has no IORING_OP_BIND");
    must(outcome.error == 0, "IORING_OP_BIND: " + errno_name(outcome.error));
    sock.bound("io_uring", {"127.0.0.1", 8080}, outcome).needs_function_hooks();
    const Outcome started = ring.run(kOpListen, sock.fd(), nullptr, 0, 8);
    must(started.error == 0, "IORING_OP_LISTEN: " + errno_name(started.error));
    sock.listening("io_uring", started).needs_function_hooks();
    close_unseen(sock);
}

void fails(Story& story) {
    Ring ring;
    Sock holder(story, kTcp4);
    holder.bind({"127.0.0.1", 8080});
    Sock sock(story, kTcp4);
    const Outcome outcome = ring_bind(ring, sock, {"127.0.0.1", 8080});
    if (outcome.error == EINVAL) skip("the kernel has no IORING_OP_BIND");
    must(outcome.error == EADDRINUSE, "IORING_OP_BIND: " + errno_name(outcome.error));
    sock.bound("io_uring", {"127.0.0.1", 8080}, outcome).needs_function_hooks();
}

void connects(Story& story) {
    Ring ring;
    Sock server(story, kTcp4);
    server.bind({"127.0.0.1", 8080});
    server.listen();
    Sock client(story, kTcp4);
    const SocketAddress to = to_socket_address({"127.0.0.1", 8080});
    const Outcome outcome = ring.run(IORING_OP_CONNECT, client.fd(), to.get(), to.size, 0);
    must(outcome.error == 0, "IORING_OP_CONNECT: " + errno_name(outcome.error));
    client.autobound("io_uring", outcome.span, Endpoint{"127.0.0.1", 8080}).needs_function_hooks();
    const linger hard{1, 0};
    must(::setsockopt(client.fd(), SOL_SOCKET, SO_LINGER, &hard, sizeof hard) == 0, "SO_LINGER: " + errno_name(errno));
    close_unseen(client);
}

void connects_udp(Story& story) {
    Ring ring;
    Sock client(story, kUdp4);
    const SocketAddress to = to_socket_address({"127.0.0.1", 9});
    const Outcome outcome = ring.run(IORING_OP_CONNECT, client.fd(), to.get(), to.size, 0);
    must(outcome.error == 0, "IORING_OP_CONNECT: " + errno_name(outcome.error));
    // Told as the port is chosen, before the socket is connected.
    Expectation& line = client.autobound("io_uring", outcome.span, std::nullopt).needs_function_hooks();
    line.event["local_addr"] = "0.0.0.0";
    close_unseen(client);
}

}  // namespace

std::vector<Case> uring_cases() {
    return {
        {"io-uring-bind-listen", binds},
        {"io-uring-bind-eaddrinuse", fails},
        {"io-uring-connect", connects},
        {"io-uring-connect-udp", connects_udp},
    };
}

}  // namespace bindtrace
