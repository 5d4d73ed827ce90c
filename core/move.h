/* SPDX-License-Identifier: MIT
 *
 * Copies one instruction so that it does at another address what it did where it stood. Poke side; no allocation.
 * Sources: Intel SDM vol. 2 (encodings), AMD64 APM vol. 3.
 */
#ifndef TL_CORE_MOVE_H
#define TL_CORE_MOVE_H

#include <stdbool.h>
#include <stdint.h>
#include <trapline/insn.h>
#include <trapline/status.h>

/* Code under construction that will run at address. With bytes == NULL only sizes are counted. */
struct tli_code {
    uint8_t *bytes;
    uintptr_t address;
    uint32_t size;
    uint32_t room;
    enum tl_status status; /* the first refusal sticks; what follows changes nothing */
};

void tli_code_bytes(struct tli_code *code, const uint8_t *bytes, uint32_t count);

/* jmp rel32. TL_NO_MEMORY sticks when target is out of reach. */
void tli_code_jump(struct tli_code *code, uintptr_t target);

/* Overwrites the word at offset. */
void tli_code_patch(struct tli_code *code, uint32_t offset, uint32_t word);

/* Where insn, standing at from, branches to. Only for classes with a relative operand. */
uintptr_t tli_branch_target(const struct tl_insn *insn, uintptr_t from);

/* Appends a copy of insn, whose bytes are given and which stood at from. A relative branch goes to target instead of
 * its own one. TL_CANNOT_MOVE sticks for what cannot run elsewhere. */
void tli_move(struct tli_code *code, const struct tl_insn *insn, const uint8_t *bytes, uintptr_t from,
              uintptr_t target);

/* Appends a jump that is taken when the conditional branch insn is not: over what follows, to be filled in by
 * tli_code_patch at the returned offset (rel32, counted from offset + 4). TL_CANNOT_MOVE for loop and jcxz. */
uint32_t tli_move_inverted(struct tli_code *code, const struct tl_insn *insn);

/* True if control can reach the next instruction. */
bool tli_falls_through(const struct tl_insn *insn);

#endif
