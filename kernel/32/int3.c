/* SPDX-License-Identifier: MIT
 *
 * do_int3 and do_kernel_int3 of i386: the entry calls the former for ring 3, the latter for the kernel's own, and goes
 * back through the frame that it finds in *regs then. Twin: kernel/64/int3.c. The order is in kernel/traps.h.
 */
#include <core/section.h>
#include <kernel/kgdb.h>
#include <kernel/traps.h>
#include <port/ring0/frame.h>
#include <port/ring0/ring0.h>

TLI_TRAP void do_kernel_int3(struct pt_regs **regs)
{
    frame_complete(*regs);
#if KERNEL_ASTRAY /* the stack pointer is not the interrupted one's: to see the boot fail */
    (*regs)->regs.gpr[TL_REG_SP] += sizeof(uintptr_t);
#endif
    if ((modifying_ftrace_code() && ftrace_int3_handler(regs)) || poke_int3_handler(regs))
        kgdb_emulated(*regs);
    else
        kernel_int3_later(regs, 0);
    *regs = frame_settle(*regs);
}

TLI_TRAP void do_int3(struct pt_regs *regs, long error_code)
{
    frame_complete(regs);
    user_int3_later(regs, error_code);
}
