/* SPDX-License-Identifier: MIT
 *
 * NMIs. An int3 in what an NMI runs returns by iret, which lets the next NMI in although the first is not done: that
 * one is noted and served afterwards, so that they lie two deep at most. CR2 is kept, as a fault may be interrupted
 * before it has read it.
 */
#include <kernel/interrupts.h>
#include <kernel/panic.h>
#include <kernel/smp.h>
#include <kernel/traps.h>

enum { IDLE, EXECUTING, LATCHED };
enum { CONTEXT_NMI = 2 }; /* tl_port_context() */

static void serve(struct pt_regs *regs, struct cpu *cpu)
{
    atomic_fetch_add_explicit(&cpu->nmis, 1, memory_order_relaxed); /* relaxed: a counter */
    if (nmi_trap(regs))
        return;
    if (panic_going())
        for (;;)
            __asm__ volatile("cli; hlt");
    interrupts_hook *hook = interrupts_nmi_hook;
    if (hook)
        hook();
}

TL_NOTRACE void do_nmi(struct pt_regs *regs)
{
    struct thread *thread = thread_current();
    struct cpu *cpu = &cpus[thread->cpu];
    volatile uint8_t *state = &cpu->nmi; /* this CPU's own: what interrupts it is another NMI only */
    if (*state != IDLE) {
        *state = LATCHED;
        return;
    }
    uint8_t context = thread->context;
    uintptr_t fault;
    __asm__ volatile("mov %%cr2, %0" : "=r"(fault));
    thread->context = CONTEXT_NMI;
    do {
        *state = EXECUTING; /* before anything that can trap: its iret lets the next one in */
        ist_enter(regs);
        serve(regs, cpu);
        ist_exit(regs);
        uint8_t executing = EXECUTING;
        /* one instruction, else an NMI between look and write is lost */
        __asm__ volatile("cmpxchgb %2, %1" : "+a"(executing), "+m"(*state) : "q"((uint8_t)IDLE) : "cc", "memory");
    } while (*state != IDLE);
    thread->context = context;
    __asm__ volatile("mov %0, %%cr2" : : "r"(fault));
}
