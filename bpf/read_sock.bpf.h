/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* A socket as it stands: what holds the port, and the options the kernel's conflict check looks at. */
#ifndef BT_READ_SOCK_BPF_H
#define BT_READ_SOCK_BPF_H

#include <asm-generic/errno.h>
#include <bpf/bpf_endian.h>

#include "core_compat.bpf.h"
#include "maps.bpf.h"

#define AF_INET	 2
#define AF_INET6 10

#define IPPROTO_ICMPV6 58

#define SOCK_DGRAM 2
#define SOCK_RAW   3

#define S_IFMT	 00170000
#define S_IFSOCK 0140000

static __always_inline bool is_inet(const struct sock *sk)
{
	__u16 family = READ(struct sock, sk, __sk_common.skc_family);

	return family == AF_INET || family == AF_INET6;
}

static __always_inline __u16 socket_port(const struct sock *sk)
{
	return READ(struct sock, sk, __sk_common.skc_num);
}

static __always_inline __u64 socket_cookie(const struct sock *sk)
{
	return READ(struct sock, sk, __sk_common.skc_cookie.counter);
}

/*
 * Is `current` the one who acts on sk? Softirq leaves a socket alone while a task owns its lock, so an owned lock says
 * yes. tcp_close() destroys a socket after giving the lock back, which looks like softirq doing it; but softirq never
 * destroys a socket without a remote end, nor one that is not TCP.
 */
static __always_inline bool current_acts_on(const struct sock *sk)
{
	return READ(struct sock, sk, sk_protocol) != IPPROTO_TCP || READ(struct sock, sk, sk_lock.owned) ||
	       !READ(struct sock, sk, __sk_common.skc_dport);
}

#define SOCK_BINDPORT_LOCK 8

/* Did the owner name the port? Such a socket keeps it until it is closed. */
static __always_inline bool port_is_explicit(const struct sock *sk)
{
	return READ_BITS(struct sock, sk, sk_userlocks) & SOCK_BINDPORT_LOCK;
}

/* How a socket begins: skc_daddr to skc_bound_dev_if. */
#define SOCK_HEAD	    __u64 head[BT_HEAD_WORDS]
#define READ_HEAD(head, sk) READ_NEIGHBOURS(head, struct sock, sk, __sk_common.skc_daddr)
#define HEAD(field)	    NEIGHBOUR(head, struct sock, __sk_common.skc_daddr, __sk_common.field)
#define HEAD_BITS(field)    NEIGHBOUR_BITS(head, struct sock, __sk_common.skc_daddr, __sk_common.field)

static __always_inline void addresses_of(struct bt_sock *out, const struct sock *sk, const __u64 *head)
{
	out->family = HEAD(skc_family);
	if (out->family == AF_INET6) {
		READ_INTO(out->local_addr, struct sock, sk, __sk_common.skc_v6_rcv_saddr);
		READ_INTO(out->remote_addr, struct sock, sk, __sk_common.skc_v6_daddr);
	} else {
		*(__u32 *)out->local_addr = HEAD(skc_rcv_saddr);
		*(__u32 *)out->remote_addr = HEAD(skc_daddr);
	}
	out->remote_port = bpf_ntohs(HEAD(skc_dport));
}

static __always_inline void read_addresses(struct bt_sock *out, const struct sock *sk)
{
	SOCK_HEAD;

	KEEP_IN_MEMORY(out);
	READ_HEAD(head, sk);
	addresses_of(out, sk, head);
}

static __always_inline void sock_common_of(struct bt_sock *out, const struct sock *sk, const __u64 *head)
{
	struct net *net = READ(struct sock, sk, __sk_common.skc_net.net);

	addresses_of(out, sk, head);
	out->local_port = HEAD(skc_num);
	out->cookie = socket_cookie(sk);
	out->netns = READ(struct net, net, ns.inum);
	out->state = HEAD(skc_state);
}

/* The part that a TIME_WAIT socket has too. The fields in bt_sock beyond it are left alone. */
static __always_inline void read_sock_common(struct bt_sock *out, const struct sock *sk)
{
	SOCK_HEAD;

	KEEP_IN_MEMORY(out);
	READ_HEAD(head, sk);
	sock_common_of(out, sk, head);
}

/* What the kernel's check compares. */
static __always_inline void bound_of(struct bt_sock *out, const __u64 *head)
{
	out->bound_dev = HEAD(skc_bound_dev_if);
	/* 2 is SK_FORCE_REUSE, of TCP_REPAIR */
	out->opts |= (HEAD_BITS(skc_reuse) + 1) / 2 * BT_OPT_REUSEADDR;
	out->opts |= HEAD_BITS(skc_reuseport) * BT_OPT_REUSEPORT;
	out->opts |= HEAD_BITS(skc_ipv6only) * BT_OPT_V6ONLY;
}

static __always_inline __u64 socket_inode(const struct sock *sk)
{
	__u64 socket = (__u64)READ(struct sock, sk, sk_socket);

	if (!socket)
		return 0;
	return READ(struct socket_alloc, socket - bpf_core_field_offset(struct socket_alloc, socket), vfs_inode.i_ino);
}

/* `out` comes zeroed, but for an inode that is kept where the socket has none any more. */
static __always_inline void sock_of(struct bt_sock *out, const struct sock *sk, const __u64 *head)
{
	__u64 inode = socket_inode(sk);

	KEEP_IN_MEMORY(out);
	sock_common_of(out, sk, head);
	out->protocol = READ(struct sock, sk, sk_protocol); /* neighbours too, but 7.x has turned them round */
	out->type = READ(struct sock, sk, sk_type);
	if (is_mptcp_subflow(sk, out->protocol, out->type))
		out->protocol = IPPROTO_MPTCP;
	if (out->type == SOCK_RAW)
		out->local_port = 0; /* skc_num is the protocol number there */
	out->cgroup_id = socket_cgroup_id(sk);
	out->opts = inet_options(sk);
	bound_of(out, head);
	if (inode)
		out->inode = inode;
}

static __always_inline void read_sock(struct bt_sock *out, const struct sock *sk)
{
	SOCK_HEAD;

	READ_HEAD(head, sk);
	sock_of(out, sk, head);
}

/* The word of the current task. Inodes of sockets have 32 bits. */
static __always_inline __u32 *told_word(void)
{
	__u32 tid = (__u32)bpf_get_current_pid_tgid();
	__u32 group = tid / BT_TOLD_WORDS;
	__u32 *words = bpf_map_lookup_elem(&told, &group);

	return words ? &words[tid % BT_TOLD_WORDS] : 0;
}

/* What the current call has told, for the programs that come after. Not 0. */
static __always_inline void mark_told(__u32 what)
{
	__u32 *word = told_word();

	if (word)
		*word = what;
}

static __always_inline bool is_marked(__u32 what)
{
	__u32 *word = told_word();

	return word && *word == what;
}

/* For the last program of a system call: also forgets it. */
static __always_inline bool take_mark(__u32 what)
{
	__u32 *word = told_word();

	if (!word || *word != what)
		return false;
	*word = 0;
	return true;
}

/* A kernel socket need not have an inode. */
static __always_inline __u32 told_name(const struct sock *sk)
{
	return (__u32)socket_inode(sk) ?: ~0u;
}

static __always_inline void tell(const struct sock *sk)
{
	mark_told(told_name(sk));
}

static __always_inline bool was_told(const struct sock *sk)
{
	return is_marked(told_name(sk));
}

static __always_inline bool take_told(const struct sock *sk)
{
	return take_mark(told_name(sk));
}

/* Same of a descriptor's file, whose inode a socket has, and any subflow of it. */
static __always_inline bool take_told_of_file(const struct file *file)
{
	struct inode *inode = READ(struct file, file, f_inode);

	return take_mark((__u32)READ(struct inode, inode, i_ino) ?: ~0u);
}

/* The inet socket behind a file, or null. */
static __always_inline struct sock *sock_of_file(const struct file *file)
{
	struct inode *inode = READ(struct file, file, f_inode);
	struct socket *socket;
	struct sock *sk;

	if (!inode || (READ(struct inode, inode, i_mode) & S_IFMT) != S_IFSOCK)
		return 0;
	socket = (struct socket *)READ(struct file, file, private_data);
	if (!socket)
		return 0; /* O_PATH of a socket in the file system */
	sk = (struct sock *)READ(struct socket, socket, sk);
	return sk && is_inet(sk) ? sk : 0;
}

/* What a descriptor of the current task is, or null. */
static __always_inline struct file *file_of_fd(__u32 fd)
{
	struct task_struct *task = current_task();
	struct files_struct *files = OF_CURRENT(struct task_struct, task, files);
	struct fdtable *table;

	if (!files)
		return 0;
	table = OF_CURRENT(struct files_struct, files, fdt);
	if (!table || fd >= OF_CURRENT(struct fdtable, table, max_fds))
		return 0;
	return (struct file *)read_word((__u64)OF_CURRENT(struct fdtable, table, fd) + 8ull * fd);
}

struct bt_request {
	__u8 addr[16];
	__u16 port;
	__u16 family;
	__u32 known;
};

/* An address of another family has no port. AF_UNSPEC passes for IPv4, as bind(2) takes it. */
static __always_inline void request_is_known(struct bt_request *out)
{
	out->known = out->family == AF_INET || out->family == AF_INET6 || out->family == 0;
}

/* From the kernel's copy of the address. `out` comes zeroed. */
static __always_inline void read_request(struct bt_request *out, const void *address, int length)
{
	__u64 v4[1];

	if (!address || length < (int)sizeof(struct sockaddr_in))
		return;
	READ_NEIGHBOURS(v4, struct sockaddr_in, address, sin_family);
	out->family = NEIGHBOUR(v4, struct sockaddr_in, sin_family, sin_family);
	if (out->family == AF_INET6) {
		if (length < 24) /* SIN6_LEN_RFC2133: without the scope */
			return;
		out->port = bpf_ntohs(READ(struct sockaddr_in6, address, sin6_port));
		READ_INTO(out->addr, struct sockaddr_in6, address, sin6_addr);
	} else {
		out->port = bpf_ntohs(NEIGHBOUR(v4, struct sockaddr_in, sin_family, sin_port));
		*(__u32 *)out->addr = NEIGHBOUR(v4, struct sockaddr_in, sin_family, sin_addr.s_addr);
	}
	request_is_known(out);
}

/* From the caller's memory, which another thread may change meanwhile: only where the kernel's copy is out of reach. */
static __always_inline void read_user_request(struct bt_request *out, const void *address, int length)
{
	struct {
		__u16 family;
		__u16 port;
		__u32 v4_or_flow;
		__u8 v6[16];
	} user = {};

	if (!address || length < (int)sizeof(struct sockaddr_in))
		return;
	if (length < 24 || bpf_probe_read_user(&user, sizeof(user), address)) {
		if (bpf_probe_read_user(&user, 8, address))
			return;
		if (user.family == AF_INET6)
			return;
	}
	out->family = user.family;
	out->port = bpf_ntohs(user.port);
	if (user.family == AF_INET6)
		__builtin_memcpy(out->addr, user.v6, sizeof(user.v6));
	else
		*(__u32 *)out->addr = user.v4_or_flow;
	request_is_known(out);
}

#endif
