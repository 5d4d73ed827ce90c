/* SPDX-License-Identifier: MIT
 *
 * The two looks at an instruction: the engine's own decoder, which gives lengths and classes and is asked once or twice
 * for each instruction of a file, and Zydis for the few whose operands matter.
 */
#include <Zydis/Zydis.h>
#include <plan/decode.h>
#include <plan/operands.h>
#include <string.h>
#include <trapline/insn.h>

bool tli_operands(struct tli_operands *out, const uint8_t *bytes, size_t size)
{
    ZydisDecoder decoder;
    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    return ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, bytes, size < 15 ? size : 15, &out->insn, out->operand));
}

static uint8_t class_of(const struct tl_insn *insn)
{
    static const uint8_t classes[] = {
        [TL_INSN_OTHER] = TLI_OTHER,     [TL_INSN_NOP] = TLI_NOP,      [TL_INSN_ENDBR] = TLI_ENDBR,
        [TL_INSN_CALL_REL] = TLI_CALL,   [TL_INSN_JMP_REL] = TLI_JUMP, [TL_INSN_CALL_IND] = TLI_CALL_INDIRECT,
        [TL_INSN_JCC] = TLI_BRANCH,      [TL_INSN_LOOP] = TLI_BRANCH,  [TL_INSN_JMP_IND] = TLI_JUMP_INDIRECT,
        [TL_INSN_XBEGIN] = TLI_XBEGIN,   [TL_INSN_RET] = TLI_RET,      [TL_INSN_FAR] = TLI_STOP,
        [TL_INSN_SYSCALL] = TLI_SYSCALL, [TL_INSN_INT3] = TLI_INT3,    [TL_INSN_HLT] = TLI_STOP,
    };
    if (insn->category == TL_INSN_TRAP) /* ud2, ud1, ud0; the int instructions go on behind themselves */
        return insn->map == 1 ? TLI_STOP : TLI_OTHER;
    return classes[insn->category];
}

/* What insn names without branching there. */
static void find_named(struct tli_insn *out, const struct tl_insn *insn, const uint8_t *bytes, uint64_t next)
{
    bool one_byte = insn->map == 0;
    if (insn->flags & TL_INSN_RIP_RELATIVE) {
        out->named = next + (uint64_t)(int64_t)insn->disp;
        out->is_address = one_byte && insn->opcode == 0x8d;                                                  /* lea */
    } else if (one_byte && insn->imm_size >= 4 && ((insn->opcode & 0xf8) == 0xb8 || insn->opcode == 0xc7)) { /* mov */
        memcpy(&out->named, bytes + insn->imm_offset, insn->imm_size);
        out->is_address = true;
    }
}

bool tli_decode(struct tli_insn *out, const uint8_t *bytes, size_t size, uint64_t address)
{
    struct tl_insn insn;
    if (tl_insn_decode(&insn, bytes, size, TL_MODE_64) != TL_OK)
        return false;
    uint64_t next = address + insn.length;
    *out = (struct tli_insn){.length = insn.length, .class = class_of(&insn)};
    if (insn.rel_size)
        out->target = next + (uint64_t)(int64_t)insn.rel;
    else
        find_named(out, &insn, bytes, next);
    return true;
}
