/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Which slot a claim has in bpf/claim_store.bpf.h; for the BPF programs and for tests. */
#ifndef BINDTRACE_CLAIM_SLOT_H
#define BINDTRACE_CLAIM_SLOT_H

#ifndef __bpf__
#include <linux/types.h>
#endif

#define BT_CLAIM_SLOT_BITS 15

/* A CPU's 4,096 cookies in a row are spread over all slots, those of several CPUs shifted against each other, by the
 * golden ratio. */
static inline __u32 bt_claim_slot(__u64 key)
{
	__u32 shift = (__u32)((key >> 12) * 0x9e3779b97f4a7c15ull >> (64 - BT_CLAIM_SLOT_BITS));

	return ((__u32)(key << (BT_CLAIM_SLOT_BITS - 12)) + shift) & ((1 << BT_CLAIM_SLOT_BITS) - 1);
}

#endif
