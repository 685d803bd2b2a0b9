/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * When two sockets may not have the same port: the kernel's own check, written once for the BPF programs, which choose
 * the holders by it, and for user space, which tells the reason.
 *
 * Source: inet_bind_conflict(), inet_rcv_saddr_equal() and udp_lib_lport_inuse(), the same from 5.10 to 7.3 for a port
 * that was asked for by number. A socket keeps its options through TIME_WAIT.
 */
#ifndef BINDTRACE_RULES_H
#define BINDTRACE_RULES_H

#include "bindtrace/event.h"

#ifdef __cplusplus
#define BT_RULE inline
#else
#define BT_RULE static __attribute__((always_inline)) inline
#endif

#define BT_AF_INET6	 10
#define BT_TCP_TIME_WAIT 6
#define BT_TCP_LISTEN	 10

/* The addresses a socket takes: of each family none, one, or all. Addresses here are aligned as those of a bt_sock. */
struct bt_reach {
	__u32 v4; /* 0 = all, if has_v4 */
	__u32 v6[4];
	__u8 has_v4;
	__u8 has_v6;
	__u8 all_v6;
};

BT_RULE struct bt_reach bt_reach_of_address(__u16 family, const __u8 *bytes, int v6only)
{
	const __u32 *address = (const __u32 *)(const void *)bytes;
	struct bt_reach reach = {0, {address[0], address[1], address[2], address[3]}, 0, 0, 0};

	if (family != BT_AF_INET6) {
		reach.v4 = address[0];
		reach.has_v4 = 1;
		return reach;
	}
	if (!(address[0] | address[1]) && !(bytes[8] | bytes[9]) && bytes[10] == 0xff && bytes[11] == 0xff) {
		reach.v4 = address[3]; /* ::ffff:10.0.0.1 */
		reach.has_v4 = 1;
		return reach;
	}
	reach.has_v6 = 1;
	reach.all_v6 = !(address[0] | address[1] | address[2] | address[3]);
	reach.has_v4 = reach.all_v6 && !v6only;
	return reach;
}

BT_RULE struct bt_reach bt_reach_of(const struct bt_sock *sock)
{
	return bt_reach_of_address(sock->family, sock->local_addr, sock->opts & BT_OPT_V6ONLY);
}

/* From where they are: a copy of them costs the BPF programs stack. */
BT_RULE int bt_same_words(const __u8 *address, const __u8 *other)
{
	const __u32 *a = (const __u32 *)(const void *)address, *b = (const __u32 *)(const void *)other;

	return a[0] == b[0] && a[1] == b[1] && a[2] == b[2] && a[3] == b[3];
}

BT_RULE int bt_addresses_overlap(const struct bt_sock *one, const struct bt_sock *other)
{
	const struct bt_reach a = bt_reach_of(one), b = bt_reach_of(other);

	if (a.has_v4 && b.has_v4 && (!a.v4 || !b.v4 || a.v4 == b.v4))
		return 1;
	if (!a.has_v6 || !b.has_v6)
		return 0;
	return a.all_v6 || b.all_v6 || bt_same_words(one->local_addr, other->local_addr);
}

/* Where in it the IPv4 address is, of those that are one: ::ffff:10.0.0.1 too. -1 = it is one of IPv6. */
BT_RULE int bt_v4_word(__u16 family, const __u8 *bytes)
{
	const __u32 *address = (const __u32 *)(const void *)bytes;

	if (family != BT_AF_INET6)
		return 0;
	return !(address[0] | address[1] | bytes[8] | bytes[9]) && bytes[10] == 0xff && bytes[11] == 0xff ? 3 : -1;
}

/* Do the two name one place? ::ffff:10.0.0.1 is 10.0.0.1. */
BT_RULE int bt_same_address(__u16 family, const __u8 *address, __u16 other_family, const __u8 *other_address)
{
	const __u32 *a = (const __u32 *)(const void *)address, *b = (const __u32 *)(const void *)other_address;
	const int four = bt_v4_word(family, address), other_four = bt_v4_word(other_family, other_address);

	if (four < 0 || other_four < 0)
		return four == other_four && bt_same_words(address, other_address);
	return (four ? a[3] : a[0]) == (other_four ? b[3] : b[0]);
}

BT_RULE int bt_same_remote(const struct bt_sock *one, const struct bt_sock *other)
{
	return one->remote_port == other->remote_port &&
	       bt_same_address(one->family, one->remote_addr, other->family, other->remote_addr);
}

/*
 * Is it the connection that the claimant wanted, with both ends? A claimant that was not bound to an address may have
 * lost the one that connect(2) gave it by the time it is looked at.
 */
BT_RULE int bt_same_connection(const struct bt_sock *claimant, const struct bt_sock *holder)
{
	const __u32 *mine = (const __u32 *)(const void *)claimant->local_addr;
	const int any = !(mine[0] | mine[1] | mine[2] | mine[3]);

	if (holder->bound_dev && holder->bound_dev != claimant->bound_dev)
		return 0;
	return bt_same_remote(claimant, holder) &&
	       (any || bt_same_address(claimant->family, claimant->local_addr, holder->family, holder->local_addr));
}

/*
 * 0.0.0.0 of an IPv4 socket meets each IPv6 socket without IPV6_V6ONLY, also where that has an IPv6 address alone:
 * bind(2) to such an address sets the option by itself, connect(2) and accept(2) leave it as it was. In this order
 * only.
 */
BT_RULE int bt_meets_unmarked(const struct bt_sock *claimant, const struct bt_sock *holder)
{
	return claimant->family != BT_AF_INET6 && !*(const __u32 *)(const void *)claimant->local_addr &&
	       holder->family == BT_AF_INET6 && !(holder->opts & BT_OPT_V6ONLY);
}

/* Must `claimant` not have its port while `holder` has it? Both in one network namespace and of one protocol. */
BT_RULE int bt_refuses(const struct bt_sock *claimant, __u32 claimant_uid, const struct bt_sock *holder,
		       __u32 holder_uid)
{
	const __u32 both = claimant->opts & holder->opts;

	if (claimant->bound_dev && holder->bound_dev && claimant->bound_dev != holder->bound_dev)
		return 0;
	if (both & BT_OPT_REUSEADDR && holder->state != BT_TCP_LISTEN)
		return 0;
	if (both & BT_OPT_REUSEPORT && (holder->state == BT_TCP_TIME_WAIT || claimant_uid == holder_uid))
		return 0;
	return bt_addresses_overlap(claimant, holder) || bt_meets_unmarked(claimant, holder);
}

#endif
