/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Fact `autobind`: the kernel chose a port without a bind(2): connect, sendto, listen on an unbound socket. */
#ifndef BT_AUTOBIND_BPF_H
#define BT_AUTOBIND_BPF_H

#include "holders.bpf.h"

static __always_inline void tell_autobind(const struct sock *sk, const struct bt_claim *claim, int result)
{
	struct bt_fact fact = {
	    .kind = BT_KIND_AUTOBIND,
	    .op = claim->op,
	    .error = -result,
	    .flags = claim->flags,
	    .ktime_ns = claim->since_ns,
	};

	tell_attempt(&fact, 0, claim, (__u64)sk);
}

/* `claim` is what read_claimant() saw. Does nothing where the port was claimed before. */
static __always_inline void autobind_succeeded(const struct sock *sk, struct bt_claim *claim)
{
	bool explicit = port_is_explicit(sk); /* bound, but we have not seen it */

	if (!claim->sock.local_port)
		return;
	if (!explicit)
		claim->flags |= BT_EVENT_EPHEMERAL;
	if (take_claim((__u64)sk, claim) && !explicit)
		tell_autobind(sk, claim, 0);
}

/*
 * A call has succeeded that may have chosen a port for sk. A datagram socket's connect(2) chooses the port first and
 * the addresses afterwards: with wait_for_connect it is left to the hook around it, which sees both.
 */
SEPARATE port_chosen(__u64 socket, bool wait_for_connect)
{
	const struct sock *sk = (const struct sock *)socket;
	struct bt_claim claim;
	__u64 key;

	if (!port_matters(socket_port(sk)) || find_claim(sk, &key)) /* or bound before */
		return 0;
	claim = (struct bt_claim){.since_ns = bpf_ktime_get_boot_ns()};
	read_claimant(&claim, socket, current_op(socket));
	if (!wait_for_connect || claim.op != BT_OP_CONNECT)
		autobind_succeeded(sk, &claim);
	return 0;
}

/* Nothing is told of it: see bt_config.ephemeral_untold. */
SEPARATE remember_untold(__u64 socket)
{
	const struct sock *sk = (const struct sock *)socket;
	__u16 port = socket_port(sk);
	struct bt_claim claim;

	if (!port || !port_matters(port))
		return 0;
	claim = (struct bt_claim){.since_ns = bpf_ktime_get_boot_ns()};
	claim.sock.local_port = port;
	read_untold_claimant(&claim, sk, current_op(socket));
	describe_once(&claim.task.key);
	take_claim(socket, &claim);
	return 0;
}

/* It has failed for want of a port. */
SEPARATE no_port_chosen(__u64 socket, int result)
{
	const struct sock *sk = (const struct sock *)socket;
	struct bt_claim claim = {.since_ns = bpf_ktime_get_boot_ns()};

	read_claimant(&claim, socket, current_op(socket));
	if (!claim.sock.local_port)
		claim.flags |= BT_EVENT_EPHEMERAL;
	if (claim.sock.type == SOCK_STREAM)
		claim.sock.state = TCP_CLOSE; /* where the refused connect puts it back to */
	tell_autobind(sk, &claim, result);
	return 0;
}

/* Of a stream's connect, which chooses a port for a socket that has none: that is not looked for. */
static __always_inline void stream_connect_ended(__u64 socket, int result)
{
	if (result)
		no_port_chosen(socket, result);
	else if (bt_config.ephemeral_untold && !port_is_explicit((const struct sock *)socket))
		remember_untold(socket);
	else
		port_chosen(socket, false);
}

static __always_inline void autobind_ended(__u64 socket, int result, bool wait_for_connect)
{
	if (result)
		no_port_chosen(socket, result);
	else
		port_chosen(socket, wait_for_connect);
}

/* connect(2) on a datagram socket. Whether it succeeded or not, it may have chosen a port. */
static __always_inline void datagram_connect_returned(const struct sock *sk)
{
	if (socket_port(sk) && is_inet(sk))
		port_chosen((__u64)sk, false);
}

/* The call around it: repairs a claim that port_chosen() was not run for. A failure here may have other reasons. */
static __always_inline void connect_returned(const struct sock *sk, int result)
{
	__u64 key;

	if (result || !socket_port(sk) || find_claim(sk, &key))
		return;
	port_chosen((__u64)sk, false);
}

#endif
