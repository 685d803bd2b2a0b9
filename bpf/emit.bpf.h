/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The filter, and the one place where an event enters the ring buffer. */
#ifndef BT_EMIT_BPF_H
#define BT_EMIT_BPF_H

#include "read_sock.bpf.h"
#include "read_task.bpf.h"

/* What a fact adds to the task and socket it is about. */
struct bt_fact {
	enum bt_kind kind;
	enum bt_op op;
	__s32 error;
	__u32 flags; /* enum bt_event_flag */
	__u64 ktime_ns;
	__u64 held_ns;
};

/* In a set of ports, one bit each. The compiler knows that the word is there; a verifier has lost sight of that. */
static __always_inline bool has_port(const volatile __u64 *bits, __u16 port)
{
	__u32 word = port / 64;

	barrier_var(word);
	return bits[word & (BT_PORT_WORDS - 1)] >> (port & 63) & 1;
}

static __always_inline bool port_listed(__u16 port)
{
	return has_port(bt_config.port_bits, port);
}

/* --registry: who got such a port is told whatever the filters say, since that it is the wrong one is nobody's wish. */
static __always_inline bool port_registered(__u16 port)
{
	return bt_config.has_registry && has_port(bt_config.registered_bits, port);
}

static __always_inline bool claim_registered(const struct bt_fact *fact, const struct bt_claim *claim)
{
	return !fact->error && fact->kind <= BT_KIND_AUTOBIND && port_registered(claim->sock.local_port);
}

/* Can --port let anything of that port pass? Who has one of the others need not be known: nothing asks for it. */
static __always_inline bool port_matters(__u16 port)
{
	return !bt_config.filters_facts || !bt_config.has_ports || port_listed(port) || port_registered(port);
}

static __always_inline __u32 protocol_bit(const struct bt_sock *sock)
{
	if (sock->type == SOCK_RAW)
		return BT_PROTO_RAW;
	switch (sock->protocol) {
	case IPPROTO_TCP:
		return BT_PROTO_TCP;
	case IPPROTO_UDP:
		return BT_PROTO_UDP;
	case IPPROTO_UDPLITE:
		return BT_PROTO_UDPLITE;
	case IPPROTO_MPTCP:
		return BT_PROTO_MPTCP;
	case IPPROTO_SCTP:
		return BT_PROTO_SCTP;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return BT_PROTO_ICMP;
	}
	return BT_PROTO_OTHER;
}

/*
 * Does the current task pass --pid, --uid and --cgroup? Only to be asked in process context. Here and below one flag
 * stands before all the questions: the kernel cuts each that is answered out of the program, which takes it time in
 * proportion to the whole program's length, or all of them at once.
 */
static __always_inline bool task_wanted(void)
{
	if (!bt_config.filters_tasks)
		return true;
	if (bt_config.pid && bt_config.pid != bpf_get_current_pid_tgid() >> 32)
		return false;
	if (bt_config.has_uid && bt_config.uid != (__u32)bpf_get_current_uid_gid())
		return false;
	if (bt_config.has_cgroup && bpf_current_task_under_cgroup(&cgroups, 0) != 1)
		return false;
	return true;
}

static __always_inline bool is_elsewhere(const struct bt_fact *fact, const struct bt_claim *claim)
{
	__u64 *until;

	if (!bt_config.has_container)
		return false;
	until = bpf_map_lookup_elem(&elsewhere, &claim->task.cgroup_id);
	return until && fact->ktime_ns < *until;
}

static __always_inline bool fact_wanted(const struct bt_fact *fact, const struct bt_request *request,
					const struct bt_claim *claim)
{
	const struct bt_sock *sock = &claim->sock;

	if (!bt_armed || !(bt_config.kinds & (1u << fact->kind)))
		return false;
	if (!bt_config.filters_facts)
		return true;
	if (bt_config.failed_only && !fact->error)
		return false;
	if (bt_config.no_ephemeral && fact->flags & BT_EVENT_EPHEMERAL && !fact->error)
		return false;
	if (bt_config.netns && bt_config.netns != sock->netns)
		return false;
	if (bt_config.protocols && !(fact->flags & BT_EVENT_HAS_SOCK && bt_config.protocols & protocol_bit(sock)))
		return false;
	if (bt_config.has_ports && !(sock->local_port && port_listed(sock->local_port)) &&
	    !(request && request->known && port_listed(request->port)))
		return false;
	return !is_elsewhere(fact, claim);
}

static __always_inline void fill_event(struct bt_event *event, const struct bt_fact *fact,
				       const struct bt_request *request, const struct bt_claim *claim)
{
	event->ktime_ns = fact->ktime_ns;
	event->held_ns = fact->held_ns;
	event->kind = fact->kind;
	event->flags = fact->flags;
	event->op = fact->op;
	event->error = fact->error;
	event->pad = 0;
	if (request) {
		__builtin_memcpy(event->addr, request->addr, sizeof(event->addr));
		event->port = request->port;
		event->addr_family = request->family;
		event->flags |= request->known * BT_EVENT_HAS_REQUEST;
	} else {
		__builtin_memset(event->addr, 0, sizeof(event->addr));
		event->port = 0;
		event->addr_family = 0;
	}
	event->task = claim->task; /* zeroes where it is not known */
	event->sock = claim->sock;
}

static __always_inline __u64 wakeup_flags(void)
{
	if (!bt_consumer_sleeps)
		return BPF_RB_NO_WAKEUP;
	bt_consumer_sleeps = 0;
	return BPF_RB_FORCE_WAKEUP;
}

/* `request` may be null. */
APART emit(const struct bt_fact *fact, const struct bt_request *request, const struct bt_claim *claim)
{
	struct bt_event *event;
	bool wanted;

	if (!fact || !claim)
		return 0;
	wanted = claim->wanted && fact_wanted(fact, request, claim);
	if (!bt_armed || !(wanted || claim_registered(fact, claim)))
		return 0;
	event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
	if (!event) {
		count(BT_COUNT_RING_FULL);
		return 0;
	}
	fill_event(event, fact, request, claim);
	if (!wanted)
		event->flags |= BT_EVENT_UNFILTERED;
	bpf_ringbuf_submit(event, wakeup_flags());
	count(BT_COUNT_EVENTS);
	return 0;
}

#endif
