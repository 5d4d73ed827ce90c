/* SPDX-License-Identifier: MIT
 *
 * What a breakpoint can stand in for: the effect of one instruction on a trapped context, as the processor would have
 * it. Trap side, in any context; which breakpoint stands for what is not known here.
 */
#ifndef TL_CORE_EMULATE_H
#define TL_CORE_EMULATE_H

#include <regs.h>
#include <stdbool.h>
#include <stdint.h>
#include <trapline/insn.h>
#include <trapline/port.h>

/* A near call of target that returns to behind. *regs may move. Here, so that whoever emulates calls alone links
 * nothing else; inlined always, so that it is part of the trap path. */
static inline __attribute__((always_inline)) void tli_emulate_call(struct tl_regs **regs, uintptr_t behind,
                                                                   uintptr_t target)
{
    tl_port_push(regs, behind);
    (*regs)->ip = target;
}

/* True if tli_emulate() can stand in for insn: nop, endbr; near call, jmp, jcc, loop, jcxz, ret; push, pop, leave. Not
 * with an operand-size prefix, nor through FS or GS. Any side. */
bool tli_can_emulate(const struct tl_insn *insn);

/* The effect of insn, which tli_can_emulate() accepts, when it stands at address: registers, flags, stack and ip.
 * bytes: the instruction's, decoded in insn. *regs may move. Memory operands are read with plain loads: one that faults
 * faults here. */
void tli_emulate(struct tl_regs **regs, const struct tl_insn *insn, const uint8_t *bytes, uintptr_t address);

#endif
