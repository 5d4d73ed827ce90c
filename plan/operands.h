/* SPDX-License-Identifier: MIT
 *
 * The full look at one instruction, operands and all, by Zydis. For values.c, jumps.c and guard.c, which need few.
 */
#ifndef TL_PLAN_OPERANDS_H
#define TL_PLAN_OPERANDS_H

#include <Zydis/Zydis.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tli_operands {
    ZydisDecodedInstruction insn;
    ZydisDecodedOperand operand[ZYDIS_MAX_OPERAND_COUNT];
};

bool tli_operands(struct tli_operands *out, const uint8_t *bytes, size_t size);

#endif
