/* SPDX-License-Identifier: MIT
 *
 * Where traps other than int3 go; see interrupts.h. Called by port/ring0's entry.S with interrupts off.
 */
#include <kernel/apic.h>
#include <kernel/interrupts.h>
#include <kernel/layout.h>
#include <kernel/panic.h>
#include <kernel/peek.h>
#include <kernel/smp.h>
#include <kernel/traps.h>
#include <kernel/user.h>
#include <port/ring0/frame.h>
#include <port/ring0/ring0.h>

enum { DEBUG = 1, NMI = 2, INVALID_OPCODE = 6, GENERAL_PROTECTION = 13, PAGE_FAULT = 14, EXCEPTIONS = 32 };
enum { CONTEXT_INTERRUPT = 1, CONTEXT_EXCEPTION = 3 }; /* tl_port_context() */

interrupts_hook *volatile interrupts_timer_hook, *volatile interrupts_test_hook, *volatile interrupts_nmi_hook;

static const char *const names[] = {"divide error",
                                    "debug",
                                    "NMI",
                                    "int3",
                                    "overflow",
                                    "bound",
                                    "invalid opcode",
                                    "no FPU",
                                    "double fault",
                                    "FPU overrun",
                                    "invalid TSS",
                                    "segment not present",
                                    "stack fault",
                                    "general protection",
                                    "page fault"};
/* What a ring-3 task gets for them. */
static const uint8_t signals[] = {8, 5, 0, 5, 11, 11, 4, 8, 0, 8, 11, 11, 11, 11, 11};

void interrupts_begin(void)
{
    static const uint8_t user_vectors[] = {3, VECTOR_SYSTEM_CALL, 0};
    ring0_idt_load(SEGMENT_CODE, user_vectors);
}

static void call_hook(interrupts_hook *hook)
{
    if (hook)
        hook();
}

static void interrupt(struct pt_regs *regs)
{
    struct thread *thread = thread_current();
    uint8_t context = thread->context;
    struct cpu *cpu = &cpus[thread->cpu];
    thread->context = CONTEXT_INTERRUPT;
    cpu->rcu_nesting++;
    apic_done();
    switch (regs->vector) {
    case VECTOR_TIMER:
        atomic_fetch_add_explicit(&cpu->ticks, 1, memory_order_relaxed); /* relaxed: a counter */
        call_hook(interrupts_timer_hook);
        kgdb_poll_hook(regs);
        break;
    case VECTOR_SERIALIZE:
        ring0_serialize_here();
        break;
    case VECTOR_TEST:
        call_hook(interrupts_test_hook);
        break;
    default: /* VECTOR_WAKE: what follows is all there is to do */
        break;
    }
    cpu->rcu_nesting--;
    thread->context = context;
    thread_preempt();
}

static void exception(struct pt_regs *regs)
{
    const char *name = regs->vector < sizeof names / sizeof names[0] ? names[regs->vector] : "exception";
    int signal = regs->vector < sizeof signals ? signals[regs->vector] : 11;
    if (regs->vector == DEBUG && debug_trap(regs))
        return;
    if (regs->vector == INVALID_OPCODE && poke_opcode_handler(regs))
        return;
    kprobe_fault(regs);
    if (!user_mode(regs) && (regs->vector == PAGE_FAULT || regs->vector == GENERAL_PROTECTION) &&
        peek_fault(&regs->regs))
        return;
    struct thread *thread = thread_current();
    uint8_t context = thread->context;
    thread->context = CONTEXT_EXCEPTION;
    ist_enter(regs);
    struct tl_regs *trapped = &regs->regs;
    struct tl_notification what = {regs->vector == DEBUG ? TL_NOTIFY_DEBUG : TL_NOTIFY_FAULT,
                                   name,
                                   &trapped,
                                   regs->error_code,
                                   (int)regs->vector,
                                   signal};
    bool consumed = tl_notify(&what);
    ist_exit(regs);
    thread->context = context;
    if (consumed)
        return;
    cond_local_irq_enable(regs);
    do_trap((int)regs->vector, signal, name, regs, (long)regs->error_code);
    cond_local_irq_disable(regs);
}

/* No site: see kernel/nmi.c. */
TL_NOTRACE void ring0_trap(struct pt_regs *regs)
{
    frame_complete(regs);
    if (regs->vector == NMI)
        do_nmi(regs);
    else if (regs->vector == VECTOR_SYSTEM_CALL)
        user_system_call(regs);
    else if (regs->vector < EXCEPTIONS)
        exception(regs);
    else if (regs->vector != VECTOR_SPURIOUS)
        interrupt(regs);
}
