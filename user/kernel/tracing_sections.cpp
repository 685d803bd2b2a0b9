// SPDX-License-Identifier: MIT
#include "kernel/tracing_sections.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>

#include <cerrno>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bindtrace/event.h"

namespace bindtrace {
namespace {

constexpr const char* kUnattached = "raw_tp";
constexpr std::pair<const char*, bpf_attach_type> kSections[] = {{"fentry+", BPF_TRACE_FENTRY},
                                                                 {"fexit+", BPF_TRACE_FEXIT},
                                                                 {"tp_btf+", BPF_TRACE_RAW_TP},
                                                                 {"iter+", BPF_TRACE_ITER},
                                                                 {kUnattached, bpf_attach_type{}}};

// The id of what a section such as "fexit/inet_bind" names.
std::optional<std::uint32_t> target_id(const KernelFacts& facts, std::string_view section) {
    const std::size_t slash = section.find('/');
    const std::string kind(section.substr(0, slash)), name(section.substr(slash + 1));
    if (kind == "tp_btf") return facts.tracepoint_id(name);
    return facts.function_id(kind == "iter" ? "bpf_iter_" + name : name);
}

bool is_helper_call(const bpf_insn& instruction, int helper) {
    return instruction.code == (BPF_JMP | BPF_CALL) && instruction.src_reg == 0 && instruction.dst_reg == 0 &&
           instruction.imm == helper;
}

const KernelFacts* known_facts = nullptr;

int prepare(bpf_program* program, bpf_prog_load_opts* options, long) {
    const std::string_view section = bpf_program__section_name(program);
    if (section != kUnattached) {
        const auto target = target_id(*known_facts, section);
        if (!target) return -ESRCH;
        options->attach_btf_id = *target;
    }
    const auto cast = known_facts->function_id("bpf_rdonly_cast");
    const bpf_insn* instructions = bpf_program__insns(program);
    std::vector<bpf_insn> patched(instructions, instructions + bpf_program__insn_cnt(program));
    for (bpf_insn& instruction : patched) {
        if (is_helper_call(instruction, BPF_FUNC_probe_read)) instruction.imm = BPF_FUNC_probe_read_user;
        if (is_helper_call(instruction, BT_CAST_CALL) && cast) {
            instruction.src_reg = BPF_PSEUDO_KFUNC_CALL;
            instruction.imm = static_cast<int>(*cast);
        }
    }
    if (const int error = bpf_program__set_insns(program, patched.data(), patched.size()); error != 0) return error;
    return section == kUnattached ? 0 : bpf_program__set_type(program, BPF_PROG_TYPE_TRACING);
}

}  // namespace

void prepare_tracing_programs(const KernelFacts& facts) {
    if (std::exchange(known_facts, &facts) != nullptr) return;  // once: libbpf 1.1 cannot forget the last handler
    LIBBPF_OPTS(libbpf_prog_handler_opts, options, .prog_prepare_load_fn = prepare);
    // Not called tracing programs before prepare() has seen them: or libbpf reads the types after all.
    for (const auto& [section, type] : kSections)
        libbpf_register_prog_handler(section, BPF_PROG_TYPE_RAW_TRACEPOINT, type, &options);
}

}  // namespace bindtrace
