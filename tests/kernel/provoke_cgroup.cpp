// SPDX-License-Identifier: MIT
// Binds that a BPF program on the cgroup refuses or changes (systemd's SocketBindDeny= is such a program), and cgroups
// as facts about task and socket.
//
// The programs are a few instructions given to bpf(2) as they are, so that the test needs neither libbpf nor a
// compiler.
#include "provoke_cgroup.h"

#include <fcntl.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <memory>

#include "provoke.h"
#include "provoke_socket.h"
#include "provoke_world.h"

namespace bindtrace {
namespace {

// One register each, so that they may be template arguments: a bit-field takes no variable without a warning.
template <int kTo>
constexpr bpf_insn set(__s32 value) {
    return {BPF_ALU64 | BPF_MOV | BPF_K, kTo, 0, 0, value};
}
template <int kBase, int kFrom>
constexpr bpf_insn store32(__s16 offset) {
    return {BPF_STX | BPF_MEM | BPF_W, kBase, kFrom, offset, 0};
}
constexpr bpf_insn leave_program() {
    return {BPF_JMP | BPF_EXIT, 0, 0, 0, 0};
}

constexpr bpf_insn call_helper(__s32 helper) {
    return {BPF_JMP | BPF_CALL, 0, 0, 0, helper};
}

// A program attached to a cgroup for as long as the object lives.
class AttachedProgram {
  public:
    AttachedProgram(const Cgroup& cgroup, bpf_prog_type type, bpf_attach_type where, const std::vector<bpf_insn>& code,
                    const char* what_may_lack = "cgroup BPF")
        : cgroup_fd_(::open(cgroup.directory().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)), where_(where) {
        const rlimit unlimited{RLIM_INFINITY, RLIM_INFINITY};
        ::setrlimit(RLIMIT_MEMLOCK, &unlimited);  // before 5.11 BPF memory counts as locked
        bpf_attr attr{};
        attr.prog_type = type;
        attr.expected_attach_type = where;
        attr.insns = reinterpret_cast<__u64>(code.data());
        attr.insn_cnt = static_cast<__u32>(code.size());
        attr.license = reinterpret_cast<__u64>("Dual MIT/GPL");
        program_fd_ = call(BPF_PROG_LOAD, attr);
        if (program_fd_ < 0 && errno == EINVAL) skip(std::string("the kernel has no ") + what_may_lack);
        must(program_fd_ >= 0, "BPF_PROG_LOAD: " + errno_name(errno));
        must(call(BPF_PROG_ATTACH, attachment()) == 0, "BPF_PROG_ATTACH: " + errno_name(errno));
    }
    ~AttachedProgram() {
        call(BPF_PROG_DETACH, attachment());
        ::close(program_fd_);
        ::close(cgroup_fd_);
    }
    AttachedProgram(const AttachedProgram&) = delete;
    AttachedProgram& operator=(const AttachedProgram&) = delete;

  private:
    static int call(int command, bpf_attr attr) {
        return static_cast<int>(::syscall(__NR_bpf, command, &attr, sizeof attr));
    }
    bpf_attr attachment() const {
        bpf_attr attr{};
        attr.target_fd = static_cast<__u32>(cgroup_fd_);
        attr.attach_bpf_fd = static_cast<__u32>(program_fd_);
        attr.attach_type = where_;
        return attr;
    }

    int cgroup_fd_;
    int program_fd_ = -1;
    bpf_attach_type where_;
};

const std::vector<bpf_insn> kDeny = {set<BPF_REG_0>(0), leave_program()};

Case denied(const char* name, const Protocol& protocol, bpf_attach_type where, const char* addr) {
    const auto run = [=](Story& story) {
        const auto cgroup = std::make_shared<Cgroup>("bindtrace-deny");
        story.keep(cgroup);
        cgroup->enter();
        Sock sock(story, protocol);
        {
            const AttachedProgram program(*cgroup, BPF_PROG_TYPE_CGROUP_SOCK_ADDR, where, kDeny);
            sock.bind({addr, 8080}, EPERM).event["conflict"]["cause"] = "denied";
        }
        sock.bind({addr, 8080});
    };
    return {name, run, false, false, true};
}

// A program may choose the errno too.
void denied_by_other_errno(Story& story) {
    constexpr __s32 kSetRetval = 187;  // BPF_FUNC_set_retval, which the headers of Debian 11 lack
    const auto cgroup = std::make_shared<Cgroup>("bindtrace-deny");
    story.keep(cgroup);
    cgroup->enter();
    const AttachedProgram program(
        *cgroup, BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_INET4_BIND,
        {set<BPF_REG_1>(-EHOSTDOWN), call_helper(kSetRetval), set<BPF_REG_0>(0), leave_program()}, "bpf_set_retval");
    Sock sock(story, kTcp4);
    sock.bind({"127.0.0.1", 8080}, EHOSTDOWN);
}

// Refused after the port was taken. Kernels before 6.1 or so forget to give it back.
Case denied_after(const char* name, const Protocol& protocol, bpf_attach_type where, const Endpoint& at) {
    const auto run = [=](Story& story) {
        const auto cgroup = std::make_shared<Cgroup>("bindtrace-deny");
        story.keep(cgroup);
        cgroup->enter();
        Sock sock(story, protocol);
        Expectation* refused = nullptr;
        {
            const AttachedProgram program(*cgroup, BPF_PROG_TYPE_CGROUP_SOCK, where, kDeny);
            refused = &sock.bind(at, EPERM);
        }
        Sock next(story, protocol);
        const SocketAddress ask = to_socket_address(at);
        const Outcome outcome = timed([&] { return ::bind(next.fd(), ask.get(), ask.size); });
        must(outcome.error == 0 || outcome.error == EADDRINUSE, "bind after the denial: " + errno_name(outcome.error));
        next.bound("bind", at, outcome);
        if (outcome.error == 0) return;
        sock.hold_despite_error(*refused, at.port);
        sock.close_fd();
        sock.released("close", {boot_ns() - 1'000'000'000, boot_ns()}).event.erase("local_addr");
    };
    return {name, run, false, false, true};
}

// What was asked for and what was got are two things.
void port_rewritten(Story& story) {
    const auto cgroup = std::make_shared<Cgroup>("bindtrace-rewrite");
    story.keep(cgroup);
    cgroup->enter();
    const AttachedProgram program(
        *cgroup, BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_INET4_BIND,
        {set<BPF_REG_2>(htons(8081)), store32<BPF_REG_1, BPF_REG_2>(offsetof(bpf_sock_addr, user_port)),
         set<BPF_REG_0>(1), leave_program()});
    Sock sock(story, kTcp4);
    Expectation& line = sock.bind({"127.0.0.1", 8080});
    must(line.event["local_port"] == 8081, "the program did not change the port");
    line.event["port"] = {{"any", {8080, 8081}}};  // hooks on functions only see the rewritten address
}

// The socket belongs to the cgroup it was born in, wherever its process went.
void socket_of_another_cgroup(Story& story) {
    const auto before = std::make_shared<Cgroup>("bindtrace-born");
    const auto after = std::make_shared<Cgroup>("bindtrace-bound");
    story.keep(before);
    story.keep(after);
    before->enter();
    Sock sock(story, kTcp4);
    after->enter();
    sock.bind({"127.0.0.1", 8080}).event["socket"]["cgroup_path"] = before->path();
}

// Gone, maybe, before anybody can look.
void transient(Story& story) {
    const Cgroup cgroup("bindtrace-transient");
    cgroup.enter();
    Sock sock(story, kTcp4);
    const std::string path = cgroup.path();
    Json& bind = sock.bind({"127.0.0.1", 8080}).event;
    bind["cgroup"]["path"] = path;
    bind["socket"]["cgroup_path"] = path;
    cgroup.leave();
    const std::uint64_t before = boot_ns();
    sock.close_fd();
    sock.released("close", {before, boot_ns()}).event["cgroup"]["path"] = path;
}

}  // namespace

std::vector<Case> cgroup_cases() {
    return {
        denied("cgroup-bind4-eperm", kTcp4, BPF_CGROUP_INET4_BIND, "127.0.0.1"),
        denied("cgroup-bind4-eperm-udp", kUdp4, BPF_CGROUP_INET4_BIND, "127.0.0.1"),
        denied("cgroup-bind6-eperm", kTcp6, BPF_CGROUP_INET6_BIND, "::1"),
        denied_after("cgroup-post-bind4-eperm", kTcp4, BPF_CGROUP_INET4_POST_BIND, {"127.0.0.1", 8080}),
        denied_after("cgroup-post-bind6-eperm", kTcp6, BPF_CGROUP_INET6_POST_BIND, {"::1", 8080}),
        {"cgroup-bind4-other-errno", denied_by_other_errno, false, false, true},
        {"cgroup-bind4-rewrites-port", port_rewritten, false, false, true},
        {"cgroup-of-socket", socket_of_another_cgroup, false, false, true},
        {"cgroup-transient", transient},
    };
}

}  // namespace bindtrace
