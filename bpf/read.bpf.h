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

/*
 * Same for a bit field. A whole word, whose other bits are shifted out: how wide the field's own unit is depends on the
 * kernel, and the verifier takes longer to cut out the branches for all other widths than to walk what is left.
 */
#define READ_BITS(T, p, field) BITS_OF(T, field, LOAD(__u64, (__u64)(p) + BITS_OFFSET(T, field)), 0)

#define BITS_OFFSET(T, field) __builtin_preserve_field_info(((T *)0)->field, BPF_FIELD_BYTE_OFFSET)

/* Its unit begins `skipped` bytes into the word; both architectures are little-endian. */
#define BITS_OF(T, field, word, skipped)                                                                               \
	((__u64)(word) << (__builtin_preserve_field_info(((T *)0)->field, BPF_FIELD_LSHIFT_U64) - 8 * (skipped)) >>    \
	 __builtin_preserve_field_info(((T *)0)->field, BPF_FIELD_RSHIFT_U64))

/*
 * Some fields of T that lie side by side, `first` the first of them, into `copy` (an array of words): by one call where
 * each load is one. Then NEIGHBOUR() takes one out.
 */
#ifdef BT_CASTS
#define READ_NEIGHBOURS(copy, T, p, first)    ((copy)[0] = (__u64)(p))
#define NEIGHBOUR(copy, T, first, field)      READ(T, (copy)[0], field)
#define NEIGHBOUR_BITS(copy, T, first, field) READ_BITS(T, (copy)[0], field)
#else
#define PEEK(type, address)		   (*(const type *)(address))
#define READ_NEIGHBOURS(copy, T, p, first) LOAD_INTO(copy, sizeof(copy), FIELD_ADDRESS(T, p, first))
#define NEIGHBOUR(copy, T, first, field)                                                                               \
	PEEK(typeof(({ ((T *)0)->field; })), (__u64)(copy) + DISTANCE(T, first, bpf_core_field_offset(T, field)))
#define NEIGHBOUR_BITS(copy, T, first, field)                                                                          \
	({                                                                                                             \
		__u64 distance_ = DISTANCE(T, first, BITS_OFFSET(T, field));                                           \
		BITS_OF(T, field, PEEK(__u64, (__u64)(copy) + (distance_ & ~7ull)), distance_ & 7);                    \
	})

/* The difference first: nothing may be subtracted from a pointer to the stack. */
#define DISTANCE(T, first, offset)                                                                                     \
	({                                                                                                             \
		__u64 bytes_ = (offset)-bpf_core_field_offset(T, first);                                               \
		barrier_var(bytes_);                                                                                   \
		bytes_;                                                                                                \
	})
#endif

/*
 * The current task, and T::field at p, which is that task or was read so: 5.11 and newer hand it out with its type,
 * so that it is a mere load, whatever else takes a call or a load that may fault.
 */
#ifdef BT_CASTS
#define HAS_TYPED_TASK true
#define HAS_TASK_REGS  true
#else
#define HAS_TYPED_TASK bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_get_current_task_btf)
#define HAS_TASK_REGS  bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_task_pt_regs)
#endif

static __always_inline struct task_struct *current_task(void)
{
	if (HAS_TYPED_TASK)
		return bpf_get_current_task_btf();
	return (struct task_struct *)bpf_get_current_task();
}

#define OF_CURRENT(T, p, field)                                                                                        \
	({                                                                                                             \
		typeof(({ ((T *)0)->field; })) value_;                                                                 \
		if (HAS_TYPED_TASK)                                                                                    \
			value_ = (p)->field;                                                                           \
		else                                                                                                   \
			value_ = READ(T, p, field);                                                                    \
		value_;                                                                                                \
	})

/* Or the compiler would split what `out` points to into its fields, and spill each on its own: the stack is small. */
#define KEEP_IN_MEMORY(out) barrier_var(out)

/* The machine word at an arbitrary address: an array element, eight bytes of a name. */
#define read_word(address) LOAD(__u64, address)

/* The n-th argument of a tracing program. The verifier takes `ctx[n]` for a pointer, with which it is stricter. */
#define ARGUMENT(n) as_number(ctx[n])

/* What was negated is no pointer any more. */
static __always_inline __u64 as_number(__u64 pointer)
{
	asm volatile("%0 = -%0\n\t%0 = -%0" : "+r"(pointer));
	return pointer;
}

/*
 * A function of its own: the verifier walks it once, whatever it is called with, instead of once for each way that
 * leads to it. It takes numbers alone (5.10 allows no more): a socket comes as its address.
 */
#define SEPARATE __attribute__((noinline)) int

/*
 * Same of one that takes pointers, each of which may be null as far as the verifier knows. 5.10 allows no such
 * function: without casts it is a part of its callers.
 */
#ifdef BT_CASTS
#define APART SEPARATE
#else
#define APART static __always_inline int
#endif

#endif
