/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Reading kernel memory, the one way every fact does it. Whatever is read is a mere number for the verifier, also where
 * it is an address.
 *
 * Two mechanisms exist and each is refused somewhere: bpf_probe_read_kernel() under lockdown=confidentiality, and
 * bpf_rdonly_cast() (a load that faults to zero) before 6.2 and in kprobe programs. Bodies are written once and
 * compiled with each (BT_CASTS), since the verifier takes longer to cut the other one out than to walk what is left.
 */
#ifndef BT_READ_BPF_H
#define BT_READ_BPF_H

#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "bindtrace/event.h"

extern const volatile struct bt_config bt_config;

#ifdef BT_CASTS
static const void *(*cast_read_only)(const void *address, __u32 type) = (void *)BT_CAST_CALL;

/* An array of 16 bytes as far as the verifier knows, whatever it is. */
static __always_inline const void *readable(__u64 address)
{
	return cast_read_only((const void *)address, bt_config.in6_addr_type);
}

/* The value of that type at an address; zero where it cannot be read. */
#define LOAD(type, address) (*(const type *)readable(address))

/* As if it were aligned: or the compiler reads byte by byte, each with a check of the address. */
#define LOAD_INTO(dst, size, address)                                                                                  \
	({                                                                                                             \
		_Static_assert((size) <= sizeof(struct in6_addr), "more than one cast can read");                      \
		__builtin_memcpy(dst, __builtin_assume_aligned(readable(address), 8), size);                           \
	})
#else
/* The helper clears the destination where it fails. (No branch on its result: the verifier would walk both ways.) */
#define LOAD(type, address)                                                                                            \
	({                                                                                                             \
		type loaded_;                                                                                          \
		bpf_probe_read_kernel(&loaded_, sizeof(loaded_), (const void *)(address));                             \
		loaded_;                                                                                               \
	})

#define LOAD_INTO(dst, size, address) bpf_probe_read_kernel(dst, size, (const void *)(address))
#endif

#define FIELD_ADDRESS(T, p, field) ((__u64)(p) + bpf_core_field_offset(T, field))

/* The value of T::field at p, an address or a pointer of any kind. */
#define READ(T, p, field) LOAD(typeof(({ ((T *)0)->field; })), FIELD_ADDRESS(T, p, field))

/* Same for an array or an embedded struct, into dst of the same size. */
#define READ_INTO(dst, T, p, field) LOAD_INTO(dst, sizeof(((T *)0)->field), FIELD_ADDRESS(T, p, field))

/* Same for a bit field. */
#define READ_BITS(T, p, field)                                                                                         \
	({                                                                                                             \
		__u64 at_ = (__u64)(p) + __builtin_preserve_field_info(((T *)0)->field, BPF_FIELD_BYTE_OFFSET);        \
		__u64 bits_ = 0;                                                                                       \
		switch (__builtin_preserve_field_info(((T *)0)->field, BPF_FIELD_BYTE_SIZE)) {                         \
		case 1:                                                                                                \
			bits_ = LOAD(__u8, at_);                                                                       \
			break;                                                                                         \
		case 2:                                                                                                \
			bits_ = LOAD(__u16, at_);                                                                      \
			break;                                                                                         \
		case 4:                                                                                                \
			bits_ = LOAD(__u32, at_);                                                                      \
			break;                                                                                         \
		case 8:                                                                                                \
			bits_ = LOAD(__u64, at_);                                                                      \
			break;                                                                                         \
		}                                                                                                      \
		bits_ <<= __builtin_preserve_field_info(((T *)0)->field, BPF_FIELD_LSHIFT_U64);                        \
		bits_ >> __builtin_preserve_field_info(((T *)0)->field, BPF_FIELD_RSHIFT_U64);                         \
	})

/* Or the compiler would split what `out` points to into its fields, and spill each on its own: the stack is small. */
#define KEEP_IN_MEMORY(out) barrier_var(out)

/* The machine word at an arbitrary address: an array element, eight bytes of a name. */
#define read_word(address) LOAD(__u64, address)

/* The n-th argument of a tracing program. The verifier takes `ctx[n]` for a pointer, with which it is stricter. */
#define ARGUMENT(n) read_word((__u64)ctx + 8 * (n))

/*
 * A function of its own: the verifier walks it once, whatever it is called with, instead of once for each way that
 * leads to it. It takes numbers alone (5.10 allows no more): a socket comes as its address.
 */
#define SEPARATE __attribute__((noinline)) int

#endif
