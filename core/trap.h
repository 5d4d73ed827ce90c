/* SPDX-License-Identifier: MIT
 *
 * What is done with a breakpoint. Called by a port's trap entry, in any context, on complete registers (the frame
 * contract of arch/x86/.../regs.h). Searching is in site.c.
 */
#ifndef TL_CORE_TRAP_H
#define TL_CORE_TRAP_H

#include <stdbool.h>
#include <stdint.h>

struct tl_regs;

/* address: of the byte that trapped: the int3, or the invalid opcode. True: the registers say where to go on. False:
 * not ours, the next in order may look; the registers are untouched. */
bool tli_trap(struct tl_regs **regs, uintptr_t address);

#endif
