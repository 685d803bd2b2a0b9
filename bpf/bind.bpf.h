/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Fact `bind`: an attempt to bind that ended, with the address asked for and the errno user space gets. */
#ifndef BT_BIND_BPF_H
#define BT_BIND_BPF_H

#include "holders.bpf.h"

/*
 * sk is null where the descriptor was no inet socket.
 */
static __always_inline void bind_ended(const struct sock *sk, const struct bt_request *request, int result)
{
	struct bt_fact fact = {.kind = BT_KIND_BIND, .error = -result};
	struct bt_claim claim;

	if (!port_matters(request->port) && !(sk && port_matters(socket_port(sk))))
		return;
	fact.ktime_ns = bpf_ktime_get_boot_ns();
	claim = (struct bt_claim){.since_ns = fact.ktime_ns};
	if (sk) {
		read_claimant(&claim, (__u64)sk, op_behind((__u64)sk, BT_OP_BIND));
		if (!request->port && claim.sock.local_port && !result)
			claim.flags |= BT_EVENT_EPHEMERAL;
		/* Before 6.1 a cgroup/post_bind denial leaves the port taken. */
		if (claim.sock.local_port && (!result || result == -EPERM))
			take_claim((__u64)sk, &claim);
	} else {
		read_task(&claim.task);
		claim.sock.netns = task_netns((struct task_struct *)bpf_get_current_task());
		claim.flags = BT_EVENT_HAS_TASK;
		claim.wanted = task_wanted();
		claim.op = BT_OP_BIND;
	}
	fact.op = claim.op;
	fact.flags = claim.flags;
	tell_attempt(&fact, request, &claim, (__u64)sk);
}

/*
 * An inner hook: the protocol family's bind, with the kernel's copy of the address. There are two of them since 6.6,
 * one inside the other, and the system call around them; in io_uring and in the kernel only the two.
 */
static __always_inline void bind_returned(const struct sock *sk, const void *address, int length, int result)
{
	struct bt_request request = {};

	if (!sk || !is_inet(sk))
		return;
	if (bt_config.has_bind_sk || in_call(BT_OP_BIND))
		tell(sk);
	read_request(&request, address, length);
	bind_ended(sk, &request, result);
}

/* For the outer of the two. Nobody else forgets what the inner one told where there is no system call around. */
static __always_inline bool inner_bind_told(const struct sock *sk)
{
	return bt_config.has_bind_sk && (in_call(BT_OP_BIND) ? was_told(sk) : take_told(sk));
}

/* Errors of bind(2) before the socket's own bind runs: the inner hook cannot have told them. */
static __always_inline bool fails_before_socket(int result, int length)
{
	return result == -EBADF || result == -ENOTSOCK || result == -EFAULT ||
	       (result == -EINVAL && (length < 0 || length > (int)sizeof(struct __kernel_sockaddr_storage)));
}

/* The system call around it: tells what the inner hook, if the strategy has one, did not. */
SEPARATE bind_syscall_returned(__u32 fd, __u64 address, int length, int result, bool inner)
{
	struct bt_request request = {};
	struct file *file = file_of_fd(fd);
	struct sock *sk;

	if (inner && file && take_told_of_file(file) && !fails_before_socket(result, length))
		return 0;
	sk = file ? sock_of_file(file) : 0;
	if (inner && sk)
		sk = port_holder(sk);
	read_user_request(&request, (const void *)address, length);
	if (!sk && !(request.known && request.family && (result == -EBADF || result == -ENOTSOCK)))
		return 0; /* not known to be about a port */
	bind_ended(sk, &request, result);
	return 0;
}

#endif
