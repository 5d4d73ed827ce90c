/* SPDX-License-Identifier: MIT
 *
 * One instruction as the plan needs it: where it may go, and what address it names. For operands, jumps.c asks Zydis
 * itself.
 */
#ifndef TL_PLAN_DECODE_H
#define TL_PLAN_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum tli_class {
    TLI_OTHER,
    TLI_NOP, /* does nothing, of any length: what assemblers pad with */
    TLI_ENDBR,
    TLI_CALL,          /* direct: target */
    TLI_CALL_INDIRECT, /* cell, if rip-relative */
    TLI_JUMP,
    TLI_JUMP_INDIRECT,
    TLI_BRANCH, /* jcc, loop, jrcxz */
    TLI_RET,
    TLI_STOP, /* ud2, hlt, far transfers: does not go on behind itself */
    TLI_INT3,
    TLI_SYSCALL, /* a thread may wait in it */
    TLI_XBEGIN,
};

struct tli_insn {
    uint8_t length;
    uint8_t class;
    uint64_t target; /* of a direct branch */
    uint64_t named;  /* address it refers to: lea, rip-relative memory operand, or an immediate of 32 bits; or 0 */
    bool is_address; /* named is taken as an address, not read: lea, mov $imm */
};

/* The instruction at bytes[0], which stands at address. False: none, or it does not end within size. */
bool tli_decode(struct tli_insn *out, const uint8_t *bytes, size_t size, uint64_t address);

#endif
