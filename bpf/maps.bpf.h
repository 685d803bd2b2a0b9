/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What the programs of one strategy share. All preallocated: nothing allocates while a port is bound. */
#ifndef BT_MAPS_BPF_H
#define BT_MAPS_BPF_H

#include "read.bpf.h"

const volatile struct bt_config bt_config SEC(".rodata") = {};

/* Claims are remembered from the first instant, events start when user space has taken its snapshot. */
volatile __u32 bt_armed SEC(".data") = 0;

/* Some claim is kept under its socket's address, for want of a cookie. */
volatile __u32 bt_claims_by_address SEC(".data") = 0;

/*
 * User space sleeps until it is woken. While it is awake it looks by itself every few milliseconds: a wake-up for each
 * event would cost more than the event, and would preempt the very program that reports it, which on a preemptible
 * kernel makes the recursion guard skip that program for everybody else on the CPU.
 */
volatile __u32 bt_consumer_sleeps SEC(".data") = 0;

/* The host's network namespace; found by the snapshot. 0 = not found. */
volatile __u32 bt_host_netns SEC(".data") = 0;

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 8 << 20); /* user space may resize */
} events SEC(".maps");

enum bt_claim_stage {
	BT_CLAIM_PENDING = 1, /* tracepoint strategy: SYN_SENT seen, the port is chosen a moment later */
	BT_CLAIM_HELD = 2,
};

/* One held port. Outlives the process, and the socket while in TIME_WAIT. */
struct bt_claim {
	__u64 since_ns; /* 0 = before bindtrace started */
	__u32 flags;	/* enum bt_event_flag: EPHEMERAL, HAS_TASK, HAS_SOCKOPT */
	__u8 stage;	/* enum bt_claim_stage */
	__u8 listening;
	__u8 wanted;	  /* the task passed the filter when it made the claim */
	__u8 op;	  /* enum bt_op: how it was made */
	__u16 stale_port; /* while pending: what inet_sport still said from an earlier connection */
	__u16 pad[3];
	struct bt_task task;
	struct bt_sock sock;
};

#ifdef BT_STRATEGY_TRACEPOINT
#define BT_LINGERING 8192

/* The claims that went into TIME_WAIT, by cookie. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, BT_LINGERING + 64); /* what several CPUs put in before they take one out */
	__type(key, __u64);
	__type(value, struct bt_claim);
} lingering SEC(".maps");

struct bt_lingers {
	__u64 cookie;
	__u64 since_ns;
};

/* In the order in which they came, since nothing tells when TIME_WAIT ends: the oldest make room. */
struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, BT_LINGERING);
	__type(value, struct bt_lingers);
} lingering_order SEC(".maps");
#endif

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct bt_process_key);
	__type(value, struct bt_process);
} processes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 2048);
	__type(key, __u64);
	__type(value, struct bt_cgroup);
} cgroup_paths SEC(".maps");

#define BT_TID_LIMIT  (4 << 20) /* the kernel's own: no kernel.pid_max is above it */
#define BT_TOLD_WORDS 1024	/* a power of two */

/*
 * By tid, what the task's current call has told: the inode of the socket whose outcome an inner hook has just told, so
 * that the hook around it need not. When the inner program was skipped (the trampoline's recursion guard, a missed
 * kretprobe) the word is 0 and the outer one repairs it. An inode, since MPTCP acts on a subflow of the user's socket
 * and both have the same one; and since a word that a skipped outer program leaves behind must not fit the next socket,
 * which often gets the same memory.
 *
 * An array, of 16 MiB, and not a hash: each bind asks it twice and writes it twice, for which an LRU hash took 1,100
 * instructions, a quarter of the whole.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, BT_TID_LIMIT / BT_TOLD_WORDS);
	__type(key, __u32);
	__type(value, __u32[BT_TOLD_WORDS]);
} told SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, BT_COUNTERS);
	__type(key, __u32);
	__type(value, __u64);
} counters SEC(".maps");

/* Slot 0: the cgroup of --cgroup. */
struct {
	__uint(type, BPF_MAP_TYPE_CGROUP_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} cgroups SEC(".maps");

/*
 * Cgroups that are outside of --container, to the time (ktime_ns) up to which that is taken for granted. User space,
 * which alone knows the names of containers, tells so of each whose event came in vain.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, __u64);
	__type(value, __u64);
} elsewhere SEC(".maps");

#define LISTENER_PLACES 3
#define BT_HEAD_WORDS	3

/* One search for holders, by tid: it may be preempted, so it has a place of its own. */
struct bt_search {
	struct bt_refusal found;
	struct bt_sock other;	   /* the socket being looked at */
	__u64 head[BT_HEAD_WORDS]; /* its beginning */
	__u64 claimant;		   /* its address */
	__u64 node;		   /* the next socket */
	__u64 bucket;		   /* the next bucket of an address (since 6.8), whose sockets come after this one's */
	__u32 node_offset;
	__u8 by_remote;				/* in the way is who has the same remote end: connect(2) */
	__u8 made_by_connect;			/* the bucket: its first socket got the port from connect(2) */
	__u8 has_listener;			/* one is in the way */
	__u32 listener_hashes[LISTENER_PLACES]; /* of the addresses it may listen on */
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 128);
	__type(key, __u32);
	__type(value, struct bt_search);
} searches SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, BT_HOLDERS);
	__type(key, __u32);
	__type(value, struct bt_socket_user);
} socket_users SEC(".maps");

static __always_inline void count(__u32 counter)
{
	__u64 *slot = bpf_map_lookup_elem(&counters, &counter);

	if (slot)
		__sync_fetch_and_add(slot, 1);
}

#endif
