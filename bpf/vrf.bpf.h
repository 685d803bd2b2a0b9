/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * A VRF (virtual routing and forwarding) is a device that others may be made a part of. TCP ports of each are apart
 * from those of the others and of sockets that are bound to none: the same number may be held once in each.
 */
#ifndef BT_VRF_BPF_H
#define BT_VRF_BPF_H

#include "read.bpf.h"

#define DEVICE_SLOTS 256 /* NETDEV_HASHENTRIES */

static __always_inline bool has_flag(__u64 device, __u64 flag)
{
	return READ_BITS(struct net_device, device, priv_flags) & flag;
}

/* The device that it is a part of: of those above it there is one at most. */
static __always_inline __u32 master_of(__u64 device)
{
	__u64 first = device + bpf_core_field_offset(struct net_device, adj_list.upper);
	__u64 node = read_word(first);

	for (int i = 0; i < 8 && node != first; i++) {
		__u64 upper = node - bpf_core_field_offset(struct netdev_adjacent, list);

		if (READ(struct netdev_adjacent, upper, master)) {
			__u64 master = (__u64)READ(struct netdev_adjacent, upper, dev);

			return READ(struct net_device, master, ifindex);
		}
		node = read_word(node);
	}
	return 0;
}

/* net.ipv4.tcp_l3mdev_accept: then the ports of all VRFs are one set. */
static __always_inline bool vrfs_are_one(__u64 net)
{
	return bpf_core_field_exists(struct net, ipv4.sysctl_tcp_l3mdev_accept) &&
	       READ(struct net, net, ipv4.sysctl_tcp_l3mdev_accept);
}

static __always_inline __u64 device_of(__u64 net, __u32 ifindex)
{
	__u64 table = (__u64)READ(struct net, net, dev_index_head);
	__u64 node = read_word(table + ifindex % DEVICE_SLOTS * 8);

	for (int i = 0; i < 32 && node; i++) {
		__u64 device = node - bpf_core_field_offset(struct net_device, index_hlist);

		if (READ(struct net_device, device, ifindex) == ifindex)
			return device;
		node = read_word(node);
	}
	return 0;
}

/* The VRF whose ports those of a device are, which is it or has it as a part: its ifindex, or 0. */
SEPARATE vrf_of(__u64 net, __u32 ifindex)
{
	__u64 device = ifindex && !vrfs_are_one(net) ? device_of(net, ifindex) : 0;

	if (!device)
		return 0;
	if (has_flag(device, bpf_core_enum_value(enum netdev_priv_flags, IFF_L3MDEV_MASTER)))
		return ifindex;
	if (has_flag(device, bpf_core_enum_value(enum netdev_priv_flags, IFF_L3MDEV_SLAVE)))
		return master_of(device);
	return 0;
}

#endif
