/* SPDX-License-Identifier: MIT
 *
 * The CPUs: how many, which, and what they send each other. Numbers are the local APICs' ids, 0 to cpu_count() - 1.
 */
#ifndef KERNEL_SMP_H
#define KERNEL_SMP_H

#include <kernel/thread.h>
#include <port/ring0/ring0.h>

#define CPU_MAX RING0_CPU_MAX

/* What a CPU has for itself. */
struct cpu {
    struct thread *idle;
    unsigned rcu_nesting; /* traps and threads that RCU sees; 0 while idle */
    uint8_t nmi;          /* kernel/nmi.c */
    _Atomic uint32_t ticks, nmis;
};
extern struct cpu cpus[CPU_MAX];

/* Any context, trap path included. */
static inline __attribute__((always_inline)) unsigned cpu_id(void)
{
    return thread_current()->cpu;
}
unsigned cpu_count(void);

/* Starts all others; they are in their idle threads when it returns. limit: no more than so many in all. */
void smp_begin(unsigned limit);

/* Any context. An interrupt of that vector, or an NMI, on cpu, which may be the current one. */
void cpu_send(unsigned cpu, uint8_t vector);
void cpu_send_nmi(unsigned cpu);

#endif
