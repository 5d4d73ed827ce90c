/* SPDX-License-Identifier: MIT
 *
 * What the tests of probes share: functions to probe, counting handlers, and claims that let a test go on.
 */
#ifndef KERNEL_PROBE_PREY_H
#define KERNEL_PROBE_PREY_H

#include <kernel/test.h>
#include <stdatomic.h>
#include <stdint.h>
#include <trapline/probe.h>

#define OPAQUE __asm__ volatile("" : : : "memory") /* a call is a call, and comes back */
#ifdef __clang__
#define PREY __attribute__((noinline))
#else
#define PREY __attribute__((noipa))
#endif

/* The first claim of a test that does not hold; a test goes on, so that it leaves everything as it was. */
extern const char *volatile probe_failed;
#define EXPECT(claim)                                                                                                  \
    do {                                                                                                               \
        if (!(claim) && !probe_failed)                                                                                 \
            probe_failed = #claim;                                                                                     \
    } while (0)

struct probe_told {
    _Atomic unsigned before, after;
};

static inline void add_one(_Atomic unsigned *count)
{
    atomic_fetch_add_explicit(count, 1, memory_order_relaxed); /* relaxed: read when the threads have ended */
}

/* Handlers that count in their probe's data, a struct probe_told. */
bool probe_count_before(struct tl_probe *probe, struct tl_regs *regs);
void probe_count_after(struct tl_probe *probe, struct tl_regs *regs);

/* In assembly, so that their instructions are known: 0x33, six, 0x33. */
unsigned probe_prey_jump(void);
unsigned probe_prey_loop(void);
unsigned probe_prey_calls(void);
#define PREY_JUMP_ADD ((uintptr_t)probe_prey_jump + 5)
#define PREY_JUMP_END ((uintptr_t)probe_prey_jump + 8)
#define PREY_CALLS_CALL ((uintptr_t)probe_prey_calls + 2)

#endif
