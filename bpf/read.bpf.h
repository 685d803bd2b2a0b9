/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Reading kernel memory, the one way every fact does it.
 *
 * Two mechanisms exist and each is refused somewhere: bpf_probe_read_kernel() under lockdown=confidentiality, and
 * bpf_rdonly_cast() (a typed load that faults to zero) before 6.2 and in kprobe programs. READ() has both; the
 * bt_config.can_cast constant decides at load time and the verifier drops the other branch, so a body written once
 * serves every strategy and every kernel.
 */
#ifndef BT_READ_BPF_H
#define BT_READ_BPF_H

#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "bindtrace/event.h"

extern const volatile struct bt_config bt_config;

#ifdef BT_STRATEGY_KPROBE
#define BT_CAN_CAST   0
#define BT_CAST(T, p) ((T *)(p))
#else
extern void *bpf_rdonly_cast(const void *obj__ign, __u32 btf_id__k) __ksym __weak;
#define BT_CAN_CAST   bt_config.can_cast
#define BT_CAST(T, p) ((T *)bpf_rdonly_cast((const void *)(p), bpf_core_type_id_kernel(T)))
#endif

/*
 * The value of T::field at p, an address or a pointer of any kind; zero where it cannot be read, since the helper
 * clears the destination then. (No branch on its result: the verifier would walk every combination of outcomes.)
 */
#define READ(T, p, field)                                                                                              \
	({                                                                                                             \
		typeof(({ ((T *)0)->field; })) value_;                                                                 \
		if (BT_CAN_CAST)                                                                                       \
			value_ = BT_CAST(T, p)->field;                                                                 \
		else                                                                                                   \
			bpf_core_read(&value_, sizeof(value_), &((T *)(p))->field);                                    \
		value_;                                                                                                \
	})

/* Same for an array or an embedded struct, into dst of the same size. */
#define READ_INTO(dst, T, p, field)                                                                                    \
	({                                                                                                             \
		if (BT_CAN_CAST)                                                                                       \
			__builtin_memcpy(dst, &BT_CAST(T, p)->field, sizeof(((T *)0)->field));                         \
		else                                                                                                   \
			bpf_core_read(dst, sizeof(((T *)0)->field), &((T *)(p))->field);                               \
	})

#define READ_BITS(T, p, field)                                                                                         \
	({                                                                                                             \
		__u64 bits_;                                                                                           \
		if (BT_CAN_CAST) {                                                                                     \
			T *typed_ = BT_CAST(T, p);                                                                     \
			bits_ = BPF_CORE_READ_BITFIELD(typed_, field);                                                 \
		} else {                                                                                               \
			bits_ = BPF_CORE_READ_BITFIELD_PROBED((T *)(p), field);                                        \
		}                                                                                                      \
		bits_;                                                                                                 \
	})

/*
 * A function of its own: the verifier walks it once, whatever it is called with, instead of once for each way that leads
 * to it. It takes numbers alone (5.10 allows no more): a socket comes as its address, which must be a number for the
 * verifier too: see read_address().
 */
#define SEPARATE __attribute__((noinline)) int

/* The machine word at an arbitrary address: an array element, eight bytes of a name. */
static __always_inline __u64 read_word(__u64 address)
{
	__u64 word = 0;

	if (BT_CAN_CAST)
		return BT_CAST(struct timespec64, address)->tv_sec;
	bpf_probe_read_kernel(&word, sizeof(word), (const void *)address);
	return word;
}

/* T::field at p, a pointer, as a mere number: READ() would give what the verifier takes for a pointer where it casts. */
#define read_address(T, p, field) read_word((__u64)(p) + bpf_core_field_offset(T, field))

/* The n-th argument of a tracing program, likewise. */
#define ARGUMENT(n) read_word((__u64)ctx + 8 * (n))

#endif
