// SPDX-License-Identifier: MIT
// empty_programs STRATEGY (fentry, tracepoint): attaches BPF programs that do nothing where bindtrace's would be, says
// "attached", and stays until it is interrupted. What calls cost meanwhile is the least that any tracer of this kind
// costs.
#include <bpf/bpf.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <iterator>
#include <optional>
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

// Returns its link.
UniqueFd attach(const Hook& hook, int cgroup) {
    const bool is_tracing = hook.type == BPF_PROG_TYPE_TRACING;
    const bpf_insn program[] = {
        // what it returns lets a socket be made
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .src_reg = 0, .off = 0, .imm = is_tracing ? 0 : 1},
        {.code = BPF_JMP | BPF_EXIT, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0},
    };
    LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = hook.attach,
                .attach_btf_id = hook.target.value_or(0));
    const UniqueFd loaded(bpf_prog_load(hook.type, "empty", "GPL", program, std::size(program), &options));
    if (!loaded.valid()) return UniqueFd();
    return UniqueFd(is_tracing ? bpf_raw_tracepoint_open(nullptr, loaded.get())
                               : bpf_link_create(loaded.get(), cgroup, hook.attach, nullptr));
}

}  // namespace

int main(int argc, char** argv) {
    const auto strategy = argc == 2 ? strategy_from_name(argv[1]) : std::nullopt;
    if (!strategy || *strategy == Strategy::kprobe) {
        std::fprintf(stderr, "usage: empty_programs fentry|tracepoint\n");
        return 2;
    }
    const KernelFacts facts = KernelFacts::probe();
    const UniqueFd cgroup(open(facts.cgroups.cgroup2_mount.value_or("").c_str(), O_DIRECTORY | O_CLOEXEC));
    std::vector<UniqueFd> links;
    const std::vector<std::string> chosen = choose(*strategy, facts.traits(), 1u << BT_KIND_BIND).load;
    for (const ProgramSpec& spec : programs(*strategy)) {
        const auto hook = hook_of(spec.name, spec.target, facts);
        if (!hook || !std::ranges::count(chosen, spec.name)) continue;
        links.push_back(attach(*hook, cgroup.get()));
        if (!links.back().valid()) {
            std::perror(spec.name);
            return 1;
        }
    }
    std::puts("attached");
    std::fflush(stdout);
    pause();
}
