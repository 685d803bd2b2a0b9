/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Who has a socket open: looks at the descriptors of all processes.
 *
 * By reading their tables, and not by the iterator over files or by /proc: those hold each file for a moment, and where
 * its owner closes it in that moment, the port would stay taken until we let go. Nobody is to fail to bind because we
 * looked.
 */
#ifndef BT_SOCKET_USERS_BPF_H
#define BT_SOCKET_USERS_BPF_H

#include "claims.bpf.h"

/* So many descriptors of a process are looked at: 64 * 64 * 64. The verifier walks each loop by itself. */
#define FDS 64

/* Another process's task, as far as it can be told from outside. */
static __always_inline void read_other_task(struct bt_task *out, struct task_struct *task)
{
	struct task_struct *parent = READ(struct task_struct, task, real_parent);
	const struct cred *cred = READ(struct task_struct, task, real_cred);

	out->key = read_process_key(task);
	out->tid = out->key.pid;
	out->ppid = READ(struct task_struct, parent, tgid);
	out->uid = READ(struct cred, cred, uid.val);
	out->cgroup_id = task_cgroup_id(task);
	READ_INTO(out->comm, struct task_struct, task, comm);
}

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

		if (!user || user->inode != number || same_process(&user->task.key, &user->claimant))
			continue;
		key = read_process_key(task);
		if (!user->task.key.pid || same_process(&key, &user->claimant) ||
		    key.start_ns < user->task.key.start_ns)
			read_other_task(&user->task, task);
	}
	return 0;
}

SEPARATE look_at_fds(__u64 table, __u32 left, __u64 task)
{
	for (__u32 i = 0; i < FDS && i < left; i++) {
		__u64 file = read_word(table + 8 * i);

		if (file)
			look_at_file(file, task);
	}
	return 0;
}

SEPARATE look_at_many_fds(__u64 table, __u32 left, __u64 task)
{
	for (__u32 i = 0; i < FDS && i * FDS < left; i++)
		look_at_fds(table + 8 * FDS * i, left - i * FDS, task);
	return 0;
}

SEC("iter/task")
int iter__task(struct bpf_iter__task *ctx)
{
	struct task_struct *task =
	    (struct task_struct *)read_word((__u64)ctx + __builtin_offsetof(struct bpf_iter__task, task));
	struct files_struct *files;
	struct fdtable *table;
	__u64 descriptors;
	__u32 count;

	if (!task || READ(struct task_struct, task, pid) != READ(struct task_struct, task, tgid))
		return 0; /* threads share the table of their process */
	files = READ(struct task_struct, task, files);
	table = files ? READ(struct files_struct, files, fdt) : 0;
	if (!table)
		return 0;
	descriptors = (__u64)READ(struct fdtable, table, fd);
	count = READ(struct fdtable, table, max_fds);
	for (__u32 i = 0; i < FDS && i * FDS * FDS < count; i++)
		look_at_many_fds(descriptors + 8 * FDS * FDS * i, count - i * FDS * FDS, (__u64)task);
	return 0;
}

#endif
