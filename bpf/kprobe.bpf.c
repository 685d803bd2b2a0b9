// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Strategy `kprobe`: for kernels without trampolines (arm64 before 6.4). The same functions as `fentry`; a kretprobe
 * does not see the arguments, so a kprobe keeps them by task and function until the return.
 */
#define BT_STRATEGY_KPROBE
#include "vmlinux.h"
#include "bind.bpf.h"
#include "listen.bpf.h"
#include "autobind.bpf.h"
#include "state.bpf.h"
#include "release.bpf.h"
#include "cgroup.bpf.h"
#include "snapshot.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

enum function {
	INET_BIND,
	INET6_BIND,
	INET_BIND_SK,
	INET6_BIND_SK,
	SYS_BIND,
	LISTEN_START,
	SYS_LISTEN,
	HASH_CONNECT,
	HASH6_CONNECT,
	TCP4_CONNECT,
	TCP6_CONNECT,
	AUTOBIND,
	DGRAM_CONNECT,
	UDP_DISCONNECT,
	NO_FUNCTION,
};

struct call { /* user space reads the tid */
	__u32 tid;
	__u32 function; /* enum function */
};

struct arguments {
	__u64 values[3];
};

/* LRU: a call that never returns, or whose return is missed, must not stay for ever. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct call);
	__type(value, struct arguments);
} calls SEC(".maps");

/* Around which of the others the function runs in a system call: one call is one event, though both returns are missed.
 */
static __always_inline enum function caller_of(enum function function)
{
	switch (function) {
	case INET_BIND:
	case INET6_BIND:
	case INET_BIND_SK:
	case INET6_BIND_SK:
		return SYS_BIND;
	case LISTEN_START:
		return SYS_LISTEN;
	case HASH_CONNECT:
		return TCP4_CONNECT;
	case TCP4_CONNECT: /* to a mapped address */
	case HASH6_CONNECT:
		return TCP6_CONNECT;
	case AUTOBIND:
	case UDP_DISCONNECT:
		return DGRAM_CONNECT;
	default:
		return NO_FUNCTION;
	}
}

/* The function does not nest: the return of the task's last call of it was missed. */
static __always_inline void last_return_was_missed(struct call call)
{
	call.function = caller_of(call.function);
	if (!bpf_map_lookup_elem(&calls, &call)) /* which has counted it */
		count(BT_COUNT_KRETPROBE_MISSED);
}

static __always_inline void call_entered(struct pt_regs *regs, enum function function)
{
	struct call call = {.tid = (__u32)bpf_get_current_pid_tgid(), .function = function};
	struct arguments arguments = {.values = {
					  PT_REGS_PARM1(regs),
					  PT_REGS_PARM2(regs),
					  PT_REGS_PARM3(regs),
				      }};

	int error = bpf_map_update_elem(&calls, &call, &arguments, BPF_NOEXIST);

	if (error == -EEXIST) {
		last_return_was_missed(call);
		error = bpf_map_update_elem(&calls, &call, &arguments, BPF_ANY);
	}
	if (error)
		count(BT_COUNT_STASH_FULL);
}

static __always_inline bool call_returned(enum function function, struct arguments *arguments)
{
	struct call call = {.tid = (__u32)bpf_get_current_pid_tgid(), .function = function};
	struct arguments *kept = bpf_map_lookup_elem(&calls, &call);

	if (!kept)
		return false;
	*arguments = *kept;
	bpf_map_delete_elem(&calls, &call);
	return true;
}

#define __maybe_unused __attribute__((unused))

/* A pair of probes on one function; the body sees the arguments as `a` and the result as `result`. */
#define KPROBE_PAIR(kernel_function, function, body)                                                                   \
	SEC("kprobe/" #kernel_function)                                                                                \
	int kprobe__##kernel_function(struct pt_regs *regs)                                                            \
	{                                                                                                              \
		call_entered(regs, function);                                                                          \
		return 0;                                                                                              \
	}                                                                                                              \
	SEC("kretprobe/" #kernel_function)                                                                             \
	int kretprobe__##kernel_function(struct pt_regs *regs)                                                         \
	{                                                                                                              \
		struct arguments call;                                                                                 \
		__maybe_unused int result = (int)PT_REGS_RC(regs);                                                     \
		if (call_returned(function, &call)) {                                                                  \
			const __u64 *a = call.values;                                                                  \
			body;                                                                                          \
		}                                                                                                      \
		return 0;                                                                                              \
	}

/* A probe on the entry of a function alone. */
#define KPROBE(kernel_function, body)                                                                                  \
	SEC("kprobe/" #kernel_function)                                                                                \
	int kprobe__##kernel_function(struct pt_regs *regs)                                                            \
	{                                                                                                              \
		body;                                                                                                  \
		return 0;                                                                                              \
	}

#define SK(argument) ((const struct sock *)(argument))
#define TW(argument) ((const struct inet_timewait_sock *)(argument))

static __always_inline void socket_bind_returned(__u64 socket, __u64 address, int length, int result)
{
	const struct sock *sk = READ(struct socket, socket, sk);

	if (!inner_bind_told(sk))
		bind_returned(sk, (const void *)address, length, result);
}

KPROBE_PAIR(inet_bind, INET_BIND, socket_bind_returned(a[0], a[1], a[2], result))
KPROBE_PAIR(inet6_bind, INET6_BIND, socket_bind_returned(a[0], a[1], a[2], result))
KPROBE_PAIR(inet_bind_sk, INET_BIND_SK, bind_returned(SK(a[0]), (const void *)a[1], a[2], result))
KPROBE_PAIR(inet6_bind_sk, INET6_BIND_SK, bind_returned(SK(a[0]), (const void *)a[1], a[2], result))
KPROBE_PAIR(__sys_bind, SYS_BIND, bind_syscall_returned(a[0], a[1], a[2], result, true))
KPROBE_PAIR(inet_csk_listen_start, LISTEN_START, listen_start_returned(SK(a[0]), result))
KPROBE_PAIR(__sys_listen, SYS_LISTEN, listen_syscall_returned(a[0], result, true))
KPROBE_PAIR(inet_hash_connect, HASH_CONNECT, stream_connect_ended(a[1], result))
KPROBE_PAIR(inet6_hash_connect, HASH6_CONNECT, stream_connect_ended(a[1], result))
KPROBE_PAIR(tcp_v4_connect, TCP4_CONNECT, connect_returned(SK(a[0]), result))
KPROBE_PAIR(tcp_v6_connect, TCP6_CONNECT, connect_returned(SK(a[0]), result))
KPROBE_PAIR(inet_autobind, AUTOBIND, autobind_ended(a[0], result, true))
KPROBE_PAIR(inet_dgram_connect, DGRAM_CONNECT, datagram_connect_returned(READ(struct socket, a[0], sk)))
KPROBE_PAIR(__udp_disconnect, UDP_DISCONNECT, if (!result && !socket_port(SK(a[0]))) port_released(a[0]))
KPROBE(inet_put_port, port_released(PT_REGS_PARM1(regs)))
KPROBE(udp_lib_unhash, port_released(PT_REGS_PARM1(regs)))
KPROBE(ping_unhash, port_released(PT_REGS_PARM1(regs)))
KPROBE(inet_twsk_hashdance, time_wait_took_over(SK(PT_REGS_PARM2(regs)), TW(PT_REGS_PARM1(regs))))
KPROBE(inet_twsk_hashdance_schedule, time_wait_took_over(SK(PT_REGS_PARM2(regs)), TW(PT_REGS_PARM1(regs))))
KPROBE(inet_twsk_bind_unhash, time_wait_ended(TW(PT_REGS_PARM1(regs))))

SEC("raw_tp/tcp_destroy_sock")
int tp__tcp_destroy_sock(struct bpf_raw_tracepoint_args *args)
{
	port_released(args->args[0]);
	return 0;
}

SEC("raw_tp/inet_sock_set_state")
int tp__inet_sock_set_state(struct bpf_raw_tracepoint_args *args)
{
	if (state_matters(args->args[2]))
		state_changed(args->args[0], args->args[1], args->args[2], 0);
	return 0;
}
