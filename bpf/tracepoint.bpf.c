// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Strategy `tracepoint`: for kernels where policy refuses function tracing. BTF raw tracepoints tell when a system call
 * ends and a TCP socket changes state; two cgroup programs tell of a socket's birth and end. What is not seen: io_uring
 * and kernel sockets before they listen, and the end of TIME_WAIT.
 *
 * A connect(2) chooses its port after the last tracepoint that `current` passes before it may sleep. So the claim is
 * noted as pending at SYN_SENT and completed at whatever comes first: the connection's next state, or the call's end.
 */
#define BT_STRATEGY_TRACEPOINT
#include "vmlinux.h"
#include "bind.bpf.h"
#include "listen.bpf.h"
#include "autobind.bpf.h"
#include "state.bpf.h"
#include "release.bpf.h"
#include "cgroup.bpf.h"
#include "snapshot.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* SYN_SENT without a port: connect() is about to choose one. */
SEPARATE connect_started(__u64 socket)
{
	const struct sock *sk = (const struct sock *)socket;
	struct bt_claim claim = {.since_ns = bpf_ktime_get_boot_ns()};

	if (bt_config.ephemeral_untold)
		read_untold_claimant(&claim, sk, current_op(socket));
	else
		read_claimant(&claim, socket, current_op(socket));
	if (claim.wanted || bt_config.has_registry)
		describe_once(&claim.task.key);
	claim.flags |= BT_EVENT_EPHEMERAL;
	claim.stage = BT_CLAIM_PENDING;
	claim.stale_port = READ(struct inet_sock, sk, inet_sport);
	take_claim(socket, &claim);
	return 0;
}

/* The port is in skc_num while held; inet_sport keeps it where the connection has failed already. */
SEPARATE connect_completed(__u64 socket)
{
	const struct sock *sk = (const struct sock *)socket;
	struct bt_claim *known;
	struct bt_claim claim;
	__u16 port;
	__u64 key;

	known = find_claim(sk, &key);
	if (!known || known->stage != BT_CLAIM_PENDING)
		return 0;
	port = socket_port(sk);
	if (!port) {
		__u16 last = READ(struct inet_sock, sk, inet_sport);

		if (last != known->stale_port)
			port = bpf_ntohs(last);
	}
	if (!port)
		return 0; /* refused before it got one: the call's end tells */
	if (!port_matters(port))
		return remove_claim(key);
	known->stage = BT_CLAIM_HELD;
	known->sock.local_port = port;
	if (bt_config.ephemeral_untold)
		return 0;
	known->sock.state = TCP_SYN_SENT; /* entered just after the socket was read */
	read_addresses(&known->sock, sk);
	claim = *known;
	tell_autobind(sk, &claim, 0);
	return 0;
}

/* A connect has failed. For want of a port? A bound socket is refused its own where another one has that peer. */
SEPARATE port_refused(__u64 socket, int result)
{
	const struct sock *sk = (const struct sock *)socket;
	struct bt_claim *known;
	bool pending;
	__u64 key;

	known = find_claim(sk, &key);
	pending = known && known->stage == BT_CLAIM_PENDING;
	if (pending)
		remove_claim(key);
	if (result == -ENOMEM)
		return pending;
	return result == -EADDRNOTAVAIL && (pending || socket_port(sk));
}

/* Only that is told; other failures are not about a port. */
SEPARATE connect_failed(__u64 socket, enum bt_op op, __u64 address, int length, int result)
{
	const struct sock *sk = (const struct sock *)socket;
	struct bt_claim claim = {};
	struct bt_request request = {};

	read_claimant(&claim, socket, current_op(socket));
	claim.since_ns = bpf_ktime_get_boot_ns();
	if (!claim.sock.local_port)
		claim.flags |= BT_EVENT_EPHEMERAL;
	if (op == BT_OP_CONNECT) { /* the socket has forgotten whom it was to connect to */
		read_user_request(&request, (const void *)address, length);
		claim.sock.remote_port = request.port;
		__builtin_memcpy(claim.sock.remote_addr, request.addr, sizeof(request.addr));
	}
	tell_autobind(sk, &claim, result);
	return 0;
}

/* connect(2), or a send with TCP Fast Open, has ended. */
static __always_inline void stream_ended(const struct sock *sk, enum bt_op op, __u64 address, int length, int result)
{
	if (op != BT_OP_CONNECT && result != -EADDRNOTAVAIL && result != -ENOMEM &&
	    READ(struct sock, sk, __sk_common.skc_state) != TCP_SYN_SENT)
		return;
	connect_completed((__u64)sk);
	if (result && result != -EINPROGRESS && port_refused((__u64)sk, result))
		connect_failed((__u64)sk, op, address, length, result);
}

/* UDP and ping choose a port in connect(2) and in the first send; connect(AF_UNSPEC) gives it back. */
static __always_inline void datagram_ended(const struct sock *sk, enum bt_op op, int result)
{
	__u16 port = socket_port(sk);

	if (port)
		port_chosen((__u64)sk, false);
	else if (result == -EAGAIN)
		no_port_chosen((__u64)sk, result);
	else if (op == BT_OP_CONNECT)
		port_released((__u64)sk);
}

static __always_inline void call_on_socket_ended(__u32 fd, enum bt_op op, __u64 address, int length, int result)
{
	struct file *file = file_of_fd(fd);
	struct sock *sk = file ? sock_of_file(file) : 0;
	__u16 protocol;

	if (!sk)
		return;
	protocol = READ(struct sock, sk, sk_protocol);
	if (protocol == IPPROTO_TCP || protocol == IPPROTO_MPTCP)
		stream_ended(sk, op, address, length, result);
	else if (READ(struct sock, sk, sk_type) == SOCK_DGRAM)
		datagram_ended(sk, op, result);
}

/* Has it taken the place of that socket, whose hash it has? Apart from the loop, whose turns the verifier walks. */
SEPARATE is_time_wait_of(__u64 other, __u64 socket, __u32 hash)
{
	const struct sock *tw = (const struct sock *)other, *sk = (const struct sock *)socket;

	return READ(struct sock, tw, __sk_common.skc_state) == TCP_TIME_WAIT &&
	       READ(struct sock, tw, __sk_common.skc_hash) == hash && socket_cookie(tw) == socket_cookie(sk);
}

/* The TIME_WAIT socket that has taken the place of sk in the table of connections, or null. */
static __always_inline struct inet_timewait_sock *find_time_wait(const struct sock *sk)
{
	struct net *net = READ(struct sock, sk, __sk_common.skc_net.net);
	struct inet_hashinfo *table = READ(struct net, net, ipv4.tcp_death_row.hashinfo);
	__u32 hash = READ(struct sock, sk, __sk_common.skc_hash);
	__u64 slot = hash & READ(struct inet_hashinfo, table, ehash_mask);
	__u64 node = read_word((__u64)READ(struct inet_hashinfo, table, ehash) +
			       slot * bpf_core_type_size(struct inet_ehash_bucket));

	for (int i = 0; i < 32 && node && !(node & 1); i++) {
		__u64 other = node - bpf_core_field_offset(struct sock_common, skc_nulls_node);

		if (is_time_wait_of(other, (__u64)sk, hash))
			return (struct inet_timewait_sock *)other;
		node = read_word(node);
	}
	return 0;
}

/* How long a socket stays in TIME_WAIT: TCP_TIMEWAIT_LEN. */
#define TIME_WAIT_NS (60 * 1000000000ull)

/* One that may still be there and is forgotten counts as a loss. */
SEPARATE keep_order(__u64 cookie)
{
	struct bt_lingers newest = {.cookie = cookie, .since_ns = bpf_ktime_get_boot_ns()};
	struct bt_lingers oldest;

	if (!bpf_map_push_elem(&lingering_order, &newest, BPF_ANY))
		return 0;
	if (!bpf_map_pop_elem(&lingering_order, &oldest)) {
		bpf_map_delete_elem(&lingering, &oldest.cookie);
		if (newest.since_ns - oldest.since_ns < TIME_WAIT_NS)
			count(BT_COUNT_CLAIMS_FULL);
	}
	bpf_map_push_elem(&lingering_order, &newest, BPF_ANY);
	return 0;
}

/*
 * The claim goes where the socket's destruction finds it: the end of TIME_WAIT will not be seen. Apart from what tells
 * of it, since the kernel limits the stack of functions that are in one another.
 */
SEPARATE lingers(__u64 socket, __u64 time_wait)
{
	const struct sock *sk = (const struct sock *)socket;
	__u64 cookie = socket_cookie(sk);
	struct bt_claim *claim;

	hand_over_claim(sk, (const struct inet_timewait_sock *)time_wait);
	claim = claim_at(time_wait);
	if (claim) {
		if (bpf_map_update_elem(&lingering, &cookie, claim, BPF_ANY))
			count(BT_COUNT_CLAIMS_FULL);
		remove_claim(time_wait);
		keep_order(cookie);
	}
	return 0;
}

/* Before the state is stored. An autobound socket has put its port already, others do when they are destroyed. */
static __always_inline void closing(const struct sock *sk, int old_state)
{
	struct inet_timewait_sock *tw = 0;

	if (old_state == TCP_FIN_WAIT2 || old_state == TCP_CLOSING)
		tw = find_time_wait(sk);
	if (tw) {
		tell_time_wait(sk, tw);
		lingers((__u64)sk, (__u64)tw);
	} else if (!socket_port(sk)) {
		port_released((__u64)sk);
	}
}

/* A call that is told once only: others find their claim, or what they refused, already there. */
static __always_inline bool told_once(long nr, long result)
{
	return nr == NR_bind || nr == NR_listen || result == -EADDRNOTAVAIL || result == -EAGAIN;
}

/*
 * Of two programs that do the same, the second does what the first was skipped for: while a task is preempted inside a
 * program, the kernel skips that program for all others on the CPU.
 */
static __always_inline int system_call_ended(struct pt_regs *regs, long result, bool first)
{
	long nr = SYSCALL_OF(regs);
	__u64 args[3];
	__u32 call;

	switch (nr) { /* first: every system call of the machine passes here */
	case NR_bind:
	case NR_listen:
	case NR_connect:
	case NR_sendto:
	case NR_sendmsg:
	case NR_sendmmsg:
		break;
	default:
		return 0;
	}
	if (is_compat(current_task()))
		return 0;
#if defined(__TARGET_ARCH_x86)
	args[0] = regs->di;
	args[1] = regs->si;
	args[2] = regs->dx;
#else
	args[0] = regs->orig_x0; /* regs[0] is the result by now */
	args[1] = regs->regs[1];
	args[2] = regs->regs[2];
#endif
	call = ~((__u32)nr << 20 ^ (__u32)args[0]); /* far from the inodes */
	if (told_once(nr, result)) {
		if (first)
			mark_told(call);
		else if (take_mark(call))
			return 0;
	}
	if (nr == NR_bind)
		bind_syscall_returned(args[0], args[1], args[2], result, false);
	else if (nr == NR_listen)
		listen_syscall_returned(args[0], result, false);
	else
		call_on_socket_ended(args[0], syscall_op(nr), args[1], args[2], result);
	return 0;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(tp__sys_exit, struct pt_regs *regs, long result)
{
	return system_call_ended(regs, result, true);
}

SEC("tp_btf/sys_exit")
int BPF_PROG(tp__sys_exit_again, struct pt_regs *regs, long result)
{
	return system_call_ended(regs, result, false);
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(tp__inet_sock_set_state, struct sock *trusted, int old_state, int new_state)
{
	const struct sock *sk = (const struct sock *)ARGUMENT(0);
	struct bt_claim *known;
	__u64 key;

	if (old_state != TCP_SYN_SENT && old_state != TCP_LISTEN && !state_matters(new_state))
		return 0; /* first: a connection passes here seven times */
	if (READ(struct sock, sk, sk_protocol) != IPPROTO_TCP || !is_inet(sk))
		return 0;
	if (old_state == TCP_SYN_SENT)
		connect_completed((__u64)sk);
	if (old_state == TCP_LISTEN && (known = find_claim(sk, &key)))
		known->listening = 0;
	if (new_state == TCP_CLOSE)
		closing(sk, old_state);
	if (state_matters(new_state))
		state_changed((__u64)sk, old_state, new_state, 0);
	if (new_state == TCP_SYN_SENT && !socket_port(sk)) {
		if (bt_config.can_mint_cookie)
			bpf_get_socket_cookie(trusted);
		connect_started((__u64)sk);
	}
	return 0;
}

SEC("tp_btf/tcp_destroy_sock")
int BPF_PROG(tp__tcp_destroy_sock)
{
	const struct sock *sk = (const struct sock *)ARGUMENT(0);
	__u64 key;
	struct bt_claim *known = find_claim(sk, &key);

	if (!known)
		return 0;
	if (known->stage == BT_CLAIM_PENDING) /* failed before it had a port, and nobody was told */
		remove_claim(key);
	else
		port_released((__u64)sk);
	return 0;
}

/* The end of everything that is not TCP. The program may not look into the socket: the claim knows it. */
SEC("cgroup/sock_release")
int cgroup__sock_release(struct bpf_sock *socket)
{
	__u64 key = bpf_get_socket_cookie(socket);
	__u32 flags;

	if (socket->protocol == IPPROTO_TCP)
		return 1;
	/* No READ() here: a cgroup program may not cast. The typed task is newer than 5.10. */
	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_get_current_task_btf))
		flags = bpf_get_current_task_btf()->flags;
	else
		flags = BPF_CORE_READ((struct task_struct *)bpf_get_current_task(), flags);
	claim_released(key, flags & PF_EXITING ? BT_OP_EXIT : BT_OP_CLOSE);
	return 1;
}
