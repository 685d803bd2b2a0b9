/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Who is running, and what it takes with it when it exits. Only meaningful in process context. */
#ifndef BT_READ_TASK_BPF_H
#define BT_READ_TASK_BPF_H

#include "core_compat.bpf.h"
#include "maps.bpf.h"

#define PF_EXITING   0x00000004
#define PF_IO_WORKER 0x00000010
#define PF_KTHREAD   0x00200000

static __always_inline struct bt_process_key read_process_key(struct task_struct *task)
{
	struct task_struct *leader = READ(struct task_struct, task, group_leader);
	struct bt_process_key key = {
	    .start_ns = READ(struct task_struct, leader, start_boottime),
	    .pid = READ(struct task_struct, task, tgid),
	    .exec_id = (__u32)READ(struct task_struct, task, self_exec_id),
	};

	return key;
}

/* More hierarchies than there can be: one for each controller, and a few that are only named. */
#define V1_HIERARCHIES 24

/* The id of a task's cgroup in the v1 hierarchy that tells units. A function like those that are SEPARATE. */
__attribute__((noinline)) __u64 v1_cgroup_id(__u64 set)
{
	__u64 head = FIELD_ADDRESS(struct css_set, set, cgrp_links);
	__u64 node = (__u64)READ(struct list_head, head, next);

	for (int i = 0; i < V1_HIERARCHIES && node != head; i++) {
		__u64 link = node - bpf_core_field_offset(struct cgrp_cset_link, cgrp_link);
		struct cgroup *cgroup = READ(struct cgrp_cset_link, link, cgrp);
		struct cgroup_root *root = READ(struct cgroup, cgroup, root);

		if (READ(struct cgroup_root, root, hierarchy_id) == bt_config.cgroup_hierarchy) {
			struct kernfs_node *kn = READ(struct cgroup, cgroup, kn);

			return READ(struct kernfs_node, kn, id);
		}
		node = (__u64)READ(struct list_head, node, next);
	}
	return 0;
}

/* Of any task. */
static __always_inline __u64 task_cgroup_id(struct task_struct *task)
{
	struct css_set *set = READ(struct task_struct, task, cgroups);
	struct cgroup *cgroup = READ(struct css_set, set, dfl_cgrp);
	struct kernfs_node *kn = READ(struct cgroup, cgroup, kn);

	return bt_config.cgroup_hierarchy ? v1_cgroup_id((__u64)set) : READ(struct kernfs_node, kn, id);
}

/* Of the current task. Where a load is no call, it is cheaper than the helper. */
static __always_inline void read_uid_and_comm(struct bt_task *out, struct task_struct *task)
{
#ifdef BT_CASTS
	const struct cred *cred = OF_CURRENT(struct task_struct, task, cred);

	/* As a number: where the kernel's types tell what RCU protects, the verifier wants it checked first. */
	out->uid = READ(struct cred, as_number((__u64)cred), uid.val);
	READ_INTO(out->comm, struct task_struct, as_number((__u64)task), comm);
#else
	out->uid = (__u32)bpf_get_current_uid_gid();
	bpf_get_current_comm(out->comm, sizeof(out->comm)); /* before 5.17 something may follow its end in the task */
#endif
}

static __always_inline void read_task(struct bt_task *out)
{
	struct task_struct *task = current_task();
	struct task_struct *leader = OF_CURRENT(struct task_struct, task, group_leader);
	struct task_struct *parent = OF_CURRENT(struct task_struct, task, real_parent);

	KEEP_IN_MEMORY(out);
	out->key.start_ns = OF_CURRENT(struct task_struct, leader, start_boottime);
	out->key.pid = OF_CURRENT(struct task_struct, task, tgid);
	out->key.exec_id = (__u32)OF_CURRENT(struct task_struct, task, self_exec_id);
	out->cgroup_id = bt_config.cgroup_hierarchy ? task_cgroup_id(task) : bpf_get_current_cgroup_id();
	out->tid = (__u32)bpf_get_current_pid_tgid();
	out->ppid = OF_CURRENT(struct task_struct, parent, tgid);
	out->pad = 0;
	read_uid_and_comm(out, task);
}

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

static __always_inline __u32 task_netns(struct task_struct *task)
{
	struct nsproxy *ns = READ(struct task_struct, task, nsproxy);
	struct net *net = ns ? READ(struct nsproxy, ns, net_ns) : 0;

	return net ? READ(struct net, net, ns.inum) : 0;
}

/* Is a network namespace called by it? Not by a thread of a process, nor by what the kernel runs by itself. */
static __always_inline bool names_netns(struct task_struct *task)
{
	return task == READ(struct task_struct, task, group_leader) &&
	       !(READ(struct task_struct, task, flags) & PF_KTHREAD);
}

#define EXE_COMPONENTS 24
#define NAME_MAX_LEN   255

/* A place in the tree of files. */
struct bt_place {
	struct dentry *dentry;
	struct vfsmount *mount;
};

enum bt_step { BT_STEP_AT_ROOT, BT_STEP_UP, BT_STEP_TOO_LONG };

/*
 * Adds the place's name to exe, and goes to the one above it.
 *
 * The offset lives in map memory, where the verifier forgets its value: all ways through one turn of the loop then look
 * alike to it, and it walks the loop once instead of once for each length of name.
 */
APART step_up(struct bt_process *process, struct bt_place *at)
{
	struct dentry *dentry, *parent;
	__u32 offset, length;
	__u64 name;

	if (!process || !at)
		return BT_STEP_TOO_LONG;
	dentry = at->dentry;
	parent = READ(struct dentry, dentry, d_parent);
	if (dentry == READ(struct vfsmount, at->mount, mnt_root) || dentry == parent) {
		__u64 mount = (__u64)at->mount - bpf_core_field_offset(struct mount, mnt);
		__u64 above = (__u64)READ(struct mount, mount, mnt_parent);

		if (above == mount || !above)
			return BT_STEP_AT_ROOT;
		at->dentry = READ(struct mount, mount, mnt_mountpoint);
		at->mount = (struct vfsmount *)(above + bpf_core_field_offset(struct mount, mnt));
		return BT_STEP_UP;
	}
	name = (__u64)READ(struct dentry, dentry, d_name.name);
	length = READ(struct dentry, dentry, d_name.len);
	offset = *(volatile __u32 *)&process->exe_len;
	if (length > NAME_MAX_LEN || offset >= BT_EXE_LEN - NAME_MAX_LEN - 9)
		return BT_STEP_TOO_LONG;
	if (bt_config.locked_down) {
		for (__u32 j = 0; j < (NAME_MAX_LEN + 1) / 8 && j * 8 < length; j++)
			*(__u64 *)(process->exe + offset + j * 8) = read_word(name + j * 8);
	} else {
		bpf_probe_read_kernel(process->exe + offset, length, (void *)name);
	}
	offset += length;
	barrier_var(offset); /* the compiler knows the next line to be void, an older verifier does not */
	offset &= BT_EXE_LEN - 1;
	process->exe[offset] = 0;
	*(volatile __u32 *)&process->exe_len = offset + 1;
	at->dentry = parent;
	return BT_STEP_UP;
}

/*
 * The path of the executable, leaf first ("nginx\0sbin\0usr\0"), crossing mounts up to the root of the process's mount
 * namespace. bpf_d_path() is allowed in none of our hooks. exe_len stays 0 where the path does not fit.
 */
static __always_inline void read_exe(struct bt_process *process, struct mm_struct *mm)
{
	struct file *file = READ(struct mm_struct, mm, exe_file);
	struct bt_place at;

	if (!file)
		return;
	at.mount = READ(struct file, file, f_path.mnt);
	at.dentry = READ(struct file, file, f_path.dentry);
	for (int i = 0; i < EXE_COMPONENTS; i++) {
		int step = step_up(process, &at);

		if (step == BT_STEP_AT_ROOT)
			return;
		if (step == BT_STEP_TOO_LONG)
			break;
	}
	process->exe_len = 0;
}

static const struct bt_process kUndescribed = {};

/* Describes the current process in the `processes` map. A global function, so that it is verified by itself. */
__attribute__((noinline)) int bt_describe_current(void)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct bt_process_key key = read_process_key(task);
	struct bt_process *process;
	struct mm_struct *mm;
	__u32 n = 0;

	if (bpf_map_update_elem(&processes, &key, &kUndescribed, BPF_NOEXIST))
		return 0; /* another thread of it was first */
	process = bpf_map_lookup_elem(&processes, &key);
	if (!process)
		return 0;
	mm = READ(struct task_struct, task, mm);
	if (mm) {
		__u64 start = READ(struct mm_struct, mm, arg_start);
		__u64 length = READ(struct mm_struct, mm, arg_end) - start;

		read_exe(process, mm);
		process->argv_total = length > 0xffffffff ? 0xffffffff : length;
		length = length < BT_ARGV_LEN ? length : BT_ARGV_LEN;
		if (length && length <= BT_ARGV_LEN && !bpf_probe_read_user(process->argv, length, (void *)start))
			process->argv_len = length;
	}
	for (int i = 0; i < BT_ANCESTORS; i++) {
		struct task_struct *parent = READ(struct task_struct, task, real_parent);
		__u32 pid;

		if (!parent)
			break;
		parent = READ(struct task_struct, parent, group_leader);
		pid = READ(struct task_struct, parent, tgid);
		if (!pid)
			break;
		process->ancestors[i].pid = pid;
		READ_INTO(process->ancestors[i].comm, struct task_struct, parent, comm);
		n = i + 1;
		task = parent;
	}
	process->ancestor_count = n;
	process->key = key; /* last: a reader takes a mismatch for "not described" */
	return 0;
}

/* The process that was asked for last: where it is the same again, nobody has taken its place in the map. */
static volatile struct bt_process_key last_described;

/* Once. `key` is the current process's, read before. */
static __always_inline void describe_once(const struct bt_process_key *key)
{
	if (last_described.start_ns == key->start_ns && last_described.pid == key->pid &&
	    last_described.exec_id == key->exec_id)
		return;
	if (bpf_map_lookup_elem(&processes, key))
		last_described = *key;
	else
		bt_describe_current();
}

#if defined(__TARGET_ARCH_x86)
#define TS_COMPAT	  0x0002
#define NR_close	  3
#define NR_connect	  42
#define NR_sendto	  44
#define NR_sendmsg	  46
#define NR_shutdown	  48
#define NR_bind		  49
#define NR_listen	  50
#define NR_sendmmsg	  307
#define NR_io_uring_enter 426
#define NR_close_range	  436
#define SYSCALL_FIELD	  orig_ax
#elif defined(__TARGET_ARCH_arm64)
#define NR_close	  57
#define NR_bind		  200
#define NR_listen	  201
#define NR_connect	  203
#define NR_sendto	  206
#define NR_shutdown	  210
#define NR_sendmsg	  211
#define NR_sendmmsg	  269
#define NR_io_uring_enter 426
#define NR_close_range	  436
#define SYSCALL_FIELD	  syscallno
#endif

/* The number of the call, from registers that the verifier knows to be such: a mere load. */
#define SYSCALL_OF(regs) ((long)(regs)->SYSCALL_FIELD)

/* 32-bit tasks on a 64-bit kernel number their calls differently: those give no operation rather than a wrong one. */
static __always_inline bool is_compat(struct task_struct *task)
{
#if defined(__TARGET_ARCH_x86)
	return OF_CURRENT(struct task_struct, task, thread_info.status) & TS_COMPAT;
#else
	return OF_CURRENT(struct task_struct, task, thread_info.flags) & (1ul << 22); /* TIF_32BIT */
#endif
}

/* A table and not a switch: the verifier would walk everything that follows once for each case. */
static const __u8 kSyscallOps[512] = {
    [NR_bind] = BT_OP_BIND,	    [NR_listen] = BT_OP_LISTEN,
    [NR_connect] = BT_OP_CONNECT,   [NR_sendto] = BT_OP_SENDTO,
    [NR_sendmsg] = BT_OP_SENDMSG,   [NR_sendmmsg] = BT_OP_SENDMMSG,
    [NR_close] = BT_OP_CLOSE,	    [NR_close_range] = BT_OP_CLOSE,
    [NR_shutdown] = BT_OP_SHUTDOWN, [NR_io_uring_enter] = BT_OP_IO_URING,
};

static __always_inline enum bt_op syscall_op(__u64 nr)
{
	return nr < sizeof(kSyscallOps) ? kSyscallOps[nr] : BT_OP_UNKNOWN;
}

/* Its system call, from the saved user registers; bpf_task_pt_regs() is newer than 5.10 and knows where every stack has
 * them. */
static __always_inline long current_syscall(struct task_struct *task)
{
	if (HAS_TASK_REGS) {
		struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(bpf_get_current_task_btf());

		return SYSCALL_OF(regs);
	}
	return READ(struct pt_regs,
		    (__u64)READ(struct task_struct, task, stack) + 16384 - bpf_core_type_size(struct pt_regs),
		    SYSCALL_FIELD);
}

/*
 * Is `current` in this system call itself, and not in io_uring or in the kernel's own work? 32-bit calls have numbers
 * that we do not know: they count as any.
 */
static __always_inline bool in_call(enum bt_op op)
{
	struct task_struct *task = current_task();

	if (OF_CURRENT(struct task_struct, task, flags) & (PF_IO_WORKER | PF_KTHREAD))
		return false;
	return is_compat(task) || syscall_op(current_syscall(task)) == op;
}

/*
 * The system call that `current` is in, as an enum bt_op. Only to be asked in process context. `socket` may be 0.
 * Separate, or the verifier would walk all that follows once for each answer.
 */
SEPARATE current_op(__u64 socket)
{
	const struct sock *sk = (const struct sock *)socket;
	struct task_struct *task = current_task();
	__u32 flags = OF_CURRENT(struct task_struct, task, flags);

	if (flags & PF_IO_WORKER)
		return BT_OP_IO_URING;
	if (flags & PF_KTHREAD ||
	    (sk && READ_BITS(struct sock, sk, sk_kern_sock) &&
	     !is_mptcp_subflow(sk, READ(struct sock, sk, sk_protocol), READ(struct sock, sk, sk_type))))
		return BT_OP_KERNEL; /* the kernel makes the subflows of a user's MPTCP socket */
	if (flags & PF_EXITING)
		return BT_OP_EXIT;
	if (is_compat(task))
		return BT_OP_UNKNOWN;
	return syscall_op(current_syscall(task));
}

/* The same where the hook itself tells which call it is, unless io_uring or the kernel made it. */
SEPARATE op_behind(__u64 socket, enum bt_op call)
{
	enum bt_op op = current_op(socket);

	return op == BT_OP_IO_URING || op == BT_OP_KERNEL ? op : call;
}

#endif
