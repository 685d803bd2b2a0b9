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
#include "turns.bpf.h"

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

/* What to do with one of them, given its struct file. Whoever includes this says, as below. */
SEPARATE look_at_file(__u64 file, __u64 task);

/*
 * So many neighbours are looked at together, step by step: what they lead to is hardly ever in the CPU's cache, and it
 * fetches at the same time what does not depend on one another.
 */
#ifdef BT_CASTS
#define AT_ONCE 8
#else
#define AT_ONCE 4 /* the stack of all functions that are in one another has no room for more */
#endif

/* Which of these files (0 = none) need a look, a bit for each. What is in the array may be replaced. */
static __always_inline __u32 worth_a_look(__u64 *files);

SEPARATE look_at_some_fds(__u64 table, __u64 task)
{
	__u64 files[AT_ONCE];
	__u32 worth;

	for (int i = 0; i < AT_ONCE; i++)
		files[i] = read_word(table + 8 * i);
	worth = worth_a_look(files);
	for (int i = 0; i < AT_ONCE && worth; i++) {
		__u64 file = worth >> i & 1 ? read_word(table + 8 * i) : 0;

		if (file)
			look_at_file(file, task);
	}
	return 0;
}

static __always_inline int look_at_next_fds(__u32 index, __u64 table, __u64 task)
{
	return look_at_some_fds(table + 8 * AT_ONCE * index, task);
}

/* So many of a process: what fs.nr_open allows unless somebody has raised it. A table's size is a multiple of 64. */
#define FDS (1 << 20)
TURNS3(look_at_fds, look_at_next_fds, 64)

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
	look_at_fds((count < FDS ? count : FDS) / AT_ONCE, descriptors, (__u64)task);
	return count <= FDS;
}

#endif
