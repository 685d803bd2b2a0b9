// SPDX-License-Identifier: MIT
// floor_programs STRATEGY WHAT: attaches BPF programs where bindtrace's would be, says "attached", and stays until it
// is interrupted. What calls cost meanwhile is the least that any tracer costs which, as WHAT says,
//     nothing  does nothing at all
//     port     remembers the socket of a connection while that has its port: one entry into a hash, and one removal
// STRATEGY is fentry or tracepoint.
#include <bpf/bpf.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bindtrace/event.h"
#include "core/unique_fd.h"
#include "kernel/kernel_facts.h"
#include "kernel/strategy.h"

namespace {

using namespace bindtrace;

struct Hook {
    bpf_prog_type type = BPF_PROG_TYPE_TRACING;
    bpf_attach_type attach = BPF_TRACE_RAW_TP;
    std::optional<std::uint32_t> target;  // a BTF id, of a tracing program
};

// Nothing for an iterator, which runs when it is asked.
std::optional<Hook> hook_of(const std::string& program, std::string target, const KernelFacts& facts) {
    if (program == "cgroup__sock_create") return Hook{BPF_PROG_TYPE_CGROUP_SOCK, BPF_CGROUP_INET_SOCK_CREATE, {}};
    if (program == "cgroup__sock_release") return Hook{BPF_PROG_TYPE_CGROUP_SOCK, BPF_CGROUP_INET_SOCK_RELEASE, {}};
    const std::size_t end = program.find("__");
    const std::string kind = program.substr(0, end);
    if (kind == "tp") target = program.substr(end + 2);
    if (target == "sys_exit_again") target = "sys_exit";
    if (kind == "tp") return Hook{.target = facts.tracepoint_id(target)};
    if (kind == "fentry") return Hook{.attach = BPF_TRACE_FENTRY, .target = facts.function_id(target)};
    if (kind == "fexit") return Hook{.attach = BPF_TRACE_FEXIT, .target = facts.function_id(target)};
    return std::nullopt;
}

// Of what a program does with the socket that is an argument of its hook.
struct Memory {
    std::string_view program;
    bpf_func_id call;  // BPF_FUNC_map_update_elem, or _delete_elem
    int socket;        // which argument
    int state = 0;     // where not 0, only if the third argument is this one
};
constexpr Memory kMemory[] = {
    {"fexit__inet_hash_connect", BPF_FUNC_map_update_elem, 1},
    {"fentry__inet_put_port", BPF_FUNC_map_delete_elem, 0},
};
constexpr Memory kTracepointMemory[] = {
    {"tp__inet_sock_set_state", BPF_FUNC_map_update_elem, 0, BPF_TCP_SYN_SENT},
    {"tp__tcp_destroy_sock", BPF_FUNC_map_delete_elem, 0},
};

constexpr bpf_insn insn(int code, int dst, int src, int off, int imm) {
    return {.code = static_cast<__u8>(code),
            .dst_reg = static_cast<__u8>(dst & 0xf),
            .src_reg = static_cast<__u8>(src & 0xf),
            .off = static_cast<__s16>(off),
            .imm = imm};
}

std::vector<bpf_insn> code(const Memory* memory, int map, int result) {
    constexpr int kLoad = BPF_LDX | BPF_MEM | BPF_DW, kStore = BPF_STX | BPF_MEM | BPF_DW,
                  kCopy = BPF_ALU64 | BPF_MOV | BPF_X, kAdd = BPF_ALU64 | BPF_ADD | BPF_K,
                  kSet = BPF_ALU64 | BPF_MOV | BPF_K;
    std::vector<bpf_insn> program;
    if (memory != nullptr) {
        std::vector<bpf_insn> remember = {
            insn(kLoad, 2, 1, 8 * memory->socket, 0),
            insn(kStore, 10, 2, -8, 0),   // the key
            insn(kStore, 10, 2, -16, 0),  // and the value
            insn(BPF_LD | BPF_IMM | BPF_DW, 1, BPF_PSEUDO_MAP_FD, 0, map),
            insn(0, 0, 0, 0, 0),  // its second half
            insn(kCopy, 2, 10, 0, 0),
            insn(kAdd, 2, 0, 0, -8),
            insn(kCopy, 3, 10, 0, 0),
            insn(kAdd, 3, 0, 0, -16),
            insn(kSet, 4, 0, 0, BPF_NOEXIST),
            insn(BPF_JMP | BPF_CALL, 0, 0, 0, memory->call),
        };
        if (memory->state != 0) {
            program.push_back(insn(kLoad, 2, 1, 8 * 2, 0));
            program.push_back(insn(BPF_JMP | BPF_JNE | BPF_K, 2, 0, static_cast<int>(remember.size()), memory->state));
        }
        program.insert(program.end(), remember.begin(), remember.end());
    }
    program.push_back(insn(kSet, 0, 0, 0, result));
    program.push_back(insn(BPF_JMP | BPF_EXIT, 0, 0, 0, 0));
    return program;
}

// Returns its link.
UniqueFd attach(const Hook& hook, const Memory* memory, int map, int cgroup) {
    const bool is_tracing = hook.type == BPF_PROG_TYPE_TRACING;
    const std::vector<bpf_insn> program = code(memory, map, is_tracing ? 0 : 1);  // 1 lets a socket be made
    LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = hook.attach,
                .attach_btf_id = hook.target.value_or(0));
    const UniqueFd loaded(bpf_prog_load(hook.type, "floor", "GPL", program.data(), program.size(), &options));
    if (!loaded.valid()) return UniqueFd();
    return UniqueFd(is_tracing ? bpf_raw_tracepoint_open(nullptr, loaded.get())
                               : bpf_link_create(loaded.get(), cgroup, hook.attach, nullptr));
}

}  // namespace

int main(int argc, char** argv) {
    signal(SIGINT, SIG_DFL);  // which what a shell runs in the background ignores
    const auto strategy = argc == 3 ? strategy_from_name(argv[1]) : std::nullopt;
    const std::string_view what = argc == 3 ? argv[2] : "";
    if (!strategy || *strategy == Strategy::kprobe || (what != "nothing" && what != "port")) {
        std::fprintf(stderr, "usage: floor_programs fentry|tracepoint nothing|port\n");
        return 2;
    }
    const KernelFacts facts = KernelFacts::probe();
    const UniqueFd cgroup(open(facts.cgroups.cgroup2_mount.value_or("").c_str(), O_DIRECTORY | O_CLOEXEC));
    const UniqueFd map(bpf_map_create(BPF_MAP_TYPE_HASH, "floor", sizeof(__u64), sizeof(__u64), 65'536, nullptr));
    std::span<const Memory> memories;
    if (what == "port") memories = *strategy == Strategy::fentry ? std::span(kMemory) : std::span(kTracepointMemory);
    std::vector<UniqueFd> links;
    const std::vector<std::string> chosen =
        choose(*strategy, facts.traits(), {.kinds = 1u << BT_KIND_BIND, .ephemeral = false}).load;
    for (const ProgramSpec& spec : programs(*strategy)) {
        const auto hook = hook_of(spec.name, spec.target, facts);
        if (!hook || !std::ranges::count(chosen, spec.name)) continue;
        const auto memory = std::ranges::find(memories, spec.name, &Memory::program);
        links.push_back(attach(*hook, memory == memories.end() ? nullptr : &*memory, map.get(), cgroup.get()));
        if (!links.back().valid()) {
            std::perror(spec.name);
            return 1;
        }
    }
    std::puts("attached");
    std::fflush(stdout);
    pause();
}
