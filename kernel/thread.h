/* SPDX-License-Identifier: MIT
 *
 * Kernel threads: each stays on its CPU and is preempted there by the timer. A thread lies at the low end of its own
 * stack, so the stack pointer leads to it in any context, traps included: they run on the stack of what they interrupt.
 */
#ifndef KERNEL_THREAD_H
#define KERNEL_THREAD_H

#include <kernel/layout.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <trapline/ftrace.h>
#include <width.h>

enum { THREAD_MAX = 24 };

struct user;

struct thread {
    struct tl_trace_thread trace;
    uintptr_t sp; /* while it does not run */
    const char *name;
    void (*run)(void *argument);
    void *argument;
    void *block;       /* tl_port_thread_block() */
    struct user *user; /* of the ring-3 task; else NULL */
    uintptr_t user_sp; /* where its traps from ring 3 go on: below what called it */
    unsigned id, cpu;
    unsigned preempt_off; /* not preempted while it is more than 0 */
    uint8_t context;      /* tl_port_context() */
    uint8_t interrupted;  /* the context that the breakpoint being served has interrupted */
    _Atomic uint8_t state;
};

/* Any context. Inlined always: part of the trap path. */
static inline __attribute__((always_inline)) struct thread *thread_current(void)
{
    struct thread *thread;
    __asm__("and " WIDTH_STACK_POINTER ", %0" : "=r"(thread) : "0"(-(uintptr_t)THREAD_STACK_BYTES) : "cc");
    return thread;
}

/* Starts run(argument) in a thread of its own, on one CPU after the other, or on a given one. NULL: too many. Name: any
 * text that stays. Thread context. */
struct thread *thread_start(const char *name, void (*run)(void *), void *argument);
struct thread *thread_start_on(unsigned cpu, const char *name, void (*run)(void *), void *argument);

/* Returns when it has ended. By whoever started it, once; without it the thread's place is never used again. */
void thread_wait(struct thread *thread);

/* Ends the current thread. */
__attribute__((noreturn)) void thread_exit(void);

/* Lets others of this CPU run. From a trap, or with preemption off, nothing happens. */
void thread_yield(void);
void thread_sleep_ms(unsigned ms);

/* The boot context of a CPU becomes its idle thread: once a CPU, before anything else here. idle never returns. */
void thread_begin(unsigned cpu);
__attribute__((noreturn)) void thread_idle(void);

/* The way out of an interrupt: another thread's turn, if it may be. Interrupts off. */
void thread_preempt(void);

#endif
