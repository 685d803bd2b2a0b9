/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Where claims are kept, by a key: the socket's cookie, which a TIME_WAIT socket inherits; the address of the socket
 * where it has no cookie. None has 0, but it may be asked for: that is a cookie that nobody has.
 *
 * A key has its slot in an array, and is in a hash only where another key has that slot: an entry into the hash and its
 * removal take some 870 instructions, which is a third of what a bind costs. Cookies are given out in order, to each
 * CPU 4,096 at a time, so those of sockets that live at the same time hardly ever meet. Before 5.12 BPF cannot take a
 * slot atomically: there all are in the hash.
 */
#ifndef BT_CLAIM_STORE_BPF_H
#define BT_CLAIM_STORE_BPF_H

#include "bindtrace/claim_slot.h"
#include "maps.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__type(key, __u64);
	__type(value, struct bt_claim);
} claims SEC(".maps");

/* How many are in the hash, or about to be: where it is 0 nobody need look there. */
volatile __u32 bt_claims_hashed SEC(".data") = 0;

static __always_inline struct bt_claim *claim_in_hash(__u64 key)
{
	return bt_claims_hashed ? bpf_map_lookup_elem(&claims, &key) : 0;
}

#ifdef BT_CASTS
struct bt_claim_slot {
	__u64 taken_by; /* a key; 0 = free */
	__u64 key;	/* the same, while the claim is whole */
	struct bt_claim claim;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1 << BT_CLAIM_SLOT_BITS);
	__type(key, __u32);
	__type(value, struct bt_claim_slot);
} claim_slots SEC(".maps");

static __always_inline struct bt_claim_slot *claim_slot(__u64 key)
{
	__u32 index = bt_claim_slot(key);

	return bpf_map_lookup_elem(&claim_slots, &index);
}

static __always_inline struct bt_claim *claim_in_slot(__u64 key)
{
	struct bt_claim_slot *slot = claim_slot(key);

	return slot && key && slot->key == key ? &slot->claim : 0;
}

static __always_inline int insert_into_slot(__u64 key, const struct bt_claim *claim)
{
	struct bt_claim_slot *slot = claim_slot(key);
	__u64 taken_by;

	if (!slot)
		return -EBUSY;
	if (claim_in_hash(key))
		return -EEXIST;
	taken_by = __sync_val_compare_and_swap(&slot->taken_by, 0, key);
	if (taken_by)
		return taken_by == key ? -EEXIST : -EBUSY;
	slot->claim = *claim;
	__sync_lock_test_and_set(&slot->key, key); /* after all of it: in BPF this is a full barrier */
	return 0;
}

static __always_inline bool remove_from_slot(__u64 key)
{
	struct bt_claim_slot *slot = claim_slot(key);

	if (!slot || slot->key != key || __sync_val_compare_and_swap(&slot->key, key, 0) != key)
		return false;
	slot->taken_by = 0;
	return true;
}
#else
static __always_inline struct bt_claim *claim_in_slot(__u64 key)
{
	return 0;
}

static __always_inline int insert_into_slot(__u64 key, const struct bt_claim *claim)
{
	return -EBUSY;
}

static __always_inline bool remove_from_slot(__u64 key)
{
	return false;
}
#endif

static __always_inline struct bt_claim *claim_at(__u64 key)
{
	struct bt_claim *claim = claim_in_slot(key);

	return claim ? claim : claim_in_hash(key);
}

/* 0, -EEXIST where that key has one, or what the hash says that is full. */
static __always_inline int insert_claim(__u64 key, const struct bt_claim *claim)
{
	int error; /* the helper returns an int; before 6.2 the upper half of the register is not its sign */

	error = insert_into_slot(key, claim);
	if (error != -EBUSY)
		return error;
	__sync_fetch_and_add(&bt_claims_hashed, 1);
	error = bpf_map_update_elem(&claims, &key, claim, BPF_NOEXIST);
	if (error)
		__sync_fetch_and_sub(&bt_claims_hashed, 1);
	return error;
}

/* True for one alone of those who remove it at the same time. */
APART remove_claim(__u64 key)
{
	int error;

	if (remove_from_slot(key))
		return true;
	if (!bt_claims_hashed)
		return false;
	error = bpf_map_delete_elem(&claims, &key);
	if (error) {
		if (error != -ENOENT)
			count(BT_COUNT_CLAIMS_FULL); /* it is there, and its lock was not to be had */
		return false;
	}
	__sync_fetch_and_sub(&bt_claims_hashed, 1);
	return true;
}

/* Of a key that may be left over from an earlier socket at that address. */
static __always_inline int replace_claim(__u64 key, const struct bt_claim *claim)
{
	remove_claim(key);
	return insert_claim(key, claim);
}

#endif
