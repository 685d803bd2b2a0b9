/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Every place where kernels differ in layout: the flavour, since when, and one accessor. Nothing else gates on kernels.
 */
#ifndef BT_CORE_COMPAT_BPF_H
#define BT_CORE_COMPAT_BPF_H

#include "read.bpf.h"

/* 6.6 moved inet_sock's option bitfields into the atomic inet_flags word. */
struct inet_sock___bits {
	__u8 freebind : 1;
	__u8 transparent : 1;
	__u8 bind_address_no_port : 1;
} __attribute__((preserve_access_index));

struct inet_sock___flags {
	unsigned long inet_flags;
} __attribute__((preserve_access_index));

#define INET_FLAG_FREEBIND_BIT		   11
#define INET_FLAG_TRANSPARENT_BIT	   15
#define INET_FLAG_BIND_ADDRESS_NO_PORT_BIT 18

/* Without branches, here and in read_sock(): the verifier would walk every combination of options. */
static __always_inline __u32 inet_options(const struct sock *sk)
{
	__u32 opts = 0;

	if (bpf_core_field_exists(struct inet_sock___flags, inet_flags)) {
		unsigned long flags = READ(struct inet_sock___flags, sk, inet_flags);

		opts = (flags >> INET_FLAG_FREEBIND_BIT & 1) * BT_OPT_FREEBIND |
		       (flags >> INET_FLAG_TRANSPARENT_BIT & 1) * BT_OPT_TRANSPARENT |
		       (flags >> INET_FLAG_BIND_ADDRESS_NO_PORT_BIT & 1) * BT_OPT_NO_PORT;
	} else if (bpf_core_field_exists(struct inet_sock___bits, freebind)) {
		__u64 bits[1];

		READ_NEIGHBOURS(bits, struct inet_sock___bits, sk, freebind);
		opts = NEIGHBOUR_BITS(bits, struct inet_sock___bits, freebind, freebind) * BT_OPT_FREEBIND |
		       NEIGHBOUR_BITS(bits, struct inet_sock___bits, freebind, transparent) * BT_OPT_TRANSPARENT |
		       NEIGHBOUR_BITS(bits, struct inet_sock___bits, freebind, bind_address_no_port) * BT_OPT_NO_PORT;
	}
	return opts;
}

/* Before 5.15 sock_cgroup_data was one tagged word: bit 0 set means net_cls/net_prio data and no cgroup. */
struct sock_cgroup_data___word {
	__u64 val;
} __attribute__((preserve_access_index));

struct sock___cgroup_word {
	struct sock_cgroup_data___word sk_cgrp_data;
} __attribute__((preserve_access_index));

static __always_inline __u64 socket_cgroup_id(const struct sock *sk)
{
	struct cgroup *cgroup;
	struct kernfs_node *kn;

	if (bt_config.cgroup_hierarchy) /* a socket only knows its place in v2 */
		return 0;
	if (bpf_core_field_exists(struct sock_cgroup_data___word, val)) {
		__u64 val = READ(struct sock___cgroup_word, sk, sk_cgrp_data.val);

		if (val & 1)
			return 0;
		cgroup = (struct cgroup *)(val & ~3ull);
	} else {
		cgroup = READ(struct sock, sk, sk_cgrp_data.cgroup);
	}
	if (!cgroup)
		return 0;
	kn = READ(struct cgroup, cgroup, kn);
	return kn ? READ(struct kernfs_node, kn, id) : 0;
}

/* Until 6.8 the sockets hang on the bucket of the port itself, since then on one for each address. */
struct inet_bind_bucket___owners {
	struct hlist_head owners;
} __attribute__((preserve_access_index));

/* Until 5.19 listeners hang in the table of their addresses on a node of its own (cae3873c5b3a). */
struct inet_connection_sock___listen {
	struct hlist_node icsk_listen_portaddr_node;
} __attribute__((preserve_access_index));

static __always_inline __u32 listener_node_offset(void)
{
	if (bpf_core_field_exists(struct inet_connection_sock___listen, icsk_listen_portaddr_node))
		return bpf_core_field_offset(struct inet_connection_sock___listen, icsk_listen_portaddr_node);
	return bpf_core_field_offset(struct sock_common, skc_nulls_node);
}

/* 7.x has no UDP-Lite, and one table in each network namespace; before, each protocol may have its own. */
union proto_tables___udp {
	struct udp_table *udp_table;
} __attribute__((preserve_access_index));

struct proto___udp {
	union proto_tables___udp h;
} __attribute__((preserve_access_index));

struct netns_ipv4___udp {
	struct udp_table *udp_table;
} __attribute__((preserve_access_index));

struct net___udp {
	struct netns_ipv4___udp ipv4;
} __attribute__((preserve_access_index));

static __always_inline struct udp_table *udp_table_of(const struct sock *sk)
{
	struct proto *proto = READ(struct sock, sk, __sk_common.skc_prot);
	struct net *net = READ(struct sock, sk, __sk_common.skc_net.net);
	struct udp_table *table = 0;

	if (bpf_core_field_exists(struct proto___udp, h.udp_table))
		table = READ(struct proto___udp, proto, h.udp_table);
	if (!table && bpf_core_field_exists(struct net___udp, ipv4.udp_table))
		table = READ(struct net___udp, net, ipv4.udp_table);
	return table;
}

/* Two numbers until 6.7, then both in one word. */
struct local_ports___pair {
	int range[2];
} __attribute__((preserve_access_index));

struct netns_ipv4___pair {
	struct local_ports___pair ip_local_ports;
} __attribute__((preserve_access_index));

struct net___pair {
	struct netns_ipv4___pair ipv4;
} __attribute__((preserve_access_index));

/* The first port in the lower half, the last in the upper. */
static __always_inline __u32 ephemeral_range(const struct net *net)
{
	if (bpf_core_field_exists(struct net___pair, ipv4.ip_local_ports.range)) {
		int range[2] = {};

		READ_INTO(range, struct net___pair, net, ipv4.ip_local_ports.range);
		return (__u16)range[0] | (__u32)range[1] << 16;
	}
	return READ(struct net, net, ipv4.ip_local_ports.range);
}

/* IP_LOCAL_PORT_RANGE came with 6.3, and went into 6.1; what was a pair is a word since 6.8. */
struct own_range___pair {
	__u16 lo;
	__u16 hi;
};

struct inet_sock___range_pair {
	struct own_range___pair local_port_range;
} __attribute__((preserve_access_index));

struct inet_sock___range_word {
	__u32 local_port_range;
} __attribute__((preserve_access_index));

/* As above; 0 in a half = that bound is not set. */
static __always_inline __u32 own_range(const struct sock *sk)
{
	if (bpf_core_field_exists(struct inet_sock___range_word, local_port_range))
		return READ(struct inet_sock___range_word, sk, local_port_range);
	if (bpf_core_field_exists(struct inet_sock___range_pair, local_port_range))
		return LOAD(__u32, FIELD_ADDRESS(struct inet_sock___range_pair, sk, local_port_range));
	return 0;
}

/* CONFIG_MPTCP is off in some kernels (Debian 5.10), and the bit with it. */
struct tcp_sock___mptcp {
	bool is_mptcp;
} __attribute__((preserve_access_index));

#define SOCK_STREAM 1

struct mptcp_sock___first {
	struct sock *first;
} __attribute__((preserve_access_index));

/* The socket that holds the port: of an MPTCP socket its first subflow, which may be null. */
static __always_inline struct sock *port_holder(struct sock *sk)
{
	if (READ(struct sock, sk, sk_protocol) == IPPROTO_MPTCP &&
	    bpf_core_field_exists(struct mptcp_sock___first, first))
		return (struct sock *)READ(struct mptcp_sock___first, sk, first);
	return sk;
}

/* Of a socket of that protocol and type. */
static __always_inline bool is_mptcp_subflow(const struct sock *sk, __u16 protocol, __u16 type)
{
	return bpf_core_field_exists(struct tcp_sock___mptcp, is_mptcp) && protocol == IPPROTO_TCP &&
	       type == SOCK_STREAM && READ(struct tcp_sock___mptcp, sk, is_mptcp);
}

#endif
