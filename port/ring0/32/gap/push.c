/* SPDX-License-Identifier: MIT
 *
 * FRAME=gap: every exception from kernel mode has a complete frame and room above it (gap/entry.inc), so a push is a
 * push. Nobody else needs to know.
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
    (void)regs; /* the entry did */
}

TLI_TRAP struct pt_regs *frame_settle(struct pt_regs *regs)
{
    return regs; /* the way out reads the stack pointer from it */
}
