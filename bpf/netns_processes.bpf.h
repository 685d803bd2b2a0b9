/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Who is in a network namespace: asked by its number, and written as bt_netns_process, in the order of process numbers.
 * /proc has to be asked of each process by itself, which takes fifty times as long.
 */
#ifndef BT_NETNS_PROCESSES_BPF_H
#define BT_NETNS_PROCESSES_BPF_H

#include "read_task.bpf.h"

/* Which one is asked for; 0 = none. */
volatile __u32 bt_netns_asked SEC(".data") = 0;

static __always_inline void tell_if_inside(struct bpf_iter__task *ctx, struct task_struct *task)
{
	struct bt_netns_process told = {.netns = bt_netns_asked};

	if (!names_netns(task) || task_netns(task) != told.netns)
		return;
	read_other_task(&told.task, task);
	bpf_seq_write(ctx->meta->seq, &told, sizeof(told));
}

#endif
