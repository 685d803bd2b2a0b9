/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Evidence for a refusal: the sockets that are in the way, from the kernel's own table, by its own check.
 *
 * Looked for at the return of the call that failed, in the same task. The bucket's lock has been given back by then, so
 * a socket may have come or gone since; every load is safe all the same, and the port is checked again in each socket.
 */
#ifndef BT_HOLDERS_BPF_H
#define BT_HOLDERS_BPF_H

#include <asm-generic/errno.h>

#include "bindtrace/rules.h"
#include "claims.bpf.h"
#include "listeners.bpf.h"
#include "port_tables.bpf.h"
#include "vrf.bpf.h"

static const struct bt_search kNothingFound = {};

static __always_inline struct bt_search *current_search(void)
{
	__u32 tid = (__u32)bpf_get_current_pid_tgid();

	return bpf_map_lookup_elem(&searches, &tid);
}

/*
 * Under its cookie; under its address where it has none, or is a TIME_WAIT socket. That one's claim is moved while we
 * look: so in the order of the move. What is found under its cookie may be of another port, where the descriptor is
 * open and has connected again.
 */
static __always_inline struct bt_claim *claim_of(const struct bt_sock *holder, __u64 address)
{
	__u64 cookie = holder->cookie;
	bool time_wait = holder->state == TCP_TIME_WAIT;
	struct bt_claim *claim = claim_at(cookie);

	if (claim && (!time_wait || claim->sock.local_port == holder->local_port))
		return claim;
	claim = claim_at(address);
#ifdef BT_STRATEGY_TRACEPOINT
	if (!claim && time_wait)
		claim = bpf_map_lookup_elem(&lingering, &cookie);
#endif
	return claim;
}

APART keep_holder(const struct bt_search *search, struct bt_holder *holder, __u64 address)
{
	struct bt_claim *claim;

	if (!search || !holder)
		return 0;
	read_holder(search, holder, address);
	claim = claim_of(&holder->sock, address);
	if (!claim)
		return 0;
	holder->has_claim = 1;
	holder->task = claim->task;
	holder->since_ns = claim->since_ns;
	holder->op = claim->op;
	holder->flags &= ~BT_EVENT_EPHEMERAL;
	holder->flags |= claim->flags & (BT_EVENT_HAS_TASK | BT_EVENT_EPHEMERAL);
	return 0;
}

/* Is the socket that is being looked at in the way of the claimant? */
static __always_inline bool is_in_the_way(const struct bt_search *search, __u64 address)
{
	const struct bt_sock *claimant = &search->found.claimant, *other = &search->other;
	__u32 uid = 0;

	if (search->by_remote)
		return bt_same_connection(claimant, other);
	if (other->opts & BT_OPT_REUSEPORT && other->state != TCP_TIME_WAIT)
		uid = READ(struct sock, address, sk_uid.val);
	return bt_refuses(claimant, search->found.claimant_uid, other, uid);
}

/* One socket of the bucket. A listener is always kept: it says more than its many connections. */
SEPARATE consider(__u64 address)
{
	struct bt_search *search = current_search();
	const struct sock *sk = (const struct sock *)address;
	struct bt_refusal *found;
	__u32 slot;

	if (!search || address == search->claimant)
		return 0;
	found = &search->found;
	READ_HEAD(search->head, sk);
	read_bound(&search->other, sk, search->head);
	if (search->other.local_port != found->claimant.local_port || search->other.netns != found->claimant.netns)
		return 0;
	found->seen++;
	if (!is_in_the_way(search, address))
		return 0;
	found->common_opts = (found->in_the_way ? found->common_opts : ~0u) & search->other.opts;
	slot = found->in_the_way++;
	if (slot >= BT_HOLDERS) {
		if (search->other.state != TCP_LISTEN)
			return 0;
		slot = BT_HOLDERS - 1;
	}
	found->count = slot + 1;
	search->has_listener |= search->other.state == TCP_LISTEN;
	KEEP_IN_MEMORY(search);
	keep_holder(search, &found->holders[slot & (BT_HOLDERS - 1)], address);
	return 0;
}

/* Apart from the loop over buckets, which the verifier walks turn by turn. */
SEPARATE is_bucket_of(__u64 bucket, __u64 net, __u16 port, int vrf)
{
	return READ(struct inet_bind_bucket, bucket, port) == port &&
	       (__u64)READ(struct inet_bind_bucket, bucket, ib_net.net) == net &&
	       READ(struct inet_bind_bucket, bucket, l3mdev) == vrf;
}

static __always_inline void start_with_tcp(struct bt_search *search, const struct sock *sk)
{
	struct net *net = READ(struct sock, sk, __sk_common.skc_net.net);
	struct inet_hashinfo *table = READ(struct net, net, ipv4.tcp_death_row.hashinfo);
	const struct bt_sock *claimant = &search->found.claimant;
	int vrf = vrf_of((__u64)net, claimant->bound_dev);
	__u32 slot = port_slot(net, claimant->local_port, READ(struct inet_hashinfo, table, bhash_size) - 1);
	__u64 node = read_word((__u64)READ(struct inet_hashinfo, table, bhash) +
			       (__u64)slot * bpf_core_type_size(struct inet_bind_hashbucket) +
			       bpf_core_field_offset(struct inet_bind_hashbucket, chain));

	__u64 bucket = 0;

	for (int i = 0; i < 64 && node; i++) {
		bucket = node - bpf_core_field_offset(struct inet_bind_bucket, node);
		if (is_bucket_of(bucket, (__u64)net, claimant->local_port, vrf))
			break;
		bucket = 0;
		node = read_word(node);
	}
	if (bucket)
		start_with_bucket(search, bucket);
}

static __always_inline void start_with_udp(struct bt_search *search, const struct sock *sk)
{
	struct net *net = READ(struct sock, sk, __sk_common.skc_net.net);
	struct udp_table *table = udp_table_of(sk);
	__u32 slot;

	if (!table)
		return;
	slot = port_slot(net, search->found.claimant.local_port, READ(struct udp_table, table, mask));
	start_with_udp_slot(search, table, slot);
}

static __always_inline bool is_tcp(__u16 protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_MPTCP;
}

/* A function of its own for the sake of the caller's stack. */
SEPARATE start_search(void)
{
	struct bt_search *search = current_search();
	const struct sock *sk;
	__u16 protocol;

	if (!search)
		return 0;
	sk = (const struct sock *)search->claimant;
	protocol = search->found.claimant.protocol;
	if (is_tcp(protocol))
		start_with_tcp(search, sk);
	else if (protocol == IPPROTO_UDP || protocol == IPPROTO_UDPLITE)
		start_with_udp(search, sk);
	return 0;
}

/* A function of its own for the sake of the caller's stack. */
SEPARATE read_settings(__u64 socket)
{
	struct bt_search *search = current_search();
	const struct sock *sk = (const struct sock *)socket;
	struct net *net = READ(struct sock, sk, __sk_common.skc_net.net);
	__u32 range = ephemeral_range(net), own = own_range(sk);
	__u64 reserved = (__u64)READ(struct net, net, ipv4.sysctl_local_reserved_ports);
	struct bt_refusal *out;
	__u16 port;

	if (!search)
		return 0;
	out = &search->found;
	port = out->claimant.local_port;
	out->ephemeral_first = range;
	out->ephemeral_last = range >> 16;
	out->own_first = own;
	out->own_last = own >> 16;
	out->unprivileged_start = READ(struct net, net, ipv4.sysctl_ip_prot_sock);
	out->port_reserved = read_word(reserved + port / 64 * 8) >> (port & 63) & 1;
	return 0;
}

#define CAP_NET_BIND_SERVICE 10
#define USER_NAMESPACES	     33 /* one in another: as many as the kernel allows */

/* Does the task's own capability decide over that namespace (1), does it own it (2), or is that to be asked of the one
 * above (0)? Apart from the loop, as above. */
SEPARATE power_over(__u64 over, __u64 cred)
{
	__u64 own = (__u64)READ(struct cred, cred, user_ns);

	if (over == own)
		return 1;
	return (__u64)READ(struct user_namespace, over, parent) == own &&
		       READ(struct user_namespace, over, owner.val) == READ(struct cred, cred, euid.val)
		   ? 2
		   : 0;
}

/* cap_capable() for CAP_NET_BIND_SERVICE over the socket's network namespace. */
SEPARATE find_capability(__u64 socket)
{
	struct bt_search *search = current_search();
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	const struct net *net = READ(struct sock, socket, __sk_common.skc_net.net);
	__u64 over = (__u64)READ(struct net, net, user_ns);
	__u64 cred = (__u64)READ(struct task_struct, task, cred);
	__u64 effective = read_word(FIELD_ADDRESS(struct cred, cred, cap_effective));
	int power = 0;

	for (int i = 0; i < USER_NAMESPACES && over; i++) {
		power = power_over(over, cred);
		if (power)
			break;
		over = (__u64)READ(struct user_namespace, over, parent);
	}
	if (search)
		search->found.may_take_low_ports = power == 2 || (power && effective >> CAP_NET_BIND_SERVICE & 1);
	return 0;
}

static __always_inline bool is_about_others(const struct bt_search *search)
{
	__u32 error = search->found.event.error;

	return search->found.claimant.local_port &&
	       (error == EADDRINUSE || (search->by_remote && error == EADDRNOTAVAIL));
}

/* Fills in what the kernel knows of the refusal and what is in the way. */
SEPARATE find_holders(__u64 socket)
{
	struct bt_search *search = current_search();
	const struct sock *sk = (const struct sock *)socket;

	if (!search)
		return 0;
	search->claimant = socket;
	search->found.claimant_uid = READ(struct sock, sk, sk_uid.val);
	read_settings(socket);
	if (search->found.event.error == EACCES)
		find_capability(socket);
	if (!is_about_others(search))
		return 0;
	start_search();
	for (int i = 0; i < STRIDES; i++) { /* in turns the stack would not have room for */
		if (look_on())
			break;
	}
	if (search->found.complete || !is_tcp(search->found.claimant.protocol) || search->by_remote)
		return 0;
	find_listener_slots();
	for (int i = 0; i < LISTENER_PLACES && !search->has_listener; i++)
		look_at_listeners(i);
	return 0;
}

/* The socket as the kernel's check saw it: since then the address asked for has been taken off it again. */
static __always_inline void describe_claimant(struct bt_sock *out, const struct bt_request *request)
{
	const __u32 *address = (const __u32 *)out->local_addr;

	if (request) {
		__builtin_memcpy(out->local_addr, request->addr, sizeof(out->local_addr));
		out->local_port = request->port;
	}
	if (out->family == AF_INET6 && (address[0] | address[1] | address[2] | address[3]) &&
	    !(!(address[0] | address[1]) && address[2] == bpf_htonl(0xffff)))
		out->opts |= BT_OPT_V6ONLY; /* an IPv6 address of its own makes it so */
}

/* Tells a refused claim with its evidence. False where that could not be had: then it is to be told without. */
APART tell_refusal(const struct bt_fact *fact, const struct bt_request *request, const struct bt_claim *claim,
		   __u64 socket)
{
	__u32 tid = (__u32)bpf_get_current_pid_tgid();
	struct bt_search *search;
	__u32 count_of_holders;

	if (!fact || !claim || !fact_wanted(fact, request, claim))
		return true;
	if (bpf_map_update_elem(&searches, &tid, &kNothingFound, BPF_ANY))
		return false;
	search = current_search();
	if (!search)
		return false;
	search->by_remote = fact->kind == BT_KIND_AUTOBIND;
	search->found.claimant = claim->sock;
	describe_claimant(&search->found.claimant, request);
	fill_event(&search->found.event, fact, request, claim);
	find_holders(socket);
	count_of_holders = search->found.count;
	if (count_of_holders > BT_HOLDERS)
		count_of_holders = BT_HOLDERS;
	if (bpf_ringbuf_output(&events, &search->found,
			       __builtin_offsetof(struct bt_refusal, holders) +
				   count_of_holders * sizeof(struct bt_holder),
			       wakeup_flags()))
		count(BT_COUNT_RING_FULL);
	else
		count(BT_COUNT_EVENTS);
	bpf_map_delete_elem(&searches, &tid);
	return true;
}

/* What somebody has tried to claim. `request` may be null, `socket` 0. */
static __always_inline void tell_attempt(const struct bt_fact *fact, const struct bt_request *request,
					 const struct bt_claim *claim, __u64 socket)
{
	if (!claim_wanted(claim))
		return;
	describe_once(&claim->task.key);
	if (!(socket && fact->error && claim->wanted && tell_refusal(fact, request, claim, socket)))
		emit(fact, request, claim);
}

#endif
