// SPDX-License-Identifier: MIT
#include "kernel/kernel_facts.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <fmt/ranges.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <span>

#include "core/unique_fd.h"
#include "kernel/capabilities.h"

namespace bindtrace {
namespace {

// The function every strategy that traces functions needs; old, exported, never inlined.
constexpr const char* kProbeFunction = "inet_put_port";

// What a map was charged to its user for, before 5.11 (80ee81e0403c) left that to memory cgroups.
constexpr const char* kMemoryOfMap = "bpf_map_memory";

// The guard that tracepoints took over from disabled preemption (in 7.0).
constexpr const char* kTracepointGuard = "class_srcu_fast_notrace_t";

constexpr bpf_insn kReturnZero[] = {
    {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .src_reg = 0, .off = 0, .imm = 0},
    {.code = BPF_JMP | BPF_EXIT, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0},
};

constexpr bpf_insn call(int helper) {
    return {.code = BPF_JMP | BPF_CALL, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = helper};
}
constexpr bpf_insn move_register(unsigned to, unsigned from) {
    return {.code = BPF_ALU64 | BPF_MOV | BPF_X,
            .dst_reg = static_cast<__u8>(to & 15),
            .src_reg = static_cast<__u8>(from & 15),
            .off = 0,
            .imm = 0};
}
constexpr bpf_insn move_value(unsigned to, int value) {
    return {.code = BPF_ALU64 | BPF_MOV | BPF_K,
            .dst_reg = static_cast<__u8>(to & 15),
            .src_reg = 0,
            .off = 0,
            .imm = value};
}

std::string first_line(const char* path) {
    std::ifstream file(path);
    std::string line;
    std::getline(file, line);
    return line;
}

std::string lockdown_mode() {
    const std::string line = first_line("/sys/kernel/security/lockdown");  // "none [integrity] confidentiality"
    const auto open = line.find('['), close = line.find(']');
    if (open == std::string::npos || close == std::string::npos || close < open) return "unknown";
    return line.substr(open + 1, close - open - 1);
}

// A raw tracepoint is a typedef of this name.
std::string tracepoint_type(const char* tracepoint) {
    return std::string("btf_trace_") + tracepoint;
}

UniqueFd load_tracing(const VmlinuxBtf& btf, const char* target, bpf_attach_type type,
                      std::span<const bpf_insn> program) {
    const auto entry = type == BPF_TRACE_RAW_TP ? btf.type_definition(tracepoint_type(target)) : btf.function(target);
    if (!entry) {
        errno = ENOENT;
        return UniqueFd();
    }
    LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = type, .attach_btf_id = entry->id);
    const int fd = bpf_prog_load(BPF_PROG_TYPE_TRACING, "bt_probe", "GPL", program.data(), program.size(), &options);
    if (fd < 0) errno = -fd;
    return UniqueFd(fd);
}

Finding finding_of(int code, const char* what) {
    if (code == ENOMEM || code == EAGAIN || code == EMFILE || code == ENFILE)
        return {Answer::unknown, std::string(what) + ": " + std::strerror(code)};
    if (code == EPERM)
        return {Answer::no, std::string(what) + ": refused by policy or for want of capabilities (EPERM)"};
    if (code == ENOTSUP || code == 524 /* ENOTSUPP of the kernel */)
        return {Answer::no, std::string(what) + ": not supported by this kernel"};
    return {Answer::no, std::string(what) + ": " + std::strerror(code)};
}

Finding try_tracing(const VmlinuxBtf& btf, const char* target, bpf_attach_type type, const char* what) {
    if (!load_tracing(btf, target, type, kReturnZero).valid()) return finding_of(errno, what);
    return {Answer::yes, ""};
}

// The descriptor of a program that reads the kernel's memory, which lockdown=confidentiality refuses; or -errno.
int load_reader() {
    const bpf_insn reader[] = {
        {.code = BPF_ST | BPF_MEM | BPF_DW, .dst_reg = BPF_REG_10, .src_reg = 0, .off = -8, .imm = 0},
        move_register(BPF_REG_1, BPF_REG_10),
        {.code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = BPF_REG_1, .src_reg = 0, .off = 0, .imm = -8},
        move_value(BPF_REG_2, 8),
        move_value(BPF_REG_3, 0),
        call(BPF_FUNC_probe_read_kernel),
        kReturnZero[0],
        kReturnZero[1],
    };
    return bpf_prog_load(BPF_PROG_TYPE_KPROBE, "bt_probe", "GPL", reader, std::size(reader), nullptr);
}

Finding try_kprobe() {
    const int loaded = load_reader();  // a kprobe is of no use without
    if (loaded < 0) return finding_of(-loaded, "kprobe programs with kernel reads");
    const UniqueFd program(loaded);
    const std::string type = first_line("/sys/bus/event_source/devices/kprobe/type");
    if (type.empty()) return {Answer::no, "the kernel has no kprobes"};
    perf_event_attr attr{};
    attr.size = sizeof(attr);
    attr.type = static_cast<__u32>(std::strtoul(type.c_str(), nullptr, 10));
    attr.config1 = reinterpret_cast<__u64>(kProbeFunction);
    const UniqueFd event(static_cast<int>(syscall(SYS_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC)));
    if (!event.valid() && errno == EACCES)  // Debian's 5.10, by default
        return {Answer::no, "kernel.perf_event_paranoid leaves kprobes to CAP_SYS_ADMIN"};
    if (!event.valid()) return finding_of(errno, "a kprobe on inet_put_port");
    return {Answer::yes, ""};
}

}  // namespace

KernelFacts KernelFacts::probe() {
    KernelFacts facts;
    utsname name{};
    uname(&name);
    facts.release = name.release;
    facts.lockdown = lockdown_mode();
    facts.cgroups = find_cgroups();
    TypeNames names = {"bpf_rdonly_cast", "in6_addr",     "bpf_iter_task", "bpf_iter_task_file",
                       kMemoryOfMap,      kProbeFunction, kTracepointGuard};
    for (const char* tracepoint :
         {"sys_exit", "tcp_destroy_sock", "inet_sock_set_state", "cgroup_mkdir", "cgroup_rmdir"})
        names.insert(tracepoint_type(tracepoint));
    for (const Strategy strategy : kStrategies)
        for (const ProgramSpec& spec : programs(strategy)) names.insert(spec.target);
    facts.btf_ = VmlinuxBtf::read(names);
    facts.has_btf = facts.btf_.has_value();
    facts.missing_capabilities = find_missing_capabilities(facts.has_btf && facts.btf_->structure(kMemoryOfMap));
    if (!facts.has_btf) return facts;
    facts.can_read_kernel = UniqueFd(load_reader()).valid();
    facts.preempts_tracepoints = facts.btf_->type_definition(kTracepointGuard).has_value();
    const auto in6_addr = facts.btf_->structure("in6_addr");
    if (in6_addr) facts.in6_addr_type = in6_addr->id;
    facts.can_cast = in6_addr && facts.function_arity("bpf_rdonly_cast");
    // Reads the socket argument of the tracepoint and asks for its cookie.
    const bpf_insn minter[] = {
        {.code = BPF_LDX | BPF_MEM | BPF_DW, .dst_reg = BPF_REG_1, .src_reg = BPF_REG_1, .off = 0, .imm = 0},
        call(BPF_FUNC_get_socket_cookie),
        kReturnZero[0],
        kReturnZero[1],
    };
    facts.can_mint_cookie = load_tracing(*facts.btf_, "tcp_destroy_sock", BPF_TRACE_RAW_TP, minter).valid();
    return facts;
}

std::optional<int> KernelFacts::function_arity(const char* name) const {
    const auto entry = btf_ ? btf_->function(name) : std::nullopt;
    if (!entry) return std::nullopt;
    return entry->arity;
}

std::optional<std::uint32_t> KernelFacts::function_id(const std::string& name) const {
    const auto entry = btf_ ? btf_->function(name) : std::nullopt;
    return entry ? std::optional(entry->id) : std::nullopt;
}

std::optional<std::uint32_t> KernelFacts::tracepoint_id(const std::string& name) const {
    const auto entry = btf_ ? btf_->type_definition(tracepoint_type(name.c_str())) : std::nullopt;
    return entry ? std::optional(entry->id) : std::nullopt;
}

bool KernelFacts::lacks(std::string_view capability) const {
    return std::ranges::count(missing_capabilities, capability) != 0;
}

KernelTraits KernelFacts::traits() const {
    return {.arity = [this](const char* name) { return function_arity(name); },
            .can_mint_cookie = can_mint_cookie,
            .preempts_tracepoints = preempts_tracepoints};
}

std::vector<std::string> KernelFacts::lacking_for(Strategy strategy) const {
    std::vector<std::string> lacking;
    const Choice choice = choose(strategy, traits(), {});
    const bool has_cgroup_programs =
        std::ranges::any_of(choice.load, [](const std::string& name) { return name.starts_with("cgroup__"); });
    for (const std::string& name : missing_capabilities)
        if (!is_for_names(name) && (name != "CAP_NET_ADMIN" || has_cgroup_programs)) lacking.push_back(name);
    return lacking;
}

Finding KernelFacts::try_strategy(Strategy strategy) const {
    const std::vector<std::string> lacking = lacking_for(strategy);
    // Without room for it a program is refused as by a policy.
    Finding finding = lacks("CAP_SYS_RESOURCE") ? Finding{Answer::yes, ""} : try_mechanism(strategy);
    if (finding.answer != Answer::yes || lacking.empty()) return finding;
    return {Answer::no, fmt::format("missing {}", fmt::join(lacking, ", "))};
}

Finding KernelFacts::try_mechanism(Strategy strategy) const {
    if (!has_btf) return {Answer::no, "the kernel has no BTF (/sys/kernel/btf/vmlinux)"};
    switch (strategy) {
        case Strategy::fentry: {
            Finding finding = try_tracing(*btf_, kProbeFunction, BPF_TRACE_FENTRY, "function tracing (fentry)");
            if (finding.answer == Answer::yes && !can_read_kernel && !can_cast)
                return {Answer::no, "lockdown=confidentiality on a kernel without bpf_rdonly_cast (6.2)"};
            return finding;
        }
        case Strategy::kprobe: {
            Finding finding = try_kprobe();
            if (finding.answer == Answer::no && !can_read_kernel)
                finding.why += "; the kernel is in lockdown=confidentiality";
            return finding;
        }
        case Strategy::tracepoint:
            return try_tracing(*btf_, "sys_exit", BPF_TRACE_RAW_TP, "BTF raw tracepoints");
    }
    return {};
}

}  // namespace bindtrace
