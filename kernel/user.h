/* SPDX-License-Identifier: MIT
 *
 * The ring-3 task: one piece of code at a time, its system calls (int 0x80) and its signals. See kernel/user.c.
 */
#ifndef KERNEL_USER_H
#define KERNEL_USER_H

/* System calls: number in ax, arguments in bx and cx; result in ax. */
#define USER_EXIT 0   /* bx: status */
#define USER_PRINT 1  /* bx: text, cx: bytes */
#define USER_SIGNAL 2 /* bx: handler; it finds the signal in ax, and the trap in bx */
#define USER_RETURN 3 /* from a handler, to where the signal came */

#ifndef __ASSEMBLER__
#include <stddef.h>
#include <stdint.h>

struct pt_regs;

/* Runs the ring-3 code from text on, size bytes of section .user, in the current thread until it exits. Returns its
 * status, or -signal if one ended it. One at a time. */
int user_run(const uint8_t *text, size_t size);

void user_system_call(struct pt_regs *regs);

/* The task whose registers these are has run into a trap: its handler, or its end. Interrupts as the task has them. */
void user_signal(struct pt_regs *regs, int trap, int signal);

/* For tests: called while a signal is delivered. NULL: nobody is. */
extern void (*volatile user_signal_hook)(void);

/* kernel/32/user.S and kernel/64/user.S: to ring 3, keeping the current stack for user_leave() to come back to. */
int user_enter(uintptr_t ip, uintptr_t sp, uintptr_t *kept_sp);
__attribute__((noreturn)) void user_leave(uintptr_t kept_sp, int status);
#endif

#endif
