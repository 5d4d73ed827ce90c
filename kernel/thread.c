/* SPDX-License-Identifier: MIT
 *
 * Threads and their turns; see thread.h. A CPU looks only for threads of its own, so nothing is locked; states go from
 * hand to hand:
 *   FREE -> MADE   by whoever starts a thread (exchange)
 *   MADE -> READY  when it is filled [T1]
 *   READY <-> RUNNING, RUNNING -> ENDING  by its CPU
 *   ENDING -> DONE  by its CPU, on another stack
 *   DONE -> FREE   by whoever waited for it [T2]
 */
#include <kernel/apic.h>
#include <kernel/console.h>
#include <kernel/panic.h>
#include <kernel/segments.h>
#include <kernel/shell.h>
#include <kernel/smp.h>
#include <kernel/thread.h>
#include <trapline/port.h>

enum { FREE, MADE, READY, RUNNING, ENDING, DONE };

union stack {
    struct thread thread;
    uintptr_t words[THREAD_STACK_BYTES / sizeof(uintptr_t)];
};
union stack thread_stacks[THREAD_MAX] __attribute__((aligned(THREAD_STACK_BYTES)));

/* kernel/32/switch.S and kernel/64/switch.S: keeps what C keeps on the stack, and goes on with the other's. */
void thread_switch(uintptr_t *from_sp, uintptr_t to_sp);
extern const uint8_t thread_first[]; /* where a new thread's stack leads */

static uintptr_t top_of(struct thread *thread)
{
    return (uintptr_t)thread + THREAD_STACK_BYTES;
}

static void set_state(struct thread *thread, uint8_t state)
{
    /* [T1] [T2] release: the thread is filled, or has ended. Pairs with the acquires of whoever looks for it. */
    atomic_store_explicit(&thread->state, state, memory_order_release);
}

static uint8_t state_of(const struct thread *thread)
{
    return atomic_load_explicit(&thread->state, memory_order_acquire); /* [T1] [T2] acquire: see set_state() */
}

void thread_begin(unsigned cpu)
{
    struct thread *thread = thread_current();
    thread->name = "idle";
    thread->cpu = cpu;
    thread->id = cpu + 1;
    cpus[cpu].idle = thread;
    cpus[cpu].rcu_nesting = 1;
    set_state(thread, RUNNING);
}

struct thread *thread_start_on(unsigned cpu, const char *name, void (*run)(void *), void *argument)
{
    for (unsigned i = CPU_MAX; i < THREAD_MAX; i++) {
        struct thread *thread = &thread_stacks[i].thread;
        uint8_t expected = FREE;
        /* acquire: its last user has ended. */
        if (!atomic_compare_exchange_strong_explicit(&thread->state, &expected, MADE, memory_order_acquire,
                                                     memory_order_relaxed))
            continue;
        uintptr_t *sp = (uintptr_t *)top_of(thread);
        *--sp = 0; /* no caller: where a backtrace ends */
        *--sp = 0;
        *--sp = (uintptr_t)thread_first;
        for (unsigned word = 0; word < 6; word++) /* what thread_switch() takes off */
            *--sp = 0;
        thread->sp = (uintptr_t)sp;
        thread->name = name;
        thread->run = run;
        thread->argument = argument;
        thread->id = i + 1;
        thread->cpu = cpu;
        thread->context = 0;
        thread->preempt_off = 0;
        thread->user = NULL;
        thread->block = NULL;
        thread->trace.inside = 0;
        thread->trace.depth = 0;
        set_state(thread, READY);
        if (cpu != cpu_id())
            cpu_send(cpu, VECTOR_WAKE);
        return thread;
    }
    return NULL;
}

struct thread *thread_start(const char *name, void (*run)(void *), void *argument)
{
    static _Atomic unsigned next;
    unsigned turn = atomic_fetch_add_explicit(&next, 1, memory_order_relaxed); /* relaxed: any CPU is good */
    return thread_start_on(turn % cpu_count(), name, run, argument);
}

void thread_wait(struct thread *thread)
{
    while (state_of(thread) != DONE)
        thread_yield();
    set_state(thread, FREE);
}

/* The next thread of this CPU after the current one that could run, or the idle thread. */
static struct thread *next_of(struct thread *now)
{
    unsigned at = (unsigned)((union stack *)now - thread_stacks);
    for (unsigned i = 1; i <= THREAD_MAX; i++) {
        struct thread *thread = &thread_stacks[(at + i) % THREAD_MAX].thread;
        if (state_of(thread) == READY && thread->cpu == now->cpu && thread != cpus[now->cpu].idle)
            return thread;
    }
    return state_of(now) == RUNNING ? now : cpus[now->cpu].idle;
}

/* Threads of this CPU that have ended: nobody is on their stacks any more. */
static void bury(const struct thread *now)
{
    for (unsigned i = CPU_MAX; i < THREAD_MAX; i++) {
        struct thread *thread = &thread_stacks[i].thread;
        if (thread != now && thread->cpu == now->cpu && state_of(thread) == ENDING)
            set_state(thread, DONE);
    }
}

/* Interrupts off. */
static void schedule(void)
{
    struct thread *now = thread_current(), *next = next_of(now);
    bury(now);
    if (now->preempt_off)
        panic("scheduling with preemption off", NULL);
    if (next == now)
        return;
    if (next->user)
        segments_kernel_stack(next->cpu, next->user_sp);
    if (now != cpus[now->cpu].idle && state_of(now) == RUNNING)
        set_state(now, READY); /* nobody else looks for it */
    set_state(next, RUNNING);
    thread_switch(&now->sp, next->sp);
}

void thread_yield(void)
{
    struct thread *thread = thread_current();
    uint64_t state = tl_port_interrupts_off();
    if (state && !thread->preempt_off && !thread->context)
        schedule();
    tl_port_interrupts_restore(state);
    __asm__ volatile("pause");
}

void thread_preempt(void)
{
    struct thread *thread = thread_current();
    if (!thread->preempt_off && !thread->context && thread != cpus[thread->cpu].idle) /* idle looks by itself */
        schedule();
}

void thread_sleep_ms(unsigned ms)
{
    uint32_t begun = cpus[cpu_id()].ticks;
    while (cpus[cpu_id()].ticks - begun < ms / 10 + 1)
        thread_yield();
}

void thread_exit(void)
{
    struct thread *thread = thread_current();
    tl_trace_thread_end(&thread->trace);
    tl_port_interrupts_off();
    set_state(thread, ENDING);
    schedule();
    panic("a thread runs that has ended", NULL);
}

/* A new thread's first function: called from thread_first, interrupts off. */
void thread_main(void);
void thread_main(void)
{
    struct thread *thread = thread_current();
    tl_port_interrupts_restore(1);
    thread->run(thread->argument);
    thread_exit();
}

void thread_idle(void)
{
    struct cpu *cpu = &cpus[cpu_id()];
    for (;;) {
        tl_port_interrupts_off();
        schedule();
        cpu->rcu_nesting = 0; /* what interrupts an idle CPU must say that RCU is to see it: ist_enter() */
        __asm__ volatile("sti\n\thlt\n\tcli" : : : "memory");
        cpu->rcu_nesting = 1;
    }
}

static bool threads_asked(size_t count, char **words)
{
    static const char *const states[] = {"free", "made", "ready", "running", "ending", "done"};
    (void)count, (void)words;
    for (unsigned cpu = 0; cpu < cpu_count(); cpu++)
        console_print("CPU %u: %u ticks of the timer, %u NMIs\n", cpu, (unsigned)cpus[cpu].ticks,
                      (unsigned)cpus[cpu].nmis);
    for (unsigned i = 0; i < THREAD_MAX; i++) {
        const struct thread *thread = &thread_stacks[i].thread;
        uint8_t state = state_of(thread);
        if (state != FREE && state != MADE)
            console_print("%2u on CPU %u, %s: %s\n", thread->id, thread->cpu, states[state], thread->name);
    }
    return true;
}
SHELL_COMMAND(threads, ": the CPUs, and who runs on them", threads_asked);
