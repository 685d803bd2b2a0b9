/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Who has a socket open: asked by inode in the map `socket_users`, answered there. */
#ifndef BT_SOCKET_USERS_BPF_H
#define BT_SOCKET_USERS_BPF_H

#include "claims.bpf.h"
#include "descriptors.bpf.h"

static __always_inline bool same_process(const struct bt_process_key *one, const struct bt_process_key *other)
{
	return one->pid == other->pid && one->start_ns == other->start_ns;
}

SEPARATE look_at_file(__u64 file, __u64 task_address)
{
	struct task_struct *task = (struct task_struct *)task_address;
	struct inode *inode = READ(struct file, file, f_inode);
	__u64 number;

	if (!inode || (READ(struct inode, inode, i_mode) & S_IFMT) != S_IFSOCK)
		return 0;
	number = READ(struct inode, inode, i_ino);
	for (__u32 i = 0; i < BT_HOLDERS; i++) {
		__u32 slot = i;
		struct bt_socket_user *user = bpf_map_lookup_elem(&socket_users, &slot);
		struct bt_process_key key;

		if (!user || user->inode != number)
			continue;
		if (user->task.key.pid && same_process(&user->task.key, &user->claimant))
			continue; /* none can be better */
		key = read_process_key(task);
		if (!user->task.key.pid || same_process(&key, &user->claimant) ||
		    key.start_ns < user->task.key.start_ns)
			read_other_task(&user->task, task);
	}
	return 0;
}

SEC("iter/task")
int iter__task(struct bpf_iter__task *ctx)
{
	__u64 task = read_word((__u64)ctx + __builtin_offsetof(struct bpf_iter__task, task));

	if (task)
		look_at_fds_of((struct task_struct *)task);
	return 0;
}

#endif
