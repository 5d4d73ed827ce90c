/* SPDX-License-Identifier: MIT
 *
 * What an int3 is offered to, in order; see traps.h. KERNEL_FTRACE, KERNEL_KPROBES and KERNEL_KGDB are the build's
 * switches; KERNEL_SKIP makes a kernel that must fail its tests, KERNEL_LOST and KERNEL_ASTRAY (int3.c) one that must
 * not boot.
 */
#include <core/section.h>
#include <core/trap.h>
#include <kernel/kgdb.h>
#include <kernel/panic.h>
#include <kernel/smp.h>
#include <kernel/traps.h>
#include <kernel/user.h>
#include <port/ring0/frame.h>
#if KERNEL_FTRACE
#include <core/ftrace.h>
#endif
#if KERNEL_KPROBES
#include <trapline/probe.h>
#endif

enum { CONTEXT_EXCEPTION = 3 }; /* tl_port_context() */
enum { FLAG_INTERRUPT = 0x200, FLAG_RESUME = 0x10000 };

typedef bool handler(struct tl_regs **regs, uintptr_t address);

/* A frame begins with its registers, so whoever moves these has moved the frame. Inlined: the handler is known. */
static inline __attribute__((always_inline)) bool offer(handler *handle, struct pt_regs **regs)
{
    struct tl_regs *trapped = &(*regs)->regs;
    uintptr_t address = trapped->ip - 1;
    bool mine = handle(&trapped, address);
    /* A late one becomes a fault: what stands there by now runs, and is resumed as after a fault (Intel SDM vol. 3,
     * "Instruction-Breakpoint Exception Condition"). QEMU up to 8.0 needs it, too: it may keep an int3 translated that
     * was overwritten during the translation, and would run into that for ever; with RF it looks at the bytes anew. */
    if (mine && trapped->ip == address)
        trapped->flags |= FLAG_RESUME;
    *regs = (struct pt_regs *)trapped;
    return mine;
}

#if KERNEL_SKIP
#include <core/site.h>

/* As it was before 2019: the site does nothing while it is changed. To see the tests fail. */
TLI_TRAP static bool skip(struct tl_regs **regs, uintptr_t address)
{
    unsigned cookie = tli_site_enter();
    const struct tli_site *site = tli_site_find(address);
    if (site)
        (*regs)->ip = site->address + site->size;
    tli_site_leave(cookie);
    return site;
}
#define tli_ftrace_int3 skip
#define tli_trap skip
#endif

#if KERNEL_FTRACE
TLI_TRAP bool modifying_ftrace_code(void)
{
    return tli_ftrace_modifying();
}

TLI_TRAP bool ftrace_int3_handler(struct pt_regs **regs)
{
    return offer(tli_ftrace_int3, regs);
}
#else
TLI_TRAP bool modifying_ftrace_code(void)
{
    return false;
}

TLI_TRAP bool ftrace_int3_handler(struct pt_regs **regs)
{
    (void)regs;
    return false;
}
#endif

TLI_TRAP bool poke_int3_handler(struct pt_regs **regs)
{
    return !user_mode(*regs) && !kgdb_breakpoint_at((*regs)->regs.ip - 1) && offer(tli_trap, regs);
}

bool poke_opcode_handler(struct pt_regs *regs)
{
    struct tl_regs *trapped = &regs->regs;
    return !user_mode(regs) && tli_trap(&trapped, trapped->ip);
}

bool rcu_is_watching(void)
{
    return cpus[cpu_id()].rcu_nesting > 0;
}

void ist_enter(struct pt_regs *regs)
{
    struct thread *thread = thread_current();
    (void)regs;
    thread->preempt_off++;
    cpus[thread->cpu].rcu_nesting++;
}

void ist_exit(struct pt_regs *regs)
{
    struct thread *thread = thread_current();
    (void)regs;
    if (!rcu_is_watching() || !thread->preempt_off)
        panic("ist_exit without ist_enter", NULL);
    cpus[thread->cpu].rcu_nesting--;
    thread->preempt_off--;
}

#if KERNEL_KGDB
bool kgdb_ll_trap(struct pt_regs *regs)
{
    return !user_mode(regs) && kgdb_int3(regs);
}

bool debug_trap(struct pt_regs *regs)
{
    return kgdb_debug(regs);
}

bool nmi_trap(struct pt_regs *regs)
{
    return kgdb_nmi(regs);
}

void kgdb_poll_hook(struct pt_regs *regs)
{
    kgdb_poll(regs);
}
#else
bool kgdb_ll_trap(struct pt_regs *regs)
{
    (void)regs;
    return false;
}

bool debug_trap(struct pt_regs *regs)
{
    (void)regs;
    return false;
}

bool nmi_trap(struct pt_regs *regs)
{
    (void)regs;
    return false;
}

void kgdb_poll_hook(struct pt_regs *regs)
{
    (void)regs;
}
#endif

#if KERNEL_KPROBES
static inline __attribute__((always_inline)) bool probe_int3(struct tl_regs **regs, uintptr_t address)
{
    return tl_probe_int3(regs, address, thread_current()->interrupted);
}

bool kprobe_int3_handler(struct pt_regs **regs)
{
    return !user_mode(*regs) && offer(probe_int3, regs);
}

void kprobe_fault(struct pt_regs *regs)
{
    if (!user_mode(regs))
        tl_probe_fault(&regs->regs);
}
#else
bool kprobe_int3_handler(struct pt_regs **regs)
{
    (void)regs;
    return false;
}

void kprobe_fault(struct pt_regs *regs)
{
    (void)regs;
}
#endif

#if KERNEL_LOST
/* What notifiers do to the registers, which they may move, is lost; the mail's reason against handlers that are given
 * less than struct pt_regs **. To see the boot fail. */
bool notify_die(enum tl_notify_event event, const char *name, struct pt_regs **regs, long error_code, int trap,
                int signal)
{
    struct {
        uintptr_t room[8];
        struct pt_regs frame;
    } copy = {.frame = **regs};
    struct tl_regs *trapped = &copy.frame.regs;
    return tl_notify(&(struct tl_notification){event, name, &trapped, (uintptr_t)error_code, trap, signal});
}
#else
bool notify_die(enum tl_notify_event event, const char *name, struct pt_regs **regs, long error_code, int trap,
                int signal)
{
    struct tl_regs *trapped = &(*regs)->regs;
    struct tl_notification what = {event, name, &trapped, (uintptr_t)error_code, trap, signal};
    bool consumed = tl_notify(&what);
    *regs = (struct pt_regs *)trapped;
    return consumed;
}
#endif

void cond_local_irq_enable(struct pt_regs *regs)
{
    if (regs->regs.flags & FLAG_INTERRUPT)
        __asm__ volatile("sti" : : : "memory");
}

void cond_local_irq_disable(struct pt_regs *regs)
{
    if (regs->regs.flags & FLAG_INTERRUPT)
        __asm__ volatile("cli" : : : "memory");
}

void do_trap(int trap, int signal, const char *name, struct pt_regs *regs, long error_code)
{
    (void)error_code;
    if (!user_mode(regs))
        panic(name, regs);
    user_signal(regs, trap, signal);
}

void kernel_int3_later(struct pt_regs **regs, long error_code)
{
    struct thread *thread = thread_current();
    uint8_t context = thread->context, interrupted = thread->interrupted;
    thread->context = CONTEXT_EXCEPTION;
    thread->interrupted = context;
    /* Nobody knows what was interrupted: the scheduler, an idle CPU that RCU does not see. So: no scheduling. */
    ist_enter(*regs);
    if (!rcu_is_watching())
        panic("entry code didn't wake RCU", *regs);
    if (!kgdb_ll_trap(*regs)) {
        if (!kprobe_int3_handler(regs) && !notify_die(TL_NOTIFY_INT3, "int3", regs, error_code, X86_TRAP_BP, SIGTRAP))
            do_trap(X86_TRAP_BP, SIGTRAP, "int3", *regs, error_code);
        kgdb_emulated(*regs);
    }
    ist_exit(*regs);
    thread->interrupted = interrupted;
    thread->context = context;
}

void user_int3_later(struct pt_regs *regs, long error_code)
{
    ist_enter(regs);
    if (!rcu_is_watching())
        panic("entry code didn't wake RCU", regs);
    bool consumed = notify_die(TL_NOTIFY_INT3, "int3", &regs, error_code, X86_TRAP_BP, SIGTRAP);
    ist_exit(regs);
    if (consumed)
        return;
    cond_local_irq_enable(regs);
    do_trap(X86_TRAP_BP, SIGTRAP, "int3", regs, error_code);
    cond_local_irq_disable(regs);
}
