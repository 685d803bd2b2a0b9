/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The claims that existed before bindtrace: every file of every task, in all network namespaces at once. Runs after the
 * other programs are attached and before events are armed, so that no claim falls between.
 *
 * A connected TCP socket is taken only if it was bound explicitly: otherwise it may be an accepted connection, which
 * has no claim of its own, and nothing in the socket tells the two apart.
 */
#ifndef BT_SNAPSHOT_BPF_H
#define BT_SNAPSHOT_BPF_H

#include "socket_users.bpf.h"

static __always_inline bool holds_own_claim(const struct sock *sk)
{
	__u8 state = READ(struct sock, sk, __sk_common.skc_state);

	if (!socket_port(sk) || READ(struct sock, sk, sk_type) == SOCK_RAW)
		return false;
	if (READ(struct sock, sk, sk_protocol) != IPPROTO_TCP || state == TCP_LISTEN || state == TCP_CLOSE)
		return true;
	return port_is_explicit(sk);
}

SEC("iter/task_file")
int iter__task_file(struct bpf_iter__task_file *context)
{
	struct task_struct *task = context->task;
	struct file *file = context->file;
	struct bt_claim claim = {.flags = BT_EVENT_HAS_TASK | BT_EVENT_HAS_SOCK | BT_EVENT_HAS_SOCKOPT};
	struct sock *sk;

	if (!task || !file)
		return 0;
	note_host(task);
	sk = sock_of_file(file);
	if (!sk)
		return 0;
	if (bt_config.can_mint_cookie) {
		struct socket *socket = bpf_sock_from_file(file);
		struct sock *trusted = socket ? socket->sk : 0;

		if (trusted)
			bpf_get_socket_cookie(trusted);
	}
#ifndef BT_STRATEGY_TRACEPOINT /* which knows an MPTCP socket by its descriptor, until that is closed */
	sk = port_holder(sk);
#endif
	if (!sk || !holds_own_claim(sk) || !port_matters(socket_port(sk)))
		return 0;
	read_sock(&claim.sock, sk);
	claim.stage = BT_CLAIM_HELD;
	claim.listening = claim.sock.state == TCP_LISTEN;
	read_other_task(&claim.task, task);
	claim.wanted = (!bt_config.pid || bt_config.pid == claim.task.key.pid) &&
		       (!bt_config.has_uid || bt_config.uid == claim.task.uid);
	take_claim((__u64)sk, &claim);
	return 0;
}

#endif
