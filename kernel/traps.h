/* SPDX-License-Identifier: MIT
 *
 * int3, in the order and under the names of the mail that this kernel exists for; each a thin name over its room. What
 * a build leaves out (ftrace, kprobes, kgdb) declines.
 *
 *   entry.S -> do_int3, do_kernel_int3 (kernel/32/int3.c, kernel/64/int3.c)
 *           -> ftrace_int3_handler -> poke_int3_handler            section .text.trap, any context
 *           -> ist_enter -> kgdb_ll_trap -> kprobe_int3_handler -> notify_die -> do_trap -> ist_exit
 */
#ifndef KERNEL_TRAPS_H
#define KERNEL_TRAPS_H

#include <ptregs.h>
#include <stdbool.h>
#include <trapline/notify.h>

enum { X86_TRAP_BP = 3, SIGTRAP = 5 };

/* The first stage. True: the registers say where to go on; on i386 *regs may have moved. */
bool modifying_ftrace_code(void);
bool ftrace_int3_handler(struct pt_regs **regs);
bool poke_int3_handler(struct pt_regs **regs);
/* An invalid opcode: one that traps inside a jump of the engine's (core/place.h). */
bool poke_opcode_handler(struct pt_regs *regs);

/* The later stages for a trap from kernel mode; each may trap itself. Does not return if nobody wants it. */
void kernel_int3_later(struct pt_regs **regs, long error_code);
/* For one from ring 3. */
void user_int3_later(struct pt_regs *regs, long error_code);

/* Around whatever can come in any context: RCU sees this CPU, nothing is scheduled. Nests. */
void ist_enter(struct pt_regs *regs);
void ist_exit(struct pt_regs *regs);
bool rcu_is_watching(void);

bool kgdb_ll_trap(struct pt_regs *regs);
bool kprobe_int3_handler(struct pt_regs **regs);
/* Any other exception, first of all: one of a probed instruction's copy becomes the instruction's own. */
void kprobe_fault(struct pt_regs *regs);
bool notify_die(enum tl_notify_event event, const char *name, struct pt_regs **regs, long error_code, int trap,
                int signal);

/* As the interrupted context had them. */
void cond_local_irq_enable(struct pt_regs *regs);
void cond_local_irq_disable(struct pt_regs *regs);

/* The end of the order: a ring-3 task gets its signal; for the kernel it is a panic. */
void do_trap(int trap, int signal, const char *name, struct pt_regs *regs, long error_code);

/* Not int3, but the debugger's, too: a debug exception; the timer, which asks whether gdb wants to talk. */
bool debug_trap(struct pt_regs *regs);
bool nmi_trap(struct pt_regs *regs);
void kgdb_poll_hook(struct pt_regs *regs);

#endif
