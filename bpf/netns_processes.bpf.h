/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Who is in a network namespace: asked by its number. /proc has to be asked of each process by itself, which takes
 * fifty times as long.
 *
 * Two ways: a walk over all processes, and, where there are more than it has room for, the kernel's iterator, which
 * calls a program for each and takes three times as long at least: it writes them as bt_netns_process, in the order of
 * process numbers.
 */
#ifndef BT_NETNS_PROCESSES_BPF_H
#define BT_NETNS_PROCESSES_BPF_H

#include "read_task.bpf.h"
#include "turns.bpf.h"

/* Which one is asked for; 0 = none. */
volatile __u32 bt_netns_asked SEC(".data") = 0;

struct bt_netns_walk bt_netns_walk = {};

static __always_inline bool is_inside(struct task_struct *task)
{
	return names_netns(task) && task_netns(task) == bt_netns_asked;
}

static __always_inline void tell_if_inside(struct bpf_iter__task *ctx, struct task_struct *task)
{
	struct bt_netns_process told = {.netns = bt_netns_asked};

	if (!is_inside(task))
		return;
	read_other_task(&told.task, task);
	bpf_seq_write(ctx->meta->seq, &told, sizeof(told));
}

/* Where the walk is in the ring of all processes, and where it began. */
static __u64 walk_at, walk_first;

/* Returns 1 when it is round, or finds more than there is room for. */
SEPARATE look_at_process(void)
{
	struct bt_netns_walk *told = &bt_netns_walk;
	struct task_struct *task = (struct task_struct *)walk_at;
	__u32 at = told->found;

	if (is_inside(task)) {
		told->found = at + 1;
		if (at >= BT_WALK_PROCESSES)
			return 1;
		told->processes[at].netns = bt_netns_asked;
		read_other_task(&told->processes[at].task, task);
	}
	walk_at = (__u64)READ(struct task_struct, task, tasks.next) - bpf_core_field_offset(struct task_struct, tasks);
	told->whole = walk_at == walk_first;
	return told->whole;
}

static __always_inline int look_at_next_process(__u32 index, __u64 on, __u64 with)
{
	return look_at_process();
}

#define WALKED_PROCESSES 16384
TURNS3(look_at_processes, look_at_next_process, 26)

/*
 * Attached to nothing: run when it is asked for, under the RCU that keeps what is taken out of the ring. No more than
 * 16,384 processes: that takes a millisecond or two, in which nobody else has the CPU.
 */
SEC("raw_tp")
int walk__netns(void *ctx)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();

	bt_netns_walk.whole = bt_netns_walk.found = 0;
	walk_at = walk_first = (__u64)READ(struct task_struct, task, group_leader);
	look_at_processes(WALKED_PROCESSES, 0, 0);
	return 0;
}

#endif
