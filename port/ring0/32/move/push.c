/* SPDX-License-Identifier: MIT
 *
 * FRAME=move: the saved registers lie directly on top of the interrupted stack, so whoever pushes there moves them down
 * first, and hands back where they are; entry.S keeps room below the frame of an int3 and returns through what it is
 * handed. Open-coded copies: nothing here may call what could carry a site.
 */
#include <core/section.h>
#include <port/ring0/32/move/kernel_stack_pointer.h>
#include <port/ring0/frame.h>
#include <trapline/port.h>

enum { WORDS = offsetof(struct pt_regs, sp) / sizeof(uint32_t) }; /* of a frame from kernel mode */

TLI_TRAP void tl_port_push(struct tl_regs **regs, uintptr_t value)
{
    volatile uint32_t *from = (volatile uint32_t *)*regs, *to = from - 1;
    for (unsigned i = 0; i < WORDS; i++)
        to[i] = from[i];
    to[WORDS] = value;
    *regs = (struct tl_regs *)to;
    (*regs)->gpr[TL_REG_SP] -= sizeof value;
}

TLI_TRAP void frame_complete(struct pt_regs *regs)
{
    regs->regs.gpr[TL_REG_SP] = kernel_stack_pointer(regs);
}

/* A pop has left the stack pointer above the frame: it moves up to there. */
TLI_TRAP struct pt_regs *frame_settle(struct pt_regs *regs)
{
    uintptr_t up = regs->regs.gpr[TL_REG_SP] - kernel_stack_pointer(regs);
    volatile uint32_t *from = (volatile uint32_t *)regs, *to = (volatile uint32_t *)((uintptr_t)regs + up);
    for (unsigned i = up ? WORDS : 0; i-- > 0;)
        to[i] = from[i];
    return (struct pt_regs *)to;
}
