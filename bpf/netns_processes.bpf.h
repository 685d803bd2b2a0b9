/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Who is in a network namespace: asked by its number. /proc has to be asked of each process by itself, which takes
 * fifty times as long.
 *
 * Two ways: since 6.7 a program may walk over all processes by itself, which takes a third of the time of the iterator
 * that calls one for each. The iterator serves older kernels, and where there are more than the walk has room for: it
 * writes them as bt_netns_process, in the order of process numbers.
 */
#ifndef BT_NETNS_PROCESSES_BPF_H
#define BT_NETNS_PROCESSES_BPF_H

#include "read_task.bpf.h"

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

/* The kernel's own is of three words; there is room for it to grow. */
struct task_walk {
	__u64 opaque[8];
};

static int (*walk_new)(struct task_walk *walk, struct task_struct *first,
		       unsigned int flags) = (void *)BT_ITER_TASK_NEW_CALL;
static struct task_struct *(*walk_next)(struct task_walk *walk) = (void *)BT_ITER_TASK_NEXT_CALL;
static void (*walk_destroy)(struct task_walk *walk) = (void *)BT_ITER_TASK_DESTROY_CALL;

/* Attached to nothing: run when it is asked for. The counts are in a map, where the verifier need not follow them. */
SEC("raw_tp")
int walk__netns(void *ctx)
{
	struct bt_netns_walk *told = &bt_netns_walk;
	struct task_struct *task;
	struct task_walk walk;

	told->looks = told->found = 0;
	walk_new(&walk, bpf_get_current_task_btf(), BPF_TASK_ITER_ALL_PROCS); /* null was not always allowed */
	while ((task = walk_next(&walk)) && ++told->looks <= BT_WALK_LOOKS) {
		__u32 at = told->found;

		if (!is_inside(task))
			continue;
		told->found = at + 1;
		if (at >= BT_WALK_PROCESSES)
			break;
		told->processes[at].netns = bt_netns_asked;
		read_other_task(&told->processes[at].task, task);
	}
	walk_destroy(&walk);
	return 0;
}

#endif
