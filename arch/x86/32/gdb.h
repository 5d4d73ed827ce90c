/* SPDX-License-Identifier: MIT
 *
 * The general registers in the order and with the sizes of gdb's feature org.gnu.gdb.i386.core, i386. Where the value
 * of each is found is the gdb stub's business (kernel/kgdb_registers.c). Twin: arch/x86/64/gdb.h.
 */
#ifndef TL_ARCH_GDB_H
#define TL_ARCH_GDB_H

#include <stdbool.h>
#include <stdint.h>

#define TL_GDB_ARCHITECTURE "i386"

/* R(name, gdb's type, bits, where): where is a number of tl_regs.gpr or one of IP, FLAGS, CS... */
#define TL_GDB_REGISTERS(R)                                                                                            \
    R(eax, int32, 32, 0)                                                                                               \
    R(ecx, int32, 32, 1)                                                                                               \
    R(edx, int32, 32, 2)                                                                                               \
    R(ebx, int32, 32, 3)                                                                                               \
    R(esp, data_ptr, 32, 4)                                                                                            \
    R(ebp, data_ptr, 32, 5)                                                                                            \
    R(esi, int32, 32, 6)                                                                                               \
    R(edi, int32, 32, 7)                                                                                               \
    R(eip, code_ptr, 32, IP)                                                                                           \
    R(eflags, i386_eflags, 32, FLAGS)                                                                                  \
    R(cs, int32, 32, CS)                                                                                               \
    R(ss, int32, 32, SS)                                                                                               \
    R(ds, int32, 32, DS)                                                                                               \
    R(es, int32, 32, ES)                                                                                               \
    R(fs, int32, 32, FS)                                                                                               \
    R(gs, int32, 32, GS)

static inline bool tl_gdb_rex(uint8_t byte)
{
    (void)byte; /* 40 to 4f are inc and dec */
    return false;
}

#endif
