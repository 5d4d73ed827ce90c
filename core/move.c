/* SPDX-License-Identifier: MIT
 *
 * Moving one instruction. See move.h.
 */
#include <code.h>
#include <core/move.h>
#include <regs.h>

static void refuse(struct tli_code *code, enum tl_status status)
{
    if (code->status == TL_OK)
        code->status = status;
}

void tli_code_bytes(struct tli_code *code, const uint8_t *bytes, uint32_t count)
{
    if (code->size + count > code->room) {
        refuse(code, TL_NO_ROOM);
        return;
    }
    if (code->bytes)
        for (uint32_t i = 0; i < count; i++)
            code->bytes[code->size + i] = bytes[i];
    code->size += count;
}

static void code_word(struct tli_code *code, uint32_t word)
{
    uint8_t bytes[4] = {(uint8_t)word, (uint8_t)(word >> 8), (uint8_t)(word >> 16), (uint8_t)(word >> 24)};
    tli_code_bytes(code, bytes, 4);
}

void tli_code_patch(struct tli_code *code, uint32_t offset, uint32_t word)
{
    if (code->bytes && code->status == TL_OK)
        for (uint32_t i = 0; i < 4; i++)
            code->bytes[offset + i] = (uint8_t)(word >> 8 * i);
}

/* target - next as a 32-bit displacement. On i386 every distance fits: addresses wrap. */
static uint32_t distance(struct tli_code *code, uintptr_t next, uintptr_t target)
{
    intptr_t far = (intptr_t)(target - next);
    if (code->bytes && far != (int32_t)far)
        refuse(code, TL_NO_MEMORY);
    return (uint32_t)far;
}

static void code_branch(struct tli_code *code, const uint8_t *opcode, uint32_t opcode_bytes, uintptr_t target)
{
    tli_code_bytes(code, opcode, opcode_bytes);
    code_word(code, distance(code, code->address + code->size + 4, target));
}

void tli_code_jump(struct tli_code *code, uintptr_t target)
{
    static const uint8_t jmp[1] = {0xe9};
    code_branch(code, jmp, 1, target);
}

uintptr_t tli_branch_target(const struct tl_insn *insn, uintptr_t from)
{
    return from + insn->length + (uintptr_t)(intptr_t)insn->rel;
}

bool tli_falls_through(const struct tl_insn *insn)
{
    switch (insn->category) {
    case TL_INSN_JMP_REL:
    case TL_INSN_JMP_IND:
    case TL_INSN_RET:
    case TL_INSN_FAR:
        return false;
    default:
        return true;
    }
}

/* A copy with its instruction-relative displacement, if any, made to point to the same place. */
static void copy(struct tli_code *code, const struct tl_insn *insn, const uint8_t *bytes, uintptr_t from)
{
    uint8_t moved[TL_INSN_MAX_BYTES];
    for (unsigned i = 0; i < insn->length; i++)
        moved[i] = bytes[i];
    if (insn->flags & TL_INSN_RIP_RELATIVE) {
        uintptr_t target = from + insn->length + (uintptr_t)(intptr_t)insn->disp;
        uint32_t word = distance(code, code->address + code->size + insn->length, target);
        for (unsigned i = 0; i < 4; i++)
            moved[insn->disp_offset + i] = (uint8_t)(word >> 8 * i);
    }
    tli_code_bytes(code, moved, insn->length);
}

/* loop, loope, loopne, jcxz have only an 8-bit reach: they branch over a jump, into another. */
static void move_loop(struct tli_code *code, const struct tl_insn *insn, const uint8_t *bytes, uintptr_t target)
{
    static const uint8_t over[3] = {2, 0xeb, 5};
    tli_code_bytes(code, bytes, insn->length - 1u);
    tli_code_bytes(code, over, 3);
    tli_code_jump(code, target);
}

/* The call's return address stays the one in the original code, so that whoever walks the stack finds what it expects.
 */
static void move_call(struct tli_code *code, const struct tl_insn *insn, const uint8_t *bytes, uintptr_t from,
                      uintptr_t target)
{
    uint8_t push[TL_ARCH_PUSH_RETURN_BYTES];
    if (insn->category == TL_INSN_CALL_IND) {
        unsigned mod = insn->modrm >> 6, rm = insn->modrm & 7;
        /* An operand that uses the stack pointer would be read after the push. */
        bool sib = mod != 3 && rm == 4;
        uint8_t base = sib ? bytes[insn->modrm_offset + 1] & 7 : 0;
        if ((sib && base == 4 && !(insn->rex & 1)) || (mod == 3 && rm == 4 && !(insn->rex & 1))) {
            refuse(code, TL_CANNOT_MOVE);
            return;
        }
    }
    if (insn->flags & TL_INSN_OPSIZE) {
        refuse(code, TL_CANNOT_MOVE); /* 16-bit target, on one maker's processors only */
        return;
    }
    tli_code_bytes(code, push, (uint32_t)tl_arch_push_return(push, from + insn->length));
    if (insn->category == TL_INSN_CALL_REL) {
        tli_code_jump(code, target);
        return;
    }
    uint8_t jump[TL_INSN_MAX_BYTES];
    for (unsigned i = 0; i < insn->length; i++)
        jump[i] = bytes[i];
    jump[insn->modrm_offset] = (uint8_t)((insn->modrm & ~0x38) | 4 << 3); /* FF /2 call -> FF /4 jmp */
    copy(code, insn, jump, from);
}

void tli_move(struct tli_code *code, const struct tl_insn *insn, const uint8_t *bytes, uintptr_t from, uintptr_t target)
{
    uint8_t jcc[2] = {0x0f, (uint8_t)(0x80 | insn->cc)};
    switch (insn->category) {
    case TL_INSN_JMP_REL:
        tli_code_jump(code, target);
        return;
    case TL_INSN_JCC:
        code_branch(code, jcc, 2, target);
        return;
    case TL_INSN_LOOP:
        move_loop(code, insn, bytes, target);
        return;
    case TL_INSN_CALL_REL:
    case TL_INSN_CALL_IND:
        move_call(code, insn, bytes, from, target);
        return;
    case TL_INSN_XBEGIN: /* the abort address would be the copy's */
    case TL_INSN_INT3:   /* the trap's address would be the copy's */
    case TL_INSN_TRAP:
        refuse(code, TL_CANNOT_MOVE);
        return;
    default:
        copy(code, insn, bytes, from);
    }
}

uint32_t tli_move_inverted(struct tli_code *code, const struct tl_insn *insn)
{
    uint8_t jcc[2] = {0x0f, (uint8_t)(0x80 | (insn->cc ^ 1))};
    if (insn->category != TL_INSN_JCC)
        refuse(code, TL_CANNOT_MOVE);
    tli_code_bytes(code, jcc, 2);
    code_word(code, 0);
    return code->size - 4;
}
