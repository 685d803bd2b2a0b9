/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Fact `listen`: a socket starts to listen, or fails to (EADDRINUSE can come from here, not from bind). */
#ifndef BT_LISTEN_BPF_H
#define BT_LISTEN_BPF_H

#include "autobind.bpf.h"

/* `started`: the caller knows that this is no mere change of the backlog of a listener. */
SEPARATE listen_ended(__u64 socket, int result, bool started)
{
	const struct sock *sk = (const struct sock *)socket;
	struct bt_fact fact = {.kind = BT_KIND_LISTEN, .error = -result};
	struct bt_claim claim, *known;
	__u64 key;

	if (!port_matters(socket_port(sk)))
		return 0;
	fact.ktime_ns = bpf_ktime_get_boot_ns();
	claim = (struct bt_claim){.since_ns = fact.ktime_ns};
	read_claimant(&claim, socket, op_behind(socket, BT_OP_LISTEN));
	fact.op = claim.op;
	if (!result)
		autobind_succeeded(sk, &claim);
	known = find_claim(sk, &key);
	if (known) {
		if (!result && known->listening && !started)
			return 0;
		known->listening = !result;
	}
	fact.flags = claim.flags & ~BT_EVENT_EPHEMERAL;
	tell_attempt(&fact, 0, &claim, socket);
	return 0;
}

/* An inner hook: the protocol's start of listening. */
static __always_inline void listen_start_returned(const struct sock *sk, int result)
{
	if (!is_inet(sk))
		return;
	if (in_call(BT_OP_LISTEN))
		tell(sk);
	listen_ended((__u64)sk, result, true);
}

/* The system call around it: refusals that never start, and repair. */
static __always_inline void listen_syscall_returned(__u32 fd, int result, bool inner)
{
	struct file *file = file_of_fd(fd);
	struct sock *sk;

	if (!file || (inner && take_told_of_file(file)))
		return;
	sk = sock_of_file(file);
	if (inner && sk)
		sk = port_holder(sk);
	if (!sk)
		return;
	listen_ended((__u64)sk, result, false);
}

#endif
