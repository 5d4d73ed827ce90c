/* SPDX-License-Identifier: MIT
 *
 * The event ring, from the recording thread's side: what the stub templates (arch/x86/.../record.S) leave to it because
 * it is rare. The other side is the tracer; the shared layout and its ordering are in wire/control.h.
 *
 * A thread's block is written by that thread alone; only limit, counting and sampling may be set to 0 by others, which
 * sends the thread here with its next event.
 */
#ifndef TL_CORE_RING_H
#define TL_CORE_RING_H

#include <core/site.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <thread.h>
#include <wire/control.h>

/* What the segment base of a recording thread points to. All blocks lie in memory that is wiped in a forked child:
 * there pointer is 0, the stub comes here, and the child is made mute. */
struct tli_thread {
    uintptr_t cursor;
    _Atomic uintptr_t limit;
    uintptr_t pointer;
    uint32_t clock_high;
    uint32_t session;                        /* tli_ring.session when the ring was claimed; 0: mute */
    uint32_t losing;                         /* 1: cursor is in the slot's waste, what is written there is lost */
    uint32_t owner;                          /* thread id */
    uint32_t lost_run;                       /* events lost since the last one that was kept */
    _Alignas(8) uint64_t min_ticks;          /* of the session */
    _Alignas(64) _Atomic uintptr_t counting; /* ~pointer while the thread counts; as limit, others may set it to 0 */
    uintptr_t counters;
    _Atomic uintptr_t sampling; /* ~pointer while one call of N is recorded; as counting */
    uintptr_t samples;
};

_Static_assert(offsetof(struct tli_thread, cursor) == TL_THREAD_CURSOR, "record.S");
_Static_assert(offsetof(struct tli_thread, limit) == TL_THREAD_LIMIT, "record.S");
_Static_assert(offsetof(struct tli_thread, pointer) == TL_THREAD_POINTER, "record.S");
_Static_assert(offsetof(struct tli_thread, clock_high) == TL_THREAD_CLOCK_HIGH, "record.S");
_Static_assert(offsetof(struct tli_thread, min_ticks) == TL_THREAD_MIN_TICKS, "record.S");
_Static_assert(offsetof(struct tli_thread, counting) == TL_THREAD_COUNTING, "record.S");
_Static_assert(offsetof(struct tli_thread, counters) == TL_THREAD_COUNTERS, "record.S");

_Static_assert(offsetof(struct tli_thread, sampling) == TL_THREAD_SAMPLING, "record.S");
_Static_assert(offsetof(struct tli_thread, samples) == TL_THREAD_SAMPLES, "record.S");

#define TLI_WASTE_BYTES 4096u /* a thread that loses events writes them here, round and round */

/* Wiped in a forked child, as a whole. */
struct tli_threads {
    uint32_t alive;              /* 1; 0 tells the child that it is one */
    _Atomic uint32_t mute_count; /* child: blocks given out */
    struct tli_readers readers;  /* of the sites */
    uint64_t padding[5];
    struct tli_thread block[TL_THREADS_MAX];
};

struct tli_ring {
    struct tl_control *control;
    struct tl_ring *rings;
    uintptr_t chunks; /* address of ring 0's first chunk */
    uint32_t ring_bytes;
    uint32_t chunk_count;       /* of one ring */
    bool flight, counts;        /* the mode */
    uint32_t one_in;            /* above 1: of so many calls one is recorded */
    _Atomic uint32_t next_slot; /* where to look for a free slot first */
    _Atomic uint32_t session;   /* goes up with each session; 0 while none runs */
    struct tli_threads *threads;
    uint8_t *waste;                 /* TL_THREADS_MAX * TLI_WASTE_BYTES, private memory */
    uint64_t *scrap;                /* counters of forked children, TL_COUNTERS_BYTES, private memory; NULL: none */
    struct tli_samples *samples;    /* TL_THREADS_MAX of them, private memory; NULL: no session has sampled yet */
    uint32_t owner[TL_THREADS_MAX]; /* thread that last had the slot; not wiped */
    uint64_t
        kept[TL_THREADS_MAX]; /* a word of the port's for the thread in the slot; a new or forked thread inherits it */
};

extern struct tli_ring tli_ring;

/* Poke side: starts a session on a mapped control block. threads and waste must be set. */
void tli_ring_start(struct tl_control *control, uint32_t session);

/* Poke side: ends it, once no site records any more: later events are dropped unseen. Counts what was being lost. */
void tli_ring_stop(void);

/* In that word: the thread may make no system call any more (it has confined itself), so it records nothing; what it
 * would have recorded counts as lost. New threads and children inherit it. */
#define TLI_KEPT_QUIET (1ull << 63)

/* The port's word of the current thread, or NULL if it has no slot and gets none. Runs in the traced thread. */
uint64_t *tli_ring_kept(void);

/* The cold half of a record: word is the event's upper half. Runs in the traced thread. */
void tli_ring_slow(uint32_t word);

/* Whether the call that a gate has come with is to be recorded: word as above, where the address of its return address.
 * Runs in the traced thread, and lets signals in. */
bool tli_ring_gate(uint32_t word, uintptr_t where);

/* A trap of ours was resolved; for the statistics. Trap side. */
void tli_ring_count_trap(void);

#endif
