/* SPDX-License-Identifier: MIT
 *
 * The registers of an interrupted i386 context, complete, as every port hands them to the core: the frame contract.
 * The general registers stand in the order of their encoding. Twin: arch/x86/64/regs.h.
 */
#ifndef TL_ARCH_REGS_H
#define TL_ARCH_REGS_H

#include <stdint.h>
#include <trapline/insn.h>

#define TL_ARCH_MODE TL_MODE_32
#define TL_ARCH_GPRS 8

enum { TL_REG_AX, TL_REG_CX, TL_REG_DX, TL_REG_BX, TL_REG_SP, TL_REG_BP, TL_REG_SI, TL_REG_DI };

struct tl_regs {
    uint32_t gpr[TL_ARCH_GPRS];
    uint32_t ip;
    uint32_t flags;
};

#endif
