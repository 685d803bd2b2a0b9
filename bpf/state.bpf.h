/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Fact `state`: a TCP socket enters LISTEN, SYN_SENT or CLOSE, or hands its port to a TIME_WAIT socket. */
#ifndef BT_STATE_BPF_H
#define BT_STATE_BPF_H

#include "claims.bpf.h"

/* `port` is told where the socket itself has given its own away already. May run in softirq, where `current` is whoever
 * was interrupted: the claimant is told, else the task if it is the actor. */
SEPARATE state_changed(__u64 socket, __u8 old_state, __u8 new_state, __u16 port)
{
	const struct sock *sk = (const struct sock *)socket;
	struct bt_claim claim = {};
	struct bt_claim *known;
	struct bt_fact fact = {.kind = BT_KIND_STATE, .ktime_ns = bpf_ktime_get_boot_ns()};
	__u64 key;

	if (!(bt_config.kinds & (1u << BT_KIND_STATE)) || bt_config.failed_only)
		return 0;
	if (READ(struct sock, sk, sk_protocol) != IPPROTO_TCP) /* MPTCP: its subflows tell */
		return 0;
	if (!port_matters(socket_port(sk) ?: port))
		return 0;
	known = find_claim(sk, &key);
	if (known) {
		claim.task = known->task;
		claim.flags = known->flags & (BT_EVENT_HAS_TASK | BT_EVENT_EPHEMERAL);
		claim.wanted = known->wanted;
	} else if (current_acts_on(sk)) {
		read_task(&claim.task);
		claim.flags = BT_EVENT_HAS_TASK;
		claim.wanted = task_wanted();
	} else {
		claim.wanted = !bt_config.filters_tasks;
	}
	if (!claim.wanted)
		return 0;
	read_sock(&claim.sock, sk);
	if (!claim.sock.local_port)
		claim.sock.local_port = port;
	claim.sock.old_state = old_state;
	claim.sock.state = new_state;
	fact.flags = claim.flags | BT_EVENT_HAS_SOCK | BT_EVENT_HAS_SOCKOPT;
	emit(&fact, 0, &claim);
	return 0;
}

static __always_inline bool state_matters(int state)
{
	return state == TCP_LISTEN || state == TCP_SYN_SENT || state == TCP_CLOSE;
}

#endif
