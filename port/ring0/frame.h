/* SPDX-License-Identifier: MIT
 *
 * Between entry.S and the handlers of a trap from kernel mode: what makes its frame keep the contract of regs.h. One
 * implementation for x86-64 (64/push.c), two for i386 (32/move, 32/gap). Section .text.trap.
 */
#ifndef PORT_RING0_FRAME_H
#define PORT_RING0_FRAME_H

#include <ptregs.h>

/* Before anybody reads the registers: gpr[TL_REG_SP] is the interrupted stack pointer then. */
void frame_complete(struct pt_regs *regs);

/* After everybody, for an int3: returns the frame to go back through, so that the stack pointer becomes what
 * gpr[TL_REG_SP] says. */
struct pt_regs *frame_settle(struct pt_regs *regs);

#endif
