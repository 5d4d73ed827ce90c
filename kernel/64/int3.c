/* SPDX-License-Identifier: MIT
 *
 * do_int3 and do_kernel_int3 of x86-64: the entry calls do_int3 for all, which calls do_kernel_int3 first. Twin:
 * kernel/32/int3.c. The order is in kernel/traps.h.
 */
#include <core/section.h>
#include <kernel/kgdb.h>
#include <kernel/traps.h>
#include <port/ring0/ring0.h>

TLI_TRAP void do_kernel_int3(struct pt_regs **regs)
{
    if (user_mode(*regs))
        return;
#if KERNEL_ASTRAY /* the stack pointer is not the interrupted one's: to see the boot fail */
    (*regs)->regs.gpr[TL_REG_SP] += sizeof(uintptr_t);
#endif
    if ((modifying_ftrace_code() && ftrace_int3_handler(regs)) || poke_int3_handler(regs))
        kgdb_emulated(*regs);
    else
        kernel_int3_later(regs, 0);
}

TLI_TRAP void do_int3(struct pt_regs *regs, long error_code)
{
    do_kernel_int3(&regs); /* declines what is not the kernel's */
    if (user_mode(regs))
        user_int3_later(regs, error_code);
}
