// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Who has which port, now, in all network namespaces: the sockets that processes have open, then the kernel's tables of
 * ports, where those without a process are too. No claims and no events: loaded for one look.
 *
 * Each is told as a bt_holder: with a task where it was found open, without where it was found in a table. So a socket
 * is told more than once, and put together again by its inode.
 */
#include "vmlinux.h"
#include "descriptors.bpf.h"
#include "port_tables.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* How long a chain of buckets is walked, and how many tables. */
#define CHAIN	   32
#define UDP_TABLES 4

/* How many sockets of a port are looked at: 64 times what a failing bind looks at. */
#define ALL_STRIDES (64 * STRIDES)

/* The port that is asked for, where it is one alone: then in each table only the slots are walked that it can be in. */
const volatile __u16 bt_only_port = 0;

/* Whose slots these are: a struct net. */
static __u64 net_at;

/* The tables that have been walked: network namespaces share one, unless told otherwise. */
static volatile __u64 udp_tables[UDP_TABLES];

/* Looking at the descriptors of bindtrace itself, which has a socket of each protocol open: they lead to its table. */
static volatile bool own_files;

/* What the files of sockets have for f_op, once one was seen. */
static volatile __u64 socket_operations;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct bt_search);
} only_search SEC(".maps");

static __always_inline struct bt_search *current_search(void)
{
	__u32 slot = 0;

	return bpf_map_lookup_elem(&only_search, &slot);
}

static __always_inline bool port_unwanted(__u16 port)
{
	return bt_config.has_ports && !(bt_config.port_bits[port / 64] >> (port & 63) & 1);
}

static __always_inline bool port_wanted(__u16 port)
{
	return port && !port_unwanted(port);
}

/* Where no port was asked for, connections are left out. */
static __always_inline bool state_wanted(__u8 state)
{
	return bt_config.has_ports || state == TCP_LISTEN || state == TCP_CLOSE;
}

static __always_inline void tell_holder(const struct bt_holder *holder)
{
	if (bpf_ringbuf_output(&events, (void *)holder, sizeof(*holder), BPF_RB_NO_WAKEUP))
		count(BT_COUNT_RING_FULL);
}

SEPARATE consider(__u64 address)
{
	struct bt_search *search = current_search();
	const struct sock *sk = (const struct sock *)address;
	struct bt_holder *holder;

	if (!search || !port_wanted(socket_port(sk)))
		return 0;
	if (bt_only_port && (__u64)READ(struct sock, sk, __sk_common.skc_net.net) != net_at)
		return 0; /* of another, that has the same slot: it has its turn */
	READ_HEAD(search->head, sk);
	read_bound(&search->other, sk, search->head);
	holder = &search->found.holders[0];
	read_holder(search, holder, address);
	if (holder->sock.type != SOCK_RAW && state_wanted(holder->sock.state))
		tell_holder(holder);
	return 0;
}

static __always_inline int stride(__u32 index, __u64 on, __u64 with)
{
	return look_on();
}

TURNS2(take_strides, stride, 91)

/* No function of its own, like others here: there may be eight inside one another. */
static __always_inline void walk(struct bt_search *search)
{
	take_strides(ALL_STRIDES, 0, 0);
	if (!search->found.complete)
		count(BT_COUNT_CLAIMS_FULL); /* there are more */
}

SEPARATE list_bucket(__u64 bucket)
{
	struct bt_search *search = current_search();

	if (!search || !port_wanted(READ(struct inet_bind_bucket, bucket, port)))
		return 0;
	start_with_bucket(search, bucket);
	walk(search);
	return 0;
}

SEPARATE list_tcp_slot(__u64 slot)
{
	__u64 node = read_word(slot + bpf_core_field_offset(struct inet_bind_hashbucket, chain));

	for (int i = 0; i < CHAIN && node; i++) {
		__u64 bucket = node - bpf_core_field_offset(struct inet_bind_bucket, node);

		node = read_word(node);
		list_bucket(bucket);
	}
	if (node)
		count(BT_COUNT_CLAIMS_FULL); /* there are more */
	return 0;
}

static __always_inline int list_next_tcp_slot(__u32 index, __u64 slots, __u64 with)
{
	return list_tcp_slot(slots + index * bpf_core_type_size(struct inet_bind_hashbucket));
}

/* A table has at most 65,536 slots. */
TURNS3(list_tcp_slots, list_next_tcp_slot, 41)

/* One table for all network namespaces. */
static __always_inline void list_tcp(const struct net *net)
{
	struct inet_hashinfo *table = READ(struct net, net, ipv4.tcp_death_row.hashinfo);
	__u64 slots = (__u64)READ(struct inet_hashinfo, table, bhash);
	__u32 size = READ(struct inet_hashinfo, table, bhash_size);

	list_tcp_slots(size, slots, 0);
}

SEPARATE list_udp_slot(__u64 table, __u32 slot)
{
	struct bt_search *search = current_search();

	if (!search)
		return 0;
	start_with_udp_slot(search, (struct udp_table *)table, slot);
	if (search->node)
		walk(search);
	return 0;
}

static __always_inline int list_next_udp_slot(__u32 index, __u64 table, __u64 with)
{
	return list_udp_slot(table, index);
}

TURNS3(list_udp_slots, list_next_udp_slot, 41)

SEPARATE list_udp(__u64 table)
{
	__u32 size = READ(struct udp_table, table, mask) + 1;

	list_udp_slots(size, table, 0);
	return 0;
}

/* Remembers where a table is, for the end. */
static __always_inline void note_udp_table(struct udp_table *table)
{
	for (int i = 0; i < UDP_TABLES && table; i++) {
		if (udp_tables[i] == (__u64)table)
			return;
		if (!udp_tables[i]) {
			udp_tables[i] = (__u64)table;
			return;
		}
	}
	if (table)
		count(BT_COUNT_CLAIMS_FULL); /* there are more */
}

static __always_inline bool is_udp(const struct sock *sk)
{
	__u16 protocol = READ(struct sock, sk, sk_protocol);

	return protocol == IPPROTO_UDP || protocol == IPPROTO_UDPLITE;
}

/* Of a file its struct socket, or 0. Apart, as is the next, for the verifier's sake: or each would double its ways. */
__attribute__((noinline)) __u64 socket_behind(__u64 file)
{
	return (__u64)READ(struct file, file, f_op) == socket_operations ? (__u64)READ(struct file, file, private_data)
									 : 0;
}

/* Has it no other port than one that is asked for? */
SEPARATE may_be_asked_for(__u64 socket)
{
	const struct sock *sk = (const struct sock *)socket;
	__u16 port;

	if (!sk || !is_inet(sk))
		return 0;
	port = socket_port(sk);
	return !port || !port_unwanted(port);
}

static __always_inline __u32 worth_a_look(__u64 *files)
{
	__u32 worth = 0;

	if (own_files || !socket_operations)
		return ~0u;
	for (int i = 0; i < AT_ONCE; i++)
		files[i] = socket_behind(files[i]);
	for (int i = 0; i < AT_ONCE; i++)
		files[i] = (__u64)READ(struct socket, files[i], sk);
	for (int i = 0; i < AT_ONCE; i++)
		worth |= (may_be_asked_for(files[i]) & 1) << i;
	return worth;
}

/* A file of a process: if it is a socket with a port that is asked for, says so. */
SEPARATE look_at_file(__u64 file, __u64 task)
{
	struct sock *sk = sock_of_file((const struct file *)file);
	struct bt_holder holder = {};

	if (!sk)
		return 0;
	socket_operations = (__u64)READ(struct file, file, f_op);
	if (own_files && is_udp(sk))
		note_udp_table(udp_table_of(sk));
	sk = port_holder(sk);
	if (!sk || !port_wanted(socket_port(sk)))
		return 0;
	read_sock(&holder.sock, sk);
	if (is_udp(sk))
		note_udp_table(udp_table_of(sk));
	if (!holder.sock.local_port || !state_wanted(holder.sock.state))
		return 0;
	holder.substate = holder.sock.state;
	holder.explicit_port = port_is_explicit(sk);
	holder.flags = BT_EVENT_HAS_SOCKOPT | BT_EVENT_HAS_TASK;
	holder.uid = READ(struct sock, sk, sk_uid.val);
	read_other_task(&holder.task, (struct task_struct *)task);
	tell_holder(&holder);
	return 0;
}

static __always_inline void list_only_port_of_udp(const struct net *net, __u64 table)
{
	list_udp_slot(table, port_slot(net, bt_only_port, READ(struct udp_table, table, mask)));
}

static __always_inline void list_only_port(const struct net *net, __u64 tcp)
{
	__u32 slot = port_slot(net, bt_only_port, READ(struct inet_hashinfo, tcp, bhash_size) - 1);
	__u64 own_udp = 0;

	if (bpf_core_field_exists(struct net___udp, ipv4.udp_table))
		own_udp = (__u64)READ(struct net___udp, net, ipv4.udp_table);
	if (own_udp)
		list_only_port_of_udp(net, own_udp);
	list_next_tcp_slot(slot, (__u64)READ(struct inet_hashinfo, tcp, bhash), 0);
	for (int i = 0; i < UDP_TABLES; i++) {
		if (udp_tables[i] && udp_tables[i] != own_udp)
			list_only_port_of_udp(net, udp_tables[i]);
	}
}

/* The list of all namespaces has a head, which is none. */
static __always_inline int list_only_port_of_next(__u32 index, __u64 own, __u64 tcp)
{
	const struct net *net = (const struct net *)net_at;

	if (READ(struct net, net, ns.ops) == READ(struct net, own, ns.ops))
		list_only_port(net, tcp);
	net_at = (__u64)READ(struct net, net, list.next) - bpf_core_field_offset(struct net, list);
	return net_at == own;
}

#define NETNS (40 * 40 * 40)
TURNS3(list_only_port_of_all, list_only_port_of_next, 40)

static __always_inline void list_tables(void)
{
	struct task_struct *self = (struct task_struct *)bpf_get_current_task();
	struct nsproxy *namespaces = READ(struct task_struct, self, nsproxy);
	const struct net *net = READ(struct nsproxy, namespaces, net_ns);

	if (bt_only_port) {
		net_at = (__u64)net;
		list_only_port_of_all(NETNS, (__u64)net, (__u64)READ(struct net, net, ipv4.tcp_death_row.hashinfo));
		if (net_at != (__u64)net)
			count(BT_COUNT_CLAIMS_FULL); /* there are more */
		return;
	}
	list_tcp(net);
	if (bpf_core_field_exists(struct net___udp, ipv4.udp_table))
		note_udp_table(READ(struct net___udp, net, ipv4.udp_table));
	for (int i = 0; i < UDP_TABLES; i++) {
		if (udp_tables[i])
			list_udp(udp_tables[i]);
	}
}

/* The machine's first process comes first, so the host's is known. */
static __always_inline void tell_netns(struct task_struct *task)
{
	struct bt_netns_process told = {.netns = task_netns(task)};

	if (!told.netns || told.netns == bt_host_netns || !names_netns(task))
		return;
	read_other_task(&told.task, task);
	if (bpf_ringbuf_output(&events, &told, sizeof(told), BPF_RB_NO_WAKEUP))
		count(BT_COUNT_RING_FULL);
}

/* Each thread of the machine, then null. */
SEC("iter/task")
int iter__who(struct bpf_iter__task *ctx)
{
	__u64 task = read_word((__u64)ctx + __builtin_offsetof(struct bpf_iter__task, task));

	if (!task) {
		list_tables();
		return 0;
	}
	note_host((struct task_struct *)task);
	tell_netns((struct task_struct *)task);
	own_files = READ(struct task_struct, task, tgid) == (__u32)(bpf_get_current_pid_tgid() >> 32);
	if (!look_at_fds_of((struct task_struct *)task))
		count(BT_COUNT_CLAIMS_FULL); /* there are more */
	return 0;
}
