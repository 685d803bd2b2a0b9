/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Fact `release`: a claim ends: close, exit, disconnect, or the end of the TIME_WAIT that took it over. */
#ifndef BT_RELEASE_BPF_H
#define BT_RELEASE_BPF_H

#include "state.bpf.h"

/* Would it be told? What a release reads of its socket is for that alone. */
static __always_inline bool release_wanted(const struct bt_claim *claim)
{
	if (!(bt_config.kinds & (1u << BT_KIND_RELEASE)) || !claim->wanted)
		return false;
	return !bt_config.filters_facts ||
	       (!bt_config.failed_only && !(bt_config.no_ephemeral && claim->flags & BT_EVENT_EPHEMERAL));
}

/* `claim` is a copy, its socket brought up to date; the caller has taken it out of the map. */
static __always_inline void tell_release(const struct bt_claim *claim, enum bt_op op)
{
	struct bt_fact fact = {
	    .kind = BT_KIND_RELEASE,
	    .op = op,
	    .flags = claim->flags,
	    .ktime_ns = bpf_ktime_get_boot_ns(),
	};

	if (claim->since_ns) {
		fact.held_ns = fact.ktime_ns - claim->since_ns;
		fact.flags |= BT_EVENT_HAS_HELD;
	}
	emit(&fact, 0, claim);
}

/*
 * sk lets its port go, or has just done so: then its port reads 0, the claim knows which it was, and what it is
 * connected to is still there unless it was disconnected.
 */
SEPARATE port_released(__u64 socket)
{
	const struct sock *sk = (const struct sock *)socket;
	struct bt_claim claim;
	struct bt_claim *known;
	__u64 key;

	known = find_claim(sk, &key);
	if (!known || known->stage != BT_CLAIM_HELD)
		return 0;
	if (!release_wanted(known)) {
		remove_claim(key);
		return 0;
	}
	claim = *known;
	if (!remove_claim(key))
		return 0; /* another CPU was first */
	if (socket_port(sk)) {
		read_sock(&claim.sock, sk); /* keeps the inode, which tcp_close() has already cut off */
	} else {
		if (READ(struct sock, sk, __sk_common.skc_dport))
			read_addresses(&claim.sock, sk);
		claim.sock.state = READ(struct sock, sk, __sk_common.skc_state);
	}
	tell_release(&claim, current_acts_on(sk) ? current_op((__u64)sk) : BT_OP_UNKNOWN);
	return 0;
}

/*
 * A TIME_WAIT (or orphaned FIN_WAIT2) socket takes the port of sk over, and the claim with it, under its own address:
 * it inherits the cookie, but a descriptor that is still open may connect again. A port that was bound by name stays
 * with the open socket too.
 */
static __always_inline void hand_over_claim(const struct sock *sk, const struct inet_timewait_sock *tw)
{
	__u64 key, tw_key = (__u64)tw;
	struct bt_claim claim;
	struct bt_claim *known;
	int full;

	known = find_claim(sk, &key);
	if (!known || (READ(struct sock, sk, sk_socket) && port_is_explicit(sk)))
		return;
	claim = *known;
	/* In before out: a bind that fails meanwhile finds it in one of the two places. */
	full = replace_claim(tw_key, &claim);
	if (!remove_claim(key))
		remove_claim(tw_key);			/* another CPU was first */
	else if (full && replace_claim(tw_key, &claim)) /* there may be room for one now */
		count(BT_COUNT_CLAIMS_FULL);
}

static __always_inline void tell_time_wait(const struct sock *sk, const struct inet_timewait_sock *tw)
{
	state_changed((__u64)sk, READ(struct sock, sk, __sk_common.skc_state),
		      READ(struct inet_timewait_sock, tw, tw_substate), socket_port((const struct sock *)tw));
}

static __always_inline void time_wait_took_over(const struct sock *sk, const struct inet_timewait_sock *tw)
{
	tell_time_wait(sk, tw);
	hand_over_claim(sk, tw);
}

/* By key, where the socket itself may not be looked into. */
static __always_inline void claim_released(__u64 key, enum bt_op op)
{
	struct bt_claim *known = claim_at(key);
	struct bt_claim claim;

	if (!known || known->stage != BT_CLAIM_HELD)
		return;
	claim = *known;
	if (remove_claim(key))
		tell_release(&claim, op);
}

/* The TIME_WAIT socket gives the port back: a timer, a reconnect, or the end of the network namespace. */
static __always_inline void time_wait_ended(const struct inet_timewait_sock *tw)
{
	__u64 key = (__u64)tw;
	struct bt_claim *known = claim_at(key);
	struct bt_claim claim;

	if (!known)
		return;
	claim = *known;
	if (!remove_claim(key))
		return;
	read_sock_common(&claim.sock, (const struct sock *)tw); /* both begin with sock_common */
	claim.sock.inode = 0;
	tell_release(&claim, BT_OP_UNKNOWN);
}

#endif
