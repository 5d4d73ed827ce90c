/* SPDX-License-Identifier: MIT
 *
 * The general registers in the order and with the sizes of gdb's feature org.gnu.gdb.i386.core, x86-64. Where the value
 * of each is found is the gdb stub's business (kernel/kgdb_registers.c). Twin: arch/x86/32/gdb.h.
 */
#ifndef TL_ARCH_GDB_H
#define TL_ARCH_GDB_H

#include <stdbool.h>
#include <stdint.h>

#define TL_GDB_ARCHITECTURE "i386:x86-64"

/* R(name, gdb's type, bits, where): where is a number of tl_regs.gpr or one of IP, FLAGS, CS... */
#define TL_GDB_REGISTERS(R)                                                                                            \
    R(rax, int64, 64, 0)                                                                                               \
    R(rbx, int64, 64, 3)                                                                                               \
    R(rcx, int64, 64, 1)                                                                                               \
    R(rdx, int64, 64, 2)                                                                                               \
    R(rsi, int64, 64, 6)                                                                                               \
    R(rdi, int64, 64, 7)                                                                                               \
    R(rbp, data_ptr, 64, 5)                                                                                            \
    R(rsp, data_ptr, 64, 4)                                                                                            \
    R(r8, int64, 64, 8)                                                                                                \
    R(r9, int64, 64, 9)                                                                                                \
    R(r10, int64, 64, 10)                                                                                              \
    R(r11, int64, 64, 11)                                                                                              \
    R(r12, int64, 64, 12)                                                                                              \
    R(r13, int64, 64, 13)                                                                                              \
    R(r14, int64, 64, 14)                                                                                              \
    R(r15, int64, 64, 15)                                                                                              \
    R(rip, code_ptr, 64, IP)                                                                                           \
    R(eflags, i386_eflags, 32, FLAGS)                                                                                  \
    R(cs, int32, 32, CS)                                                                                               \
    R(ss, int32, 32, SS)                                                                                               \
    R(ds, int32, 32, DS)                                                                                               \
    R(es, int32, 32, ES)                                                                                               \
    R(fs, int32, 32, FS)                                                                                               \
    R(gs, int32, 32, GS)

static inline bool tl_gdb_rex(uint8_t byte)
{
    return (byte & 0xf0) == 0x40;
}

#endif
