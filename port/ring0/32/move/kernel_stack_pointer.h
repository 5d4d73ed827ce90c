/* SPDX-License-Identifier: MIT
 *
 * FRAME=move: where the stack of a trapped context is. From kernel mode the CPU pushes no stack pointer: the registers
 * lie on top of the interrupted stack, whose first word is where sp would have been. With FRAME=gap there is no such
 * function.
 */
#ifndef PORT_RING0_KERNEL_STACK_POINTER_H
#define PORT_RING0_KERNEL_STACK_POINTER_H

#include <ptregs.h>

static inline uintptr_t kernel_stack_pointer(const struct pt_regs *regs)
{
    return user_mode(regs) ? regs->sp : (uintptr_t)&regs->sp;
}

#endif
