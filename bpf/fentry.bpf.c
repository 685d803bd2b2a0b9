// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Strategy `fentry`: trampolines on the functions themselves. A shell per kernel function; the facts are in the
 * headers. */
#define BT_STRATEGY_FENTRY
#include "vmlinux.h"
#include "bind.bpf.h"
#include "listen.bpf.h"
#include "autobind.bpf.h"
#include "state.bpf.h"
#include "release.bpf.h"
#include "cgroup.bpf.h"
#include "snapshot.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define SOCK(n)	     ((const struct sock *)ARGUMENT(n))
#define TIME_WAIT(n) ((const struct inet_timewait_sock *)ARGUMENT(n))

/* Of an argument that is a struct socket. */
#define SOCK_OF(socket) ((const struct sock *)as_number((__u64)(socket)->sk))

/* The socket's cookie, generated if it has none yet. Needs the trusted pointer that only a shell has. */
#define MINT_COOKIE(sk)                                                                                                \
	({                                                                                                             \
		if (bt_config.can_mint_cookie)                                                                         \
			bpf_get_socket_cookie((void *)(sk));                                                           \
	})

SEC("fexit/inet_bind")
int BPF_PROG(fexit__inet_bind, struct socket *socket, void *address, int length, int result)
{
	const struct sock *sk = SOCK_OF(socket);

	if (inner_bind_told(sk))
		return 0;
	MINT_COOKIE(socket->sk);
	bind_returned(sk, address, length, result);
	return 0;
}

SEC("fexit/inet6_bind")
int BPF_PROG(fexit__inet6_bind, struct socket *socket, void *address, int length, int result)
{
	const struct sock *sk = SOCK_OF(socket);

	if (inner_bind_told(sk))
		return 0;
	MINT_COOKIE(socket->sk);
	bind_returned(sk, address, length, result);
	return 0;
}

SEC("fexit/inet_bind_sk")
int BPF_PROG(fexit__inet_bind_sk, struct sock *sk, void *address, int length, int result)
{
	MINT_COOKIE(sk);
	bind_returned(SOCK(0), address, length, result);
	return 0;
}

SEC("fexit/inet6_bind_sk")
int BPF_PROG(fexit__inet6_bind_sk, struct sock *sk, void *address, int length, int result)
{
	MINT_COOKIE(sk);
	bind_returned(SOCK(0), address, length, result);
	return 0;
}

SEC("fexit/__sys_bind")
int BPF_PROG(fexit____sys_bind, int fd, void *address, int length, int result)
{
	bind_syscall_returned(fd, ARGUMENT(1), length, result, true);
	return 0;
}

SEC("fexit/inet_csk_listen_start")
int BPF_PROG(fexit__inet_csk_listen_start, struct sock *sk, int result)
{
	MINT_COOKIE(sk);
	listen_start_returned(SOCK(0), result);
	return 0;
}

/* Before 5.17 it took the backlog too. */
SEC("fexit/inet_csk_listen_start")
int BPF_PROG(fexit__inet_csk_listen_start_backlog, struct sock *sk, int backlog, int result)
{
	listen_start_returned(SOCK(0), result);
	return 0;
}

SEC("fexit/__sys_listen")
int BPF_PROG(fexit____sys_listen, int fd, int backlog, int result)
{
	listen_syscall_returned(fd, result, true);
	return 0;
}

SEC("fexit/inet_hash_connect")
int BPF_PROG(fexit__inet_hash_connect, void *death_row, struct sock *sk, int result)
{
	MINT_COOKIE(sk);
	stream_connect_ended(ARGUMENT(1), result);
	return 0;
}

SEC("fexit/inet6_hash_connect")
int BPF_PROG(fexit__inet6_hash_connect, void *death_row, struct sock *sk, int result)
{
	MINT_COOKIE(sk);
	stream_connect_ended(ARGUMENT(1), result);
	return 0;
}

SEC("fexit/tcp_v4_connect")
int BPF_PROG(fexit__tcp_v4_connect, struct sock *sk, void *address, int length, int result)
{
	connect_returned(SOCK(0), result);
	return 0;
}

SEC("fexit/tcp_v6_connect")
int BPF_PROG(fexit__tcp_v6_connect, struct sock *sk, void *address, int length, int result)
{
	connect_returned(SOCK(0), result);
	return 0;
}

SEC("fexit/inet_autobind")
int BPF_PROG(fexit__inet_autobind, struct sock *sk, int result)
{
	MINT_COOKIE(sk);
	autobind_ended(ARGUMENT(0), result, true);
	return 0;
}

SEC("fexit/inet_dgram_connect")
int BPF_PROG(fexit__inet_dgram_connect, struct socket *socket, void *address, int length, int flags, int result)
{
	datagram_connect_returned(SOCK_OF(socket));
	return 0;
}

SEC("fentry/inet_put_port")
int BPF_PROG(fentry__inet_put_port, struct sock *sk)
{
	port_released(ARGUMENT(0));
	return 0;
}

SEC("tp_btf/tcp_destroy_sock")
int BPF_PROG(tp__tcp_destroy_sock, struct sock *sk)
{
	port_released(ARGUMENT(0));
	return 0;
}

SEC("fentry/udp_lib_unhash")
int BPF_PROG(fentry__udp_lib_unhash, struct sock *sk)
{
	port_released(ARGUMENT(0));
	return 0;
}

SEC("fexit/__udp_disconnect")
int BPF_PROG(fexit____udp_disconnect, struct sock *sk, int flags, int result)
{
	if (!socket_port(sk))
		port_released(ARGUMENT(0));
	return 0;
}

SEC("fentry/ping_unhash")
int BPF_PROG(fentry__ping_unhash, struct sock *sk)
{
	port_released(ARGUMENT(0));
	return 0;
}

SEC("fentry/inet_twsk_hashdance")
int BPF_PROG(fentry__inet_twsk_hashdance, struct inet_timewait_sock *tw, struct sock *sk)
{
	time_wait_took_over(SOCK(1), TIME_WAIT(0));
	return 0;
}

SEC("fentry/inet_twsk_hashdance_schedule")
int BPF_PROG(fentry__inet_twsk_hashdance_schedule, struct inet_timewait_sock *tw, struct sock *sk)
{
	time_wait_took_over(SOCK(1), TIME_WAIT(0));
	return 0;
}

SEC("fentry/inet_twsk_bind_unhash")
int BPF_PROG(fentry__inet_twsk_bind_unhash, struct inet_timewait_sock *tw)
{
	time_wait_ended(TIME_WAIT(0));
	return 0;
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(tp__inet_sock_set_state, struct sock *sk, int old_state, int new_state)
{
	if (state_matters(new_state))
		state_changed(ARGUMENT(0), old_state, new_state, 0);
	return 0;
}
