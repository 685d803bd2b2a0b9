/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The kernel's tables of ports: which sockets have which, whether or not a process has them open.
 *
 * Walked without their locks. A socket may come or go meanwhile; every load is safe all the same, and whoever includes
 * this checks each socket again in consider().
 */
#ifndef BT_PORT_TABLES_BPF_H
#define BT_PORT_TABLES_BPF_H

#include "read_sock.bpf.h"

/* How many sockets of a port a failing bind looks at: 16 * 128. */
#define STEPS_A_STRIDE 16
#define STRIDES	       128

/* Where the search of the current task stands, or null. Whoever includes this says where that is kept. */
static __always_inline struct bt_search *current_search(void);

/* What to do with one socket, given its address. */
SEPARATE consider(__u64 address);

/* What the check compares. A TIME_WAIT socket has this much and no more. */
static __always_inline void read_bound(struct bt_sock *out, const struct sock *sk, const __u64 *head)
{
	__builtin_memset(out->local_addr, 0,
			 sizeof(out->local_addr) + sizeof(out->remote_addr)); /* IPv4 fills a part */
	sock_common_of(out, sk, head);
	out->opts = 0;
	bound_of(out, head);
}

/* Did connect(2) choose the port? Older kernels tell by the bucket, where the socket cannot be an accepted one. */
static __always_inline bool port_is_ephemeral(const struct bt_search *search, const struct bt_holder *holder)
{
	__u8 state = search->other.state;

	return search->made_by_connect && !holder->explicit_port && state != TCP_LISTEN && state != TCP_CLOSE;
}

/* Of search->other, which is what read_bound() saw at the address. `holder` may have been used before. */
static __always_inline void read_holder(const struct bt_search *search, struct bt_holder *holder, __u64 address)
{
	const struct sock *sk = (const struct sock *)address;

	__builtin_memset(holder, 0, sizeof(*holder));
	holder->sock = search->other;
	holder->substate = search->other.state;
	if (search->other.state != TCP_TIME_WAIT) {
		sock_of(&holder->sock, sk, search->head);
		holder->flags = BT_EVENT_HAS_SOCKOPT;
		holder->uid = READ(struct sock, sk, sk_uid.val);
		holder->explicit_port = port_is_explicit(sk);
		holder->of_kernel = !READ_BITS(struct sock, sk, __sk_common.skc_net_refcnt);
	} else {
		holder->sock.protocol = IPPROTO_TCP;
		holder->substate = READ(struct inet_timewait_sock, address, tw_substate);
	}
	if (port_is_ephemeral(search, holder))
		holder->flags |= BT_EVENT_EPHEMERAL;
}

/* Where a port of a network namespace is in a table. */
static __always_inline __u32 port_slot(const struct net *net, __u16 port, __u32 mask)
{
	return (port + READ(struct net, net, hash_mix)) & mask;
}

/* The sockets of one port of one network namespace. */
static __always_inline void start_with_bucket(struct bt_search *search, __u64 bucket)
{
	search->node_offset = bpf_core_field_offset(struct sock_common, skc_bind_node);
	search->made_by_connect = (__s8)READ(struct inet_bind_bucket, bucket, fastreuse) < 0;
	search->node = 0;
	search->bucket = 0;
	search->found.complete = 0;
	if (bpf_core_field_exists(struct inet_bind_bucket, bhash2))
		search->bucket = read_word(bucket + bpf_core_field_offset(struct inet_bind_bucket, bhash2));
	else
		search->node = read_word(bucket + bpf_core_field_offset(struct inet_bind_bucket___owners, owners));
}

static __always_inline void start_with_udp_slot(struct bt_search *search, const struct udp_table *table, __u32 slot)
{
	search->node_offset = bpf_core_field_offset(struct sock_common, skc_node);
	search->made_by_connect = 0;
	search->bucket = 0;
	search->found.complete = 0;
	search->node =
	    read_word((__u64)READ(struct udp_table, table, hash) + (__u64)slot * bpf_core_type_size(struct udp_hslot) +
		      bpf_core_field_offset(struct udp_hslot, head));
}

/* Since 6.8: on to the sockets of the next address. A function of its own, not to be walked where there is no such
 * thing. */
static __attribute__((noinline)) int enter_bucket(struct bt_search *search)
{
	__u64 bucket = search->bucket;

	search->bucket = read_word(bucket);
	search->node = read_word(bucket - bpf_core_field_offset(struct inet_bind2_bucket, bhash_node) +
				 bpf_core_field_offset(struct inet_bind2_bucket, owners));
	return 0;
}

/* Returns 1 at the end of the bucket: then the search is complete. */
SEPARATE look_on(void)
{
	struct bt_search *search = current_search();

	if (!search)
		return 1;
	for (int i = 0; i < STEPS_A_STRIDE; i++) {
		__u64 node = search->node;

		if (node && !(node & 1)) {
			search->node = read_word(node);
			consider(node - search->node_offset);
			continue;
		}
		if (!bpf_core_field_exists(struct inet_bind_bucket, bhash2) || !search->bucket) {
			search->found.complete = 1;
			return 1;
		}
		enter_bucket(search);
	}
	return 0;
}

#endif
