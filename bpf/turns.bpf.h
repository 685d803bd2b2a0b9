/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Loops of many turns. Of an ordinary loop the verifier walks each turn, of bpf_loop() one. That came with 5.17; where
 * there may be none, these are loops in loops of `few` turns each, whose sum is small enough to be walked.
 *
 *     static __always_inline int turn(__u32 index, __u64 on, __u64 with) ...
 *     TURNS3(name, turn, few)
 *
 * defines name(count, on, with), which calls turn() with each index below `count` until it returns other than 0, and
 * at most few * few * few times where there is no bpf_loop(). Two numbers are what all that is done in turns needs.
 */
#ifndef BT_TURNS_BPF_H
#define BT_TURNS_BPF_H

#include "read.bpf.h"

#ifdef BT_CASTS
struct bt_turns {
	__u64 on, with;
};

#define TURNS(name, turn)                                                                                              \
	static long name##_turn(__u32 index, struct bt_turns *turns)                                                   \
	{                                                                                                              \
		int over = turn(index, turns->on, turns->with);                                                        \
                                                                                                                       \
		barrier_var(over); /* the verifier wants to see that it is 0 or 1 */                                   \
		return over != 0;                                                                                      \
	}                                                                                                              \
	static __always_inline void name(__u32 count, __u64 on, __u64 with)                                            \
	{                                                                                                              \
		struct bt_turns turns = {.on = on, .with = with};                                                      \
                                                                                                                       \
		bpf_loop(count, name##_turn, &turns, 0);                                                               \
	}

#define TURNS2(name, turn, few) TURNS(name, turn)
#define TURNS3(name, turn, few) TURNS(name, turn)
#else
/* `each` turns of the whole a turn of this one. An argument that turn() has no use for must be passed all the same. */
#define TURNS(kind, name, inner, few, each)                                                                            \
	kind name(__u32 first, __u32 count, __u64 on, __u64 with)                                                      \
	{                                                                                                              \
		barrier_var(on);                                                                                       \
		barrier_var(with);                                                                                     \
		for (__u32 i = 0; i < (few) && first + i * (each) < count; i++) {                                      \
			if (inner(first + i * (each), count, on, with))                                                \
				return 1;                                                                              \
		}                                                                                                      \
		return 0;                                                                                              \
	}
#define LAST_TURNS(name, turn)                                                                                         \
	static __always_inline int name##_turn(__u32 index, __u32 count, __u64 on, __u64 with)                         \
	{                                                                                                              \
		return turn(index, on, with);                                                                          \
	}
#define ALL_TURNS(name, inner, few, each)                                                                              \
	TURNS(static __always_inline int, name##_all, inner, few, each)                                                \
	static __always_inline void name(__u32 count, __u64 on, __u64 with)                                            \
	{                                                                                                              \
		name##_all(0, count, on, with);                                                                        \
	}

#define TURNS2(name, turn, few)                                                                                        \
	LAST_TURNS(name, turn)                                                                                         \
	TURNS(SEPARATE, name##_1, name##_turn, few, 1)                                                                 \
	ALL_TURNS(name, name##_1, few, few)
#define TURNS3(name, turn, few)                                                                                        \
	LAST_TURNS(name, turn)                                                                                         \
	TURNS(SEPARATE, name##_1, name##_turn, few, 1)                                                                 \
	TURNS(SEPARATE, name##_2, name##_1, few, few)                                                                  \
	ALL_TURNS(name, name##_2, few, (few) * (few))
#endif

#endif
