/* SPDX-License-Identifier: MIT
 *
 * Traps but int3: exceptions, interrupts, NMI. The order in which an int3 is offered is in kernel/traps.h.
 */
#ifndef KERNEL_INTERRUPTS_H
#define KERNEL_INTERRUPTS_H

#include <stdbool.h>

struct pt_regs;

/* On each CPU, interrupts off. */
void interrupts_begin(void);

/* For tests: called in each timer interrupt, in each VECTOR_TEST, in each NMI; NULL: nobody. */
typedef void interrupts_hook(void);
extern interrupts_hook *volatile interrupts_timer_hook, *volatile interrupts_test_hook, *volatile interrupts_nmi_hook;

/* kernel/nmi.c. Vector 2. */
void do_nmi(struct pt_regs *regs);

#endif
