/* SPDX-License-Identifier: MIT
 *
 * What the trampolines of ftrace (ftrace.S) share with core/ftrace: for assembly and C. Twin: arch/x86/64/ftrace.h.
 */
#ifndef TL_ARCH_FTRACE_H
#define TL_ARCH_FTRACE_H

#define TL_FTRACE_SITE_BYTES 5
#define TL_FTRACE_SLOTS 8       /* ops that can have a trampoline of their own at a time */
#define TL_FTRACE_SLOT_SHIFT 3  /* log2 of sizeof(struct tli_ftrace_slot) */
#define TL_FTRACE_REGS_BYTES 40 /* sizeof(struct tl_regs) */
#define TL_FTRACE_RETURN_POP                                                                                           \
    4 /* bytes of arguments that a C function may take off the stack: the place of a struct                            \
       */

#endif
