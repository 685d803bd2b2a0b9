// SPDX-License-Identifier: MIT
#include "kernel/strategy.h"

#include <algorithm>
#include <iterator>
#include <map>

#include "bindtrace/event.h"

namespace bindtrace {
namespace {

using When = ProgramSpec::When;

// A fact may be told by several programs (another kernel's function, or a second hook that repairs); `tells` is the
// same text in all of them, and the fact is missing only if none of them can be loaded.
constexpr const char* kBindV4 = "bind on IPv4 sockets";
constexpr const char* kBindV6 = "bind on IPv6 sockets";
constexpr const char* kBindEarly = "bind refused before it reaches the socket (EBADF, EFAULT, LSM)";
constexpr const char* kListen = "listen";
constexpr const char* kListenRefused = "listen refused (EOPNOTSUPP, EINVAL)";
constexpr const char* kConnectV4 = "ephemeral ports of IPv4 connections";
constexpr const char* kConnectV6 = "ephemeral ports of IPv6 connections";
constexpr const char* kAutobind = "ephemeral ports of UDP senders";
constexpr const char* kConnectUdp = "ephemeral ports of connected UDP";
constexpr const char* kReleaseTcp = "release of TCP ports";
constexpr const char* kReleaseUdp = "release of UDP ports";
constexpr const char* kReleasePing = "release of ping identifiers";
constexpr const char* kTimeWait = "ports taken over by TIME_WAIT";
constexpr const char* kTimeWaitEnd = "the end of TIME_WAIT";

constexpr bool kRepairsConnect = true;

// In the order of attaching: whatever ends a claim comes before what makes one, so that none is left over.
constexpr ProgramSpec kFentry[] = {
    {"tp__cgroup_mkdir", "", When::always, nullptr},
    {"tp__cgroup_rmdir", "", When::always, nullptr},
    {"cgroup__sock_create", "", When::cookies_needed, nullptr},
    {"fentry__inet_put_port", "inet_put_port", When::function, kReleaseTcp},
    {"fentry__udp_lib_unhash", "udp_lib_unhash", When::function, kReleaseUdp},
    {"fexit____udp_disconnect", "__udp_disconnect", When::function, nullptr},
    {"fentry__ping_unhash", "ping_unhash", When::function, kReleasePing},
    {"fentry__inet_twsk_hashdance", "inet_twsk_hashdance", When::function, kTimeWait},
    {"fentry__inet_twsk_hashdance_schedule", "inet_twsk_hashdance_schedule", When::function, kTimeWait},
    {"fentry__inet_twsk_bind_unhash", "inet_twsk_bind_unhash", When::function, kTimeWaitEnd},
    {"tp__tcp_destroy_sock", "tcp_destroy_sock", When::always, nullptr},
    {"fexit__inet_bind_sk", "inet_bind_sk", When::function, kBindV4},
    {"fexit__inet6_bind_sk", "inet6_bind_sk", When::function, kBindV6},
    {"fexit__inet_bind", "inet_bind", When::function, kBindV4},
    {"fexit__inet6_bind", "inet6_bind", When::function, kBindV6},
    {"fexit____sys_bind", "__sys_bind", When::function, kBindEarly},
    {"fexit__inet_csk_listen_start", "inet_csk_listen_start", When::one_argument, kListen},
    {"fexit__inet_csk_listen_start_backlog", "inet_csk_listen_start", When::two_arguments, kListen},
    {"fexit____sys_listen", "__sys_listen", When::function, kListenRefused},
    {"fexit__inet_hash_connect", "inet_hash_connect", When::function, kConnectV4},
    {"fexit__inet6_hash_connect", "inet6_hash_connect", When::function, kConnectV6},
    {"fexit__tcp_v4_connect", "tcp_v4_connect", When::function, nullptr, 0, kRepairsConnect},
    {"fexit__tcp_v6_connect", "tcp_v6_connect", When::function, nullptr, 0, kRepairsConnect},
    {"fexit__inet_autobind", "inet_autobind", When::function, kAutobind},
    {"fexit__inet_dgram_connect", "inet_dgram_connect", When::function, kConnectUdp},
    {"tp__inet_sock_set_state", "", When::always, nullptr, 1u << BT_KIND_STATE},
    {"iter__task_file", "", When::always, nullptr},
    {"iter__task", "", When::always, nullptr},
    {"walk__netns", "", When::always, nullptr},
};

// The return first: an entry that is seen alone would count as a return that was missed.
constexpr ProgramSpec kKprobe[] = {
    {"tp__cgroup_mkdir", "", When::always, nullptr},
    {"tp__cgroup_rmdir", "", When::always, nullptr},
    {"cgroup__sock_create", "", When::cookies_needed, nullptr},
    {"kprobe__inet_put_port", "inet_put_port", When::function, kReleaseTcp},
    {"kprobe__udp_lib_unhash", "udp_lib_unhash", When::function, kReleaseUdp},
    {"kretprobe____udp_disconnect", "__udp_disconnect", When::function, nullptr},
    {"kprobe____udp_disconnect", "__udp_disconnect", When::function, nullptr},
    {"kprobe__ping_unhash", "ping_unhash", When::function, kReleasePing},
    {"kprobe__inet_twsk_hashdance", "inet_twsk_hashdance", When::function, kTimeWait},
    {"kprobe__inet_twsk_hashdance_schedule", "inet_twsk_hashdance_schedule", When::function, kTimeWait},
    {"kprobe__inet_twsk_bind_unhash", "inet_twsk_bind_unhash", When::function, kTimeWaitEnd},
    {"tp__tcp_destroy_sock", "tcp_destroy_sock", When::always, nullptr},
    {"kretprobe__inet_bind_sk", "inet_bind_sk", When::function, nullptr},
    {"kprobe__inet_bind_sk", "inet_bind_sk", When::function, kBindV4},
    {"kretprobe__inet6_bind_sk", "inet6_bind_sk", When::function, nullptr},
    {"kprobe__inet6_bind_sk", "inet6_bind_sk", When::function, kBindV6},
    {"kretprobe__inet_bind", "inet_bind", When::function, nullptr},
    {"kprobe__inet_bind", "inet_bind", When::function, kBindV4},
    {"kretprobe__inet6_bind", "inet6_bind", When::function, nullptr},
    {"kprobe__inet6_bind", "inet6_bind", When::function, kBindV6},
    {"kretprobe____sys_bind", "__sys_bind", When::function, nullptr},
    {"kprobe____sys_bind", "__sys_bind", When::function, kBindEarly},
    {"kretprobe__inet_csk_listen_start", "inet_csk_listen_start", When::function, nullptr},
    {"kprobe__inet_csk_listen_start", "inet_csk_listen_start", When::function, kListen},
    {"kretprobe____sys_listen", "__sys_listen", When::function, nullptr},
    {"kprobe____sys_listen", "__sys_listen", When::function, kListenRefused},
    {"kretprobe__inet_hash_connect", "inet_hash_connect", When::function, nullptr},
    {"kprobe__inet_hash_connect", "inet_hash_connect", When::function, kConnectV4},
    {"kretprobe__inet6_hash_connect", "inet6_hash_connect", When::function, nullptr},
    {"kprobe__inet6_hash_connect", "inet6_hash_connect", When::function, kConnectV6},
    {"kretprobe__tcp_v4_connect", "tcp_v4_connect", When::function, nullptr},
    {"kprobe__tcp_v4_connect", "tcp_v4_connect", When::function, nullptr},
    {"kretprobe__tcp_v6_connect", "tcp_v6_connect", When::function, nullptr},
    {"kprobe__tcp_v6_connect", "tcp_v6_connect", When::function, nullptr},
    {"kretprobe__inet_autobind", "inet_autobind", When::function, nullptr},
    {"kprobe__inet_autobind", "inet_autobind", When::function, kAutobind},
    {"kretprobe__inet_dgram_connect", "inet_dgram_connect", When::function, nullptr},
    {"kprobe__inet_dgram_connect", "inet_dgram_connect", When::function, kConnectUdp},
    {"tp__inet_sock_set_state", "", When::always, nullptr, 1u << BT_KIND_STATE},
    {"iter__task_file", "", When::always, nullptr},
    {"iter__task", "", When::always, nullptr},
    {"walk__netns", "", When::always, nullptr},
};

constexpr ProgramSpec kTracepoint[] = {
    {"tp__cgroup_mkdir", "", When::always, nullptr},
    {"tp__cgroup_rmdir", "", When::always, nullptr},
    {"cgroup__sock_create", "", When::cookies_needed, nullptr},
    {"tp__tcp_destroy_sock", "tcp_destroy_sock", When::always, nullptr},
    {"cgroup__sock_release", "", When::always, nullptr},
    {"tp__sys_exit", "", When::always, nullptr},
    {"tp__sys_exit_again", "", When::preemptible, nullptr},
    {"tp__inet_sock_set_state", "", When::always, nullptr},
    {"iter__task_file", "", When::always, nullptr},
    {"iter__task", "", When::always, nullptr},
    {"walk__netns", "", When::always, nullptr},
};

// Functions that call one another, innermost first, and programs that do the same: each tells what the ones before it
// were skipped for.
struct Layer {
    std::string_view hook;  // the program's name after its kind: "inet_bind" of "fexit__inet_bind"
    std::string_view fact;
    int number;
};

constexpr Layer kLayers[] = {
    {"sys_exit", "call", 0},
    {"sys_exit_again", "call", 1},
    {"inet_bind_sk", "bind", 0},
    {"inet6_bind_sk", "bind", 0},
    {"inet_bind", "bind", 1},
    {"inet6_bind", "bind", 1},
    {"__sys_bind", "bind", 2},
    {"inet_csk_listen_start", "listen", 0},
    {"__sys_listen", "listen", 1},
    {"inet_hash_connect", "connect", 0},
    {"inet_csk_listen_start_backlog", "listen", 0},
    {"tcp_v4_connect", "connect", 1},
    {"inet6_hash_connect", "connect6", 0},
    {"tcp_v6_connect", "connect6", 1},
    {"inet_put_port", "release", 0},
    {"tcp_destroy_sock", "release", 1},
};

constexpr std::string_view kFunctionBlindSpots[] = {
    "of SCTP all but bind(2): sctp_bindx, listen, ports that connect chooses, and ports given back",
    "a bind or listen that seccomp refuses: it never reaches the kernel's socket code",
    "a bind or listen by io_uring that is refused before it reaches the socket (EFAULT, LSM)",
    "listen on a descriptor that is no socket",
    "the address asked for where a cgroup BPF program rewrites it: the rewritten one is told",
};

constexpr std::string_view kTracepointBlindSpots[] = {
    "of SCTP all but bind(2): sctp_bindx, listen, ports that connect chooses, and ports given back",
    "bind and listen by io_uring and by the kernel itself, and UDP ports that io_uring's connect and send choose",
    "listen on a descriptor that is no socket",
    "bind, listen and connect by 32-bit programs",
    "the end of TIME_WAIT: a port that goes there is not reported as released",
    "UDP and ping ports given back while cgroup v2 is not mounted",
    "what a socket's options and addresses became after the claim, for UDP and ping",
    "whether an MPTCP socket has become IPv6-only by what it was bound to",
};

}  // namespace

std::string_view strategy_name(Strategy strategy) {
    switch (strategy) {
        case Strategy::fentry:
            return "fentry";
        case Strategy::kprobe:
            return "kprobe";
        case Strategy::tracepoint:
            return "tracepoint";
    }
    return "";
}

std::optional<Strategy> strategy_from_name(std::string_view name) {
    for (const Strategy strategy : kStrategies)
        if (strategy_name(strategy) == name) return strategy;
    return std::nullopt;
}

std::span<const ProgramSpec> programs(Strategy strategy) {
    switch (strategy) {
        case Strategy::fentry:
            return kFentry;
        case Strategy::kprobe:
            return kKprobe;
        case Strategy::tracepoint:
            return kTracepoint;
    }
    return {};
}

std::span<const std::string_view> blind_spots(Strategy strategy) {
    if (strategy == Strategy::tracepoint) return kTracepointBlindSpots;
    return kFunctionBlindSpots;
}

Choice choose(Strategy strategy, const KernelTraits& kernel, Wanted wanted) {
    Choice choice;
    std::vector<std::string_view> told;
    for (const ProgramSpec& spec : programs(strategy)) {
        if (spec.kinds && !(spec.kinds & wanted.kinds)) continue;
        // Where no task is preempted in a program, none is skipped that would have to be backed up.
        if (spec.repairs_connect && !wanted.ephemeral && !kernel.preempts_tracepoints) continue;
        bool load = true;
        if (spec.when == When::cookies_needed) {
            load = strategy != Strategy::fentry || !kernel.can_mint_cookie;
        } else if (spec.when == When::preemptible) {
            load = kernel.preempts_tracepoints;
        } else if (spec.when != When::always) {
            const std::optional<int> arguments = kernel.arity(spec.target);
            load =
                arguments && (spec.when == When::function || *arguments == (spec.when == When::one_argument ? 1 : 2));
        }
        if (!load) continue;
        choice.load.emplace_back(spec.name);
        if (spec.tells) told.emplace_back(spec.tells);
    }
    for (const ProgramSpec& spec : programs(strategy))
        if (spec.tells && !std::ranges::count(told, spec.tells) && !std::ranges::count(choice.missing, spec.tells))
            choice.missing.emplace_back(spec.tells);
    return choice;
}

std::uint64_t not_made_good(std::span<const ProgramMisses> misses) {
    std::uint64_t total = 0;
    std::map<std::string_view, std::map<int, std::uint64_t>> by_fact;  // fact -> layer -> runs skipped
    for (const ProgramMisses& it : misses) {
        const std::string_view hook = std::string_view(it.name).substr(it.name.find("__") + 2);
        const auto* layer = std::ranges::find(kLayers, hook, &Layer::hook);
        if (layer == std::end(kLayers))
            total += it.count;
        else
            by_fact[layer->fact][layer->number] += it.count;
    }
    for (const auto& [fact, layers] : by_fact)
        total += std::ranges::min_element(layers, {}, [](const auto& layer) { return layer.second; })->second;
    return total;
}

}  // namespace bindtrace
