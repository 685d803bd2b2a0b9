/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Who has a socket open: asked by inode in the map `socket_users`, answered there. */
#ifndef BT_SOCKET_USERS_BPF_H
#define BT_SOCKET_USERS_BPF_H

#include "claims.bpf.h"
#include "descriptors.bpf.h"
#include "netns_processes.bpf.h"

static __always_inline bool same_process(const struct bt_process_key *one, const struct bt_process_key *other)
{
	return one->pid == other->pid && one->start_ns == other->start_ns;
}

/* Descriptors come process by process: so one that has several for it is counted once. */
SEPARATE add_user(__u32 slot, __u64 task_address)
{
	struct bt_socket_user *user = bpf_map_lookup_elem(&socket_users, &slot);
	struct task_struct *task = (struct task_struct *)task_address;
	struct bt_process_key key = read_process_key(task);
	struct bt_task *place;
	__u32 before;

	if (!user || same_process(&key, &user->last))
		return 0;
	user->last = key;
	before = user->processes++;
	place = &user->others[(before - 1) % BT_OTHER_USERS];
	if (!before || (!same_process(&user->task.key, &user->claimant) &&
			(same_process(&key, &user->claimant) || key.start_ns < user->task.key.start_ns))) {
		if (before)
			*place = user->task;
		place = &user->task;
	}
	read_other_task(place, task);
	return 0;
}

/* Those whose inode may be one that is asked for, by six bits of it. */
static __always_inline __u32 worth_a_look(__u64 *files)
{
	__u32 worth = 0;
	__u64 asked = 0;

	for (__u32 i = 0; i < BT_HOLDERS; i++) {
		__u32 slot = i;
		struct bt_socket_user *user = bpf_map_lookup_elem(&socket_users, &slot);

		if (user && user->inode)
			asked |= 1ull << (user->inode & 63);
	}
	for (int i = 0; i < AT_ONCE; i++)
		files[i] = (__u64)READ(struct file, files[i], f_inode);
	for (int i = 0; i < AT_ONCE; i++)
		worth |= (asked >> (READ(struct inode, files[i], i_ino) & 63) & 1) << i;
	return worth;
}

SEPARATE look_at_file(__u64 file, __u64 task_address)
{
	struct inode *inode = READ(struct file, file, f_inode);
	__u64 number;

	if (!inode || (READ(struct inode, inode, i_mode) & S_IFMT) != S_IFSOCK)
		return 0;
	number = READ(struct inode, inode, i_ino);
	for (__u32 i = 0; i < BT_HOLDERS; i++) {
		__u32 slot = i;
		struct bt_socket_user *user = bpf_map_lookup_elem(&socket_users, &slot);

		if (user && user->inode == number)
			add_user(slot, task_address);
	}
	return 0;
}

/* One program for two questions: to have the way to all descriptors verified again takes ten milliseconds of each
 * start. */
SEC("iter/task")
int iter__task(struct bpf_iter__task *ctx)
{
	__u64 task = read_word((__u64)ctx + __builtin_offsetof(struct bpf_iter__task, task));

	if (task && bt_netns_asked)
		tell_if_inside(ctx, (struct task_struct *)task);
	else if (task)
		look_at_fds_of((struct task_struct *)task);
	return 0;
}

#endif
