/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The contract between the BPF programs and user space, and nothing else. Compiles as C (BPF) and as C++.
 *
 * One fixed-size event describes every fact, because all facts are about the same three things: a task that asked, a
 * socket that holds (or wanted) a port, and the outcome. Strings that are long and change rarely (argv, the
 * executable's path, the ancestry) are not in the event: they are described once per process in the `processes` map and
 * an event refers to them by bt_process_key.
 *
 * All integers are host order, ports included. Addresses are network order; an IPv4 address takes the first four bytes.
 */
#ifndef BINDTRACE_EVENT_H
#define BINDTRACE_EVENT_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

#define BT_COMM_LEN   16
#define BT_EXE_LEN    512 /* path components, leaf first, each ended by a NUL */
#define BT_ARGV_LEN   512 /* argv as in /proc/PID/cmdline, cut to this */
#define BT_ANCESTORS  8
#define BT_CGROUP_LEN 512  /* path in the hierarchy, cut to this */
#define BT_PORT_WORDS 1024 /* 65536 bits */

/* No helpers' numbers: stand for functions of the kernel until user space puts in which they are. */
#define BT_CAST_CALL 0x7bbb0001 /* bpf_rdonly_cast() */

enum bt_kind {
	BT_KIND_BIND = 1,
	BT_KIND_LISTEN = 2,
	BT_KIND_AUTOBIND = 3,
	BT_KIND_STATE = 4,
	BT_KIND_RELEASE = 5,
};

enum bt_event_flag {
	BT_EVENT_EPHEMERAL = 1u << 0,	/* the kernel chose the port */
	BT_EVENT_HAS_REQUEST = 1u << 1, /* addr and port are what was asked for */
	BT_EVENT_HAS_TASK = 1u << 2,	/* task is known */
	BT_EVENT_HAS_SOCK = 1u << 3,	/* sock is known; without it only netns may be set in it */
	BT_EVENT_HAS_HELD = 1u << 4,	/* held_ns is known */
	BT_EVENT_HAS_SOCKOPT = 1u << 5, /* sock.opts is known (a TIME_WAIT socket has none of its own) */
	BT_EVENT_UNFILTERED = 1u << 6,	/* the filters do not want it: it is told for the sake of --registry alone */
};

/* What made the kernel do it. Derived in the kernel, so that system call numbers stay out of the records. */
enum bt_op {
	BT_OP_UNKNOWN = 0,
	BT_OP_BIND = 1,
	BT_OP_LISTEN = 2,
	BT_OP_CONNECT = 3,
	BT_OP_SENDTO = 4,
	BT_OP_SENDMSG = 5,
	BT_OP_SENDMMSG = 6,
	BT_OP_CLOSE = 7,
	BT_OP_EXIT = 8,
	BT_OP_SHUTDOWN = 9,
	BT_OP_IO_URING = 10,
	BT_OP_KERNEL = 11,
};

enum bt_sockopt {
	BT_OPT_REUSEADDR = 1u << 0,
	BT_OPT_REUSEPORT = 1u << 1,
	BT_OPT_V6ONLY = 1u << 2,
	BT_OPT_FREEBIND = 1u << 3,
	BT_OPT_TRANSPARENT = 1u << 4,
	BT_OPT_NO_PORT = 1u << 5, /* IP_BIND_ADDRESS_NO_PORT */
};

/* Identifies one program image in one process: a pid reused, or an exec, gives a new key. */
struct bt_process_key {
	__u64 start_ns; /* boot-time clock, of the thread group leader */
	__u32 pid;	/* thread group id, init pid namespace */
	__u32 exec_id;	/* task_struct::self_exec_id, low 32 bits */
};

struct bt_task {
	struct bt_process_key key;
	__u64 cgroup_id; /* in the hierarchy of bt_config.cgroup_hierarchy */
	__u32 tid;
	__u32 ppid;
	__u32 uid; /* real uid, init user namespace */
	__u32 pad;
	char comm[BT_COMM_LEN];
};

struct bt_sock {
	__u64 cookie;	 /* SO_COOKIE; 0 = never generated */
	__u64 inode;	 /* of the socket's file; 0 = none (orphan, kernel socket, TIME_WAIT) */
	__u64 cgroup_id; /* where the socket was born; 0 = unknown */
	__u8 local_addr[16];
	__u8 remote_addr[16];
	__u16 local_port; /* 0 = no claim */
	__u16 remote_port;
	__u16 family;	/* AF_INET, AF_INET6 */
	__u16 protocol; /* IPPROTO_*; MPTCP is 262, also for its subflows */
	__u32 netns;	/* inum */
	__u32 bound_dev;
	__u32 opts; /* enum bt_sockopt */
	__u16 type; /* SOCK_STREAM ... */
	__u8 state; /* TCP_*; for other protocols the same field of struct sock */
	__u8 old_state;
};

struct bt_event {
	__u64 ktime_ns; /* boot-time clock */
	__u64 held_ns;
	__u8 addr[16]; /* as requested */
	__u16 port;    /* as requested */
	__u16 addr_family;
	__u32 kind;  /* enum bt_kind */
	__u32 flags; /* enum bt_event_flag */
	__u32 op;    /* enum bt_op */
	__s32 error; /* positive errno; 0 = success */
	__u32 pad;
	struct bt_task task;
	struct bt_sock sock;
};

/* A socket that the kernel's check found in the way, and who claimed it if that was seen or found at the start. */
struct bt_holder {
	__u64 since_ns; /* of the claim, boot-time clock; 0 = before the start, or not known */
	__u32 flags;	/* enum bt_event_flag: EPHEMERAL, HAS_TASK, HAS_SOCKOPT (not in TIME_WAIT) */
	__u32 op;	/* enum bt_op: how it was claimed */
	__u32 uid;	/* of the socket, which SO_REUSEPORT compares */
	__u8 substate;	/* TCP_*: TIME_WAIT, or FIN_WAIT2 of an orphan that is kept like one */
	__u8 has_claim;
	__u8 explicit_port; /* bound by number, not chosen by the kernel */
	__u8 of_kernel;	    /* belongs to no network namespace's user, but to the kernel itself */
	struct bt_task task;
	struct bt_sock sock;
};

#define BT_HOLDERS 8

/* A refused claim with its evidence; as long as the holders it has. */
struct bt_refusal {
	struct bt_event event;
	struct bt_sock claimant; /* its socket as the check saw it: with the address and port it asked for */
	__u32 claimant_uid;
	__u32 in_the_way; /* sockets the check conflicts with; of these the first BT_HOLDERS follow */
	__u32 seen;	  /* sockets that have the port number in this network namespace */
	__u32 complete;	  /* 0 = there were too many to look at all of them */
	__u32 count;
	__u16 ephemeral_first; /* net.ipv4.ip_local_port_range of the network namespace; 0 = not known */
	__u16 ephemeral_last;
	__u32 unprivileged_start; /* net.ipv4.ip_unprivileged_port_start */
	__u16 port_reserved;	  /* the port is in net.ipv4.ip_local_reserved_ports */
	__u16 may_take_low_ports; /* the task has CAP_NET_BIND_SERVICE there; told with EACCES alone */
	__u32 common_opts;	  /* BT_OPT_* that all sockets in the way have, also those that do not follow */
	__u16 own_first;	  /* the claimant's IP_LOCAL_PORT_RANGE; 0 = not set */
	__u16 own_last;
	struct bt_holder holders[BT_HOLDERS];
};

#define BT_OTHER_USERS 2

/*
 * Asked: who has the socket of this inode open? Told: the claimant if it still has, else who has run longest of those;
 * some of the others, and how many processes have it.
 */
struct bt_socket_user {
	__u64 inode;			/* 0 = nothing is asked */
	struct bt_process_key claimant; /* pid 0 = not known */
	struct bt_process_key last;	/* seen; pid 0 = none yet */
	struct bt_task task;		/* pid 0 = nobody */
	struct bt_task others[BT_OTHER_USERS];
	__u32 processes;
	__u32 pad;
};

/* Of a process, in which network namespace it is, so that nobody need search /proc: told by `who` of those that are not
 * in the host's, and of those in one that is asked for. */
struct bt_netns_process {
	struct bt_task task;
	__u32 netns; /* inum */
	__u32 pad;
};

/* Those in one network namespace, by one walk over all processes. */
#define BT_WALK_PROCESSES 256

struct bt_netns_walk {
	__u32 whole; /* all processes were looked at; else it is no answer */
	__u32 found;
	struct bt_netns_process processes[BT_WALK_PROCESSES];
};

struct bt_ancestor {
	__u32 pid;
	__u32 pad;
	char comm[BT_COMM_LEN];
};

/* Described once per bt_process_key, at the first claim or failure of that process, while it is alive. */
struct bt_process {
	struct bt_process_key key; /* again, so that a reader can tell a recycled map entry */
	__u32 exe_len;		   /* bytes of exe used; 0 = unknown */
	__u32 argv_len;		   /* bytes of argv used */
	__u32 argv_total;	   /* bytes the process has; > argv_len when cut */
	__u32 ancestor_count;
	struct bt_ancestor ancestors[BT_ANCESTORS]; /* parent first */
	char exe[BT_EXE_LEN];
	char argv[BT_ARGV_LEN];
};

/* Of each cgroup made or removed while we trace, by its id: its events may be read when it has gone. */
struct bt_cgroup {
	char path[BT_CGROUP_LEN]; /* bytes after the NUL are undefined; no NUL when it was cut */
};

/* Counted per CPU, read by user space. */
enum bt_counter {
	BT_COUNT_EVENTS = 0,	       /* submitted */
	BT_COUNT_RING_FULL = 1,	       /* events lost: ring buffer full */
	BT_COUNT_CLAIMS_FULL = 2,      /* claims not remembered, or not forgotten */
	BT_COUNT_STASH_FULL = 3,       /* kprobe arguments not kept: map full */
	BT_COUNT_KRETPROBE_MISSED = 4, /* kprobe strategy: calls whose return was not seen */
	BT_COUNTERS = 5,
};

/* Filters and knobs, constant once loaded (rodata), so that the verifier removes what is not wanted. */
struct bt_config {
	__u32 kinds;	 /* bit 1 << enum bt_kind */
	__u32 protocols; /* bits enum bt_protocol_bit; 0 = all */
	__u32 pid;	 /* 0 = all */
	__u32 netns;	 /* inum; 0 = all */
	__u32 uid;
	__u8 has_uid;
	__u8 has_cgroup;    /* map `cgroups` slot 0 holds it */
	__u8 has_container; /* map `elsewhere` holds what is in none of that name */
	__u8 has_ports;
	__u8 failed_only;
	__u8 no_ephemeral;
	__u8 filters_tasks; /* one of pid, has_uid and has_cgroup: the programs ask this first, see bpf/emit.bpf.h */
	__u8 filters_facts; /* one of the others, but for kinds */
	__u32 cgroup_hierarchy; /* whose cgroups tell units: number of a v1 hierarchy; 0 = v2 */
	__u32 in6_addr_type;	/* BTF id of struct in6_addr in the kernel */
	__u8 can_mint_cookie;	/* bpf_get_socket_cookie works in tracing programs */
	__u8 has_bind_sk;	/* inet_bind() calls inet_bind_sk() */
	__u8 locked_down;	/* bpf_probe_read_kernel is refused */
	__u8 has_registry;
	__u8 ephemeral_untold; /* no port is told that the kernel chose, neither that nor when it ends */
	__u64 port_bits[BT_PORT_WORDS];
	__u64 registered_bits[BT_PORT_WORDS]; /* with has_registry: claims of these ports pass all filters */
};

enum bt_protocol_bit {
	BT_PROTO_TCP = 1u << 0,
	BT_PROTO_UDP = 1u << 1,
	BT_PROTO_UDPLITE = 1u << 2,
	BT_PROTO_MPTCP = 1u << 3,
	BT_PROTO_SCTP = 1u << 4,
	BT_PROTO_ICMP = 1u << 5,
	BT_PROTO_RAW = 1u << 6,
	BT_PROTO_OTHER = 1u << 7,
};

#ifdef __cplusplus
#define BT_ASSERT static_assert
#else
#define BT_ASSERT _Static_assert
#endif
BT_ASSERT(sizeof(struct bt_process_key) == 16, "bt_process_key");
BT_ASSERT(sizeof(struct bt_task) == 56, "bt_task");
BT_ASSERT(sizeof(struct bt_sock) == 80, "bt_sock");
BT_ASSERT(sizeof(struct bt_ancestor) == 24, "bt_ancestor");
BT_ASSERT(sizeof(struct bt_event) == 192, "bt_event");
BT_ASSERT(sizeof(struct bt_holder) == 160, "bt_holder");
BT_ASSERT(sizeof(struct bt_refusal) == 312 + BT_HOLDERS * 160, "bt_refusal");
#undef BT_ASSERT

#endif
