/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Programs on the root of the cgroup v2 hierarchy, for what tracing cannot do on some kernels.
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

#endif
