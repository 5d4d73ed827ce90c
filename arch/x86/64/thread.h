/* SPDX-License-Identifier: MIT
 *
 * Where the stub templates find a thread's recording state: offsets from the GS base. For assembly and C; core/ring.h
 * asserts that the structure agrees. Twin: arch/x86/32/thread.h.
 */
#ifndef TL_ARCH_THREAD_H
#define TL_ARCH_THREAD_H

#define TL_THREAD_CURSOR 0      /* address of the next free slot */
#define TL_THREAD_LIMIT 8       /* no slot at or above this address */
#define TL_THREAD_POINTER 16    /* FS base of the thread that owns the block */
#define TL_THREAD_CLOCK_HIGH 24 /* bits 32..63 of the TSC, as of the last clock record */
#define TL_THREAD_MIN_TICKS 48  /* calls that took less are retracted */
#define TL_THREAD_COUNTING 64   /* complement of TL_THREAD_POINTER while the thread's calls are counted */
#define TL_THREAD_COUNTERS 72   /* then: address of its counters, eight bytes a function */
#define TL_THREAD_SAMPLING 80   /* the same while one call of N is recorded */
#define TL_THREAD_SAMPLES 88    /* then: address of its struct tli_samples */

#define TL_SAMPLES_MAX 64  /* struct tli_samples: so many are open at most; each at a place of its own, by address */
#define TL_SAMPLES_OPEN 64 /* offset of those places */

#endif
