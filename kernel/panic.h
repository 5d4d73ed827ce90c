/* SPDX-License-Identifier: MIT
 *
 * The end: a broken invariant, or a trap that nobody owns. Registers, and who called whom by name, on the console.
 */
#ifndef KERNEL_PANIC_H
#define KERNEL_PANIC_H

#include <stdbool.h>

struct pt_regs;

/* Any context. regs: of the trap, or NULL for "here". gdb, if it is there, may look first; then all CPUs stop. */
__attribute__((noreturn)) void panic(const char *what, struct pt_regs *regs);

/* True from the first panic on: who gets an NMI then stops. */
bool panic_going(void);

#endif
