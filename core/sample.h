/* SPDX-License-Identifier: MIT
 *
 * Which calls of a thread are recorded when only one of N is (tl_control.one_in), and which of those have not returned
 * yet. Memory of the thread alone: no ring, no clock, no system call; a signal handler may come in anywhere and do the
 * same. Called by ring.c; the stubs (arch/x86/.../record.S) do what is frequent themselves.
 */
#ifndef TL_CORE_SAMPLE_H
#define TL_CORE_SAMPLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <thread.h>

/* A call is known by the address at which its return address lies: its exits find it there, and nobody else does as
 * long as it has not returned. */
struct tli_samples {
    int32_t left; /* calls until the next that is recorded; the stubs count down, and come here at 0 or below */
    uint32_t random;
    uint32_t reserved[14];
    volatile uintptr_t open[TL_SAMPLES_MAX]; /* recorded, not returned; 0: none */
    volatile uint32_t function[TL_SAMPLES_MAX];
};

_Static_assert(offsetof(struct tli_samples, left) == 0, "record.S");
_Static_assert(offsetof(struct tli_samples, open) == TL_SAMPLES_OPEN, "record.S");

/* Forgets what was; seed: any number. */
void tli_samples_begin(struct tli_samples *samples, uint32_t one_in, uint32_t seed);

/* A stub has come here: word is its event's upper word, where the address of the return address. True: it is to be
 * recorded. */
bool tli_samples_take(struct tli_samples *samples, uint32_t one_in, uint32_t word, uintptr_t where);

/* The same of an entry that is to be recorded, chosen by others. False: too many are open. */
bool tli_samples_enter(struct tli_samples *samples, uint32_t word, uintptr_t where);

/* True once in one_in times; seed: a clock. */
bool tli_samples_chance(uint32_t seed, uint32_t one_in);

#endif
