/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What cgroups are for and what happens to them: names of those that come and go, and programs on the root of the v2
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

static const struct bt_cgroup kUnnamed = {};

/* The kernel's buffer of the path is longer than ours, and may be read to its end. */
static __always_inline void cgroup_made(const struct cgroup *cgroup, const char *path)
{
	struct cgroup_root *root = READ(struct cgroup, cgroup, root);
	struct kernfs_node *kn = READ(struct cgroup, cgroup, kn);
	__u64 id = READ(struct kernfs_node, kn, id);
	struct bt_cgroup *out;

	if (READ(struct cgroup_root, root, hierarchy_id) !=
	    bt_config.cgroup_hierarchy) /* there it is another one's id */
		return;
	bpf_map_update_elem(&cgroup_paths, &id, &kUnnamed, BPF_ANY);
	out = bpf_map_lookup_elem(&cgroup_paths, &id);
	if (!out)
		return;
	if (bt_config.locked_down) {
		for (__u32 i = 0; i < sizeof(out->path) / 8; i++)
			((__u64 *)out->path)[i] = read_word((__u64)path + i * 8);
	} else {
		bpf_probe_read_kernel(out->path, sizeof(out->path), path);
	}
}

#ifndef BT_STRATEGY_KPROBE
SEC("tp_btf/cgroup_mkdir")
int BPF_PROG(tp__cgroup_mkdir, struct cgroup *cgroup, const char *path)
{
	cgroup_made(cgroup, path);
	return 0;
}
#else
SEC("raw_tp/cgroup_mkdir")
int tp__cgroup_mkdir(struct bpf_raw_tracepoint_args *args)
{
	cgroup_made((const struct cgroup *)args->args[0], (const char *)args->args[1]);
	return 0;
}
#endif

#endif
