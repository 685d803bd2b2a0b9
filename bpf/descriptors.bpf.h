/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The descriptors of all processes.
 *
 * By reading their tables, and not by the iterator over files or by /proc: those hold each file for a moment, and where
 * its owner closes it in that moment, the port would stay taken until we let go. Nobody is to fail to bind because we
 * looked.
 */
#ifndef BT_DESCRIPTORS_BPF_H
#define BT_DESCRIPTORS_BPF_H

#include "read_sock.bpf.h"
#include "read_task.bpf.h"

/*
 * So many descriptors of a process are looked at: 32 * 32 * 32 * 32, which is what fs.nr_open allows unless somebody
 * has raised it. The verifier walks each loop by itself.
 */
#define FDS 32

/*
 * The machine's first process tells which network namespace is the host's; where that is hidden from us, the kernel's
 * own threads do. Those come after it.
 */
static __always_inline void note_host(struct task_struct *task)
{
	bool of_kernel = READ(struct task_struct, task, flags) & PF_KTHREAD;

	if (READ(struct task_struct, task, tgid) == 1 || (of_kernel && !bt_host_netns))
		bt_host_netns = task_netns(task);
}

/* What to do with one of them, given its struct file. Whoever includes this says. */
SEPARATE look_at_file(__u64 file, __u64 task);

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

SEPARATE look_at_very_many_fds(__u64 table, __u32 left, __u64 task)
{
	for (__u32 i = 0; i < FDS && i * FDS * FDS < left; i++)
		look_at_many_fds(table + 8 * FDS * FDS * i, left - i * FDS * FDS, task);
	return 0;
}

/* Does nothing for a thread that shares the table of its process. Returns false where it has more than we look at. */
static __always_inline bool look_at_fds_of(struct task_struct *task)
{
	struct task_struct *leader;
	struct files_struct *files;
	struct fdtable *table;
	__u64 descriptors;
	__u32 count;

	leader = READ(struct task_struct, task, group_leader);
	files = READ(struct task_struct, task, files);
	if (task != leader && files == READ(struct task_struct, leader, files))
		return true;
	table = files ? READ(struct files_struct, files, fdt) : 0;
	if (!table)
		return true;
	descriptors = (__u64)READ(struct fdtable, table, fd);
	count = READ(struct fdtable, table, max_fds);
	for (__u32 i = 0; i < FDS && i * FDS * FDS * FDS < count; i++)
		look_at_very_many_fds(descriptors + 8 * FDS * FDS * FDS * i, count - i * FDS * FDS * FDS, (__u64)task);
	return count <= FDS * FDS * FDS * FDS;
}

#endif
