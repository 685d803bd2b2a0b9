/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The table of held ports.
 *
 * A claim is taken by insert-if-absent and released by delete-if-present, so that two hooks may tell the same thing
 * (and one of them repair what the other missed) without an event told twice. Whoever inserts tells the autobind,
 * whoever deletes tells the release.
 */
#ifndef BT_CLAIMS_BPF_H
#define BT_CLAIMS_BPF_H

#include "claim_store.bpf.h"
#include "emit.bpf.h"

/* Also for a TIME_WAIT socket. Sets the key it was found under. */
static __always_inline struct bt_claim *find_claim(const struct sock *sk, __u64 *key)
{
	__u64 cookie = socket_cookie(sk);
	struct bt_claim *claim;

	if (cookie) {
		*key = cookie;
		claim = claim_at(*key);
		if (claim)
			return claim;
	}
	if (!bt_claims_by_address)
		return 0;
	*key = (__u64)sk; /* claimed before somebody asked for its cookie */
	return claim_at(*key);
}

static __always_inline void read_claim(struct bt_claim *claim, enum bt_op op)
{
	read_task(&claim->task);
	claim->flags = BT_EVENT_HAS_TASK | BT_EVENT_HAS_SOCK | BT_EVENT_HAS_SOCKOPT;
	claim->wanted = task_wanted();
	claim->stage = BT_CLAIM_HELD;
	claim->op = op;
}

/* Fills in the current task and the socket. `claim` comes zeroed. */
APART read_claimant(struct bt_claim *claim, __u64 socket, enum bt_op op)
{
	if (!claim)
		return 0;
	read_sock(&claim->sock, (const struct sock *)socket);
	read_claim(claim, op);
	return 0;
}

/*
 * Where no port is told that the kernel chose (bt_config.ephemeral_untold), a claim of one is for those alone that are
 * refused because of it: they read its socket, and ask the claim who has it. The caller knows that the kernel chose it,
 * for a stream.
 */
static __always_inline void read_untold_claimant(struct bt_claim *claim, const struct sock *sk, enum bt_op op)
{
	claim->sock.cookie = socket_cookie(sk);
	claim->sock.protocol = IPPROTO_TCP; /* whose ports those of an MPTCP socket are too */
	read_claim(claim, op);
	claim->flags |= BT_EVENT_EPHEMERAL;
}

/* May it be told: does its task pass the filter, or is the port a registered one? */
static __always_inline bool claim_wanted(const struct bt_claim *claim)
{
	return claim->wanted || port_registered(claim->sock.local_port);
}

/* Protocols whose ports we see given back. SCTP binds are told and not remembered; L2TP has a number, but no port. */
static __always_inline bool claims_ports(__u16 protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_MPTCP || protocol == IPPROTO_UDP ||
	       protocol == IPPROTO_UDPLITE || protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6;
}

/* True where it is new, and remembered. */
APART take_claim(__u64 socket, const struct bt_claim *claim)
{
	const struct sock *sk = (const struct sock *)socket;
	__u64 key;
	int error;

	if (!claim || !claims_ports(claim->sock.protocol))
		return false;
#ifdef BT_STRATEGY_TRACEPOINT
	if (!claim->sock.cookie && claim->sock.protocol != IPPROTO_TCP)
		return false; /* its end is told by cookie alone */
#endif
	if (bt_claims_by_address && find_claim(sk, &key))
		return false;
	key = claim->sock.cookie;
	if (!key) {
		key = (__u64)sk;
		bt_claims_by_address = 1;
	}
	error = insert_claim(key, claim);
	if (error && error != -EEXIST)
		count(BT_COUNT_CLAIMS_FULL);
	return !error;
}

#endif
