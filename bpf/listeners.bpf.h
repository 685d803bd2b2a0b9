/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The listener of a port that has more sockets than are looked at.
 *
 * The kernel puts new sockets first, so a busy server's listener comes after all of its connections. The kernel finds
 * it by its address, in a table of listeners alone, and so do we: it listens on all addresses, on the one that was
 * asked for, or on the one that its connections have.
 */
#ifndef BT_LISTENERS_BPF_H
#define BT_LISTENERS_BPF_H

#include "bindtrace/rules.h"
#include "port_tables.bpf.h"

#define LISTENERS 64 /* of a slot, which those of other ports share */

/* Bob Jenkins' lookup3, of which the kernel's hashes are made. */
#define TURN(word, by) ((word) << (by) | (word) >> (32 - (by)))

static __always_inline __u32 hash_of_words(const __u32 *words, __u32 count, __u32 seed)
{
	__u32 a, b, c;

	a = b = c = 0xdeadbeef + 4 * count + seed;
	if (count == 4) {
		a += *words++;
		b += *words++;
		c += *words++;
		a = (a - c) ^ TURN(c, 4), c += b;
		b = (b - a) ^ TURN(a, 6), a += c;
		c = (c - b) ^ TURN(b, 8), b += a;
		a = (a - c) ^ TURN(c, 16), c += b;
		b = (b - a) ^ TURN(a, 19), a += c;
		c = (c - b) ^ TURN(b, 4), b += a;
	}
	a += *words;
	c = (c ^ b) - TURN(b, 14);
	a = (a ^ c) - TURN(c, 11);
	b = (b ^ a) - TURN(a, 25);
	c = (c ^ b) - TURN(b, 16);
	a = (a ^ c) - TURN(c, 4);
	b = (b ^ a) - TURN(a, 14);
	c = (c ^ b) - TURN(b, 24);
	return c;
}

/* ipv4_portaddr_hash() and ipv6_portaddr_hash(): an address that IPv4 can reach is hashed as that, 0.0.0.0 as `::`. */
static __always_inline __u32 listener_hash(const struct bt_sock *sock, __u32 seed)
{
	const struct bt_reach reach = bt_reach_of(sock);

	if (reach.has_v6 && !reach.all_v6)
		return hash_of_words(reach.v6, 4, seed);
	return hash_of_words(&reach.v4, 1, seed);
}

/* Where in the table to look. Apart from the look itself, since older kernels limit the stack of both to 512 bytes. */
SEPARATE find_listener_slots(void)
{
	struct bt_search *search = current_search();
	const struct net *net;
	__u32 no_address = 0;
	__u32 seed;

	if (!search)
		return 0;
	net = READ(struct sock, search->claimant, __sk_common.skc_net.net);
	seed = READ(struct net, net, hash_mix);
	search->listener_hashes[0] = hash_of_words(&no_address, 1, seed);
	search->listener_hashes[1] = listener_hash(&search->found.claimant, seed);
	search->listener_hashes[2] = listener_hash(&search->other, seed); /* the last of its connections */
	return 0;
}

/* Those of an address: consider() leaves out those of other ports. */
SEPARATE look_at_listeners(__u32 which)
{
	struct bt_search *search = current_search();
	const struct inet_hashinfo *table;
	const struct net *net;
	__u64 slot, node;

	if (!search || which >= LISTENER_PLACES)
		return 0;
	net = READ(struct sock, search->claimant, __sk_common.skc_net.net);
	table = READ(struct net, net, ipv4.tcp_death_row.hashinfo);
	slot = (search->listener_hashes[which] ^ search->found.claimant.local_port) &
	       READ(struct inet_hashinfo, table, lhash2_mask);
	node = read_word((__u64)READ(struct inet_hashinfo, table, lhash2) +
			 slot * bpf_core_type_size(struct inet_listen_hashbucket) +
			 bpf_core_field_offset(struct inet_listen_hashbucket, nulls_head));
	for (int i = 0; i < LISTENERS && node && !(node & 1); i++) {
		__u64 address = node - listener_node_offset();

		node = read_word(node);
		consider(address);
	}
	return 0;
}

#endif
