/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What cgroups are for and what happens to them: names of those that come or go, and programs on the root of the v2
 * hierarchy for what tracing cannot do on some kernels.
 *
 * A socket's cookie is generated on demand. Where a tracing program may not ask for it (5.10, kprobes, tracepoints that
 * only reach the socket through a descriptor), it is asked for at the socket's birth; it then stays readable, and a
 * TIME_WAIT socket carries it on. Neither program ever refuses anything.
 */
#ifndef BT_CGROUP_BPF_H
#define BT_CGROUP_BPF_H

#include "release.bpf.h"

SEC("cgroup/sock_create")
int cgroup__sock_create(struct bpf_sock *socket)
{
	bpf_get_socket_cookie(socket);
	return 1;
}

/* Both tracepoints hand over the kernel's one buffer for paths, and hold its lock while we run. So this one is enough,
 * and the map gets a path as a whole: that of a removed cgroup may be read just then. */
static struct bt_cgroup named;

/* The kernel's buffer of the path is longer than ours, and may be read to its end. */
static __always_inline void name_cgroup(const struct cgroup *cgroup, const char *path)
{
	struct cgroup_root *root = READ(struct cgroup, cgroup, root);
	struct kernfs_node *kn = READ(struct cgroup, cgroup, kn);
	__u64 id = READ(struct kernfs_node, kn, id);

	if (READ(struct cgroup_root, root, hierarchy_id) !=
	    bt_config.cgroup_hierarchy) /* there it is another one's id */
		return;
	if (bt_config.locked_down) {
		for (__u32 i = 0; i < sizeof(named.path) / 8; i++)
			((__u64 *)named.path)[i] = read_word((__u64)path + i * 8);
	} else {
		bpf_probe_read_kernel(named.path, sizeof(named.path), path);
	}
	bpf_map_update_elem(&cgroup_paths, &id, &named, BPF_ANY);
}

#ifndef BT_STRATEGY_KPROBE
SEC("tp_btf/cgroup_mkdir")
int BPF_PROG(tp__cgroup_mkdir, struct cgroup *cgroup, const char *path)
{
	name_cgroup(cgroup, path);
	return 0;
}

/* Of one that was there before us; and one that lived long has been forgotten. */
SEC("tp_btf/cgroup_rmdir")
int BPF_PROG(tp__cgroup_rmdir, struct cgroup *cgroup, const char *path)
{
	name_cgroup(cgroup, path);
	return 0;
}
#else
SEC("raw_tp/cgroup_mkdir")
int tp__cgroup_mkdir(struct bpf_raw_tracepoint_args *args)
{
	name_cgroup((const struct cgroup *)args->args[0], (const char *)args->args[1]);
	return 0;
}

SEC("raw_tp/cgroup_rmdir")
int tp__cgroup_rmdir(struct bpf_raw_tracepoint_args *args)
{
	name_cgroup((const struct cgroup *)args->args[0], (const char *)args->args[1]);
	return 0;
}
#endif

#endif
