// SPDX-License-Identifier: MIT
// What a 32-bit program calls, called by this one: the kernel tells them apart by the call and not by the program.
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "provoke.h"
#include "provoke_socket.h"

namespace bindtrace {

#ifdef __x86_64__

namespace {

// Of i386.
constexpr long kGetpid = 20;
constexpr long kSocketcall = 102;
constexpr long kBind = 361;
constexpr long kListen = 363;

long call32(long number, std::uint32_t first = 0, std::uint32_t second = 0, std::uint32_t third = 0) {
    long result = number;
    asm volatile("int $0x80"
                 : "+a"(result)
                 : "b"(static_cast<long>(first)), "c"(static_cast<long>(second)), "d"(static_cast<long>(third))
                 : "memory", "r8", "r9", "r10", "r11");
    const int error = -static_cast<int>(result);
    if (error <= 0) return result;
    errno = error;
    return -1;
}

// Where there are no such calls, a process dies of one.
void need_calls() {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(call32(kGetpid) == ::getpid() ? 0 : 1);
    int status = 0;
    ::waitpid(child, &status, 0);
    if (status != 0) skip("the kernel has no 32-bit calls");
}

// Memory that such a call can name.
class LowMemory {
  public:
    LowMemory()
        : page_(::mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0)) {
        must(page_ != MAP_FAILED, "mmap: " + errno_name(errno));
    }
    ~LowMemory() { ::munmap(page_, kSize); }
    LowMemory(const LowMemory&) = delete;
    LowMemory& operator=(const LowMemory&) = delete;

    std::uint32_t put(const void* data, std::size_t size) {
        char* at = static_cast<char*>(page_) + used_;
        std::memcpy(at, data, size);
        used_ += (size + 7) / 8 * 8;
        return static_cast<std::uint32_t>(reinterpret_cast<std::uintptr_t>(at));
    }

  private:
    static constexpr std::size_t kSize = 4096;
    void* page_;
    std::size_t used_ = 0;
};

Outcome call_with(long number, const Sock& sock, const Endpoint& end, LowMemory& memory) {
    const SocketAddress address = to_socket_address(end);
    const std::uint32_t low = memory.put(address.get(), address.size);
    return timed([&] { return call32(number, static_cast<std::uint32_t>(sock.fd()), low, address.size); });
}

void bound_and_listening(Story& story) {
    need_calls();
    LowMemory memory;
    Sock server(story, kTcp4);
    const Outcome bound = call_with(kBind, server, {"127.0.0.1", 8080}, memory);
    must_be(bound, 0, "bind");
    server.bound("bind", {"127.0.0.1", 8080}, bound).needs_function_hooks();
    const Outcome listening = timed([&] { return call32(kListen, static_cast<std::uint32_t>(server.fd()), 8); });
    must_be(listening, 0, "listen");
    server.listening("listen", listening).needs_function_hooks();
    server.close_fd();
    server.released("close", {listening.span.after, boot_ns()}).needs_function_hooks();
}

// All that i386 had before Linux 4.3.
void refused(Story& story) {
    need_calls();
    LowMemory memory;
    Sock holder(story, kTcp4);
    holder.bind({"127.0.0.1", 8080});
    Sock late(story, kTcp4);
    const SocketAddress address = to_socket_address({"127.0.0.1", 8080});
    const std::uint32_t words[] = {static_cast<std::uint32_t>(late.fd()), memory.put(address.get(), address.size),
                                   address.size};
    const std::uint32_t low = memory.put(words, sizeof words);
    const Outcome outcome = timed([&] { return call32(kSocketcall, 2, low); });  // SYS_BIND
    must_be(outcome, EADDRINUSE, "bind");
    late.bound("bind", {"127.0.0.1", 8080}, outcome).needs_function_hooks();
}

}  // namespace

std::vector<Case> compat_cases() {
    return {{"compat-bind-listen", bound_and_listening}, {"compat-bind-eaddrinuse", refused}};
}

#else

std::vector<Case> compat_cases() {
    return {};
}

#endif

}  // namespace bindtrace
