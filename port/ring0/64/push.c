/* SPDX-License-Identifier: MIT
 *
 * The frame contract on x86-64: the CPU has pushed the stack pointer, and entry.S leaves five words free above the
 * frame of an int3 from kernel mode.
 */
#include <core/section.h>
#include <port/ring0/frame.h>
#include <trapline/port.h>

TLI_TRAP void tl_port_push(struct tl_regs **regs, uintptr_t value)
{
    uintptr_t sp = (*regs)->gpr[TL_REG_SP] -= sizeof value;
    *(volatile uintptr_t *)sp = value;
}

TLI_TRAP void frame_complete(struct pt_regs *regs)
{
    (void)regs; /* entry.S did */
}

TLI_TRAP struct pt_regs *frame_settle(struct pt_regs *regs)
{
    return regs; /* the way out reads the stack pointer from it */
}
