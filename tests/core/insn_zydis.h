/* SPDX-License-Identifier: MIT
 *
 * What tl_insn_decode() should say, taken from Zydis: the oracle that insn_oracle.c and the fuzzer hold the decoder
 * against. Included by those two, nowhere else.
 *
 * What is an instruction, how long it is and where its parts lie is Zydis 4.0's word without exception. That includes
 * what no processor of today has any more (MVEX), and leaves out what came after it (AVX-IFMA, CMPccXADD, APX...):
 * those are "no instruction" to us too. Two words of its own are not taken over: xend counts as a conditional branch
 * there, and 3E as notrack on far branches.
 */
#ifndef TL_TESTS_CORE_INSN_ZYDIS_H
#define TL_TESTS_CORE_INSN_ZYDIS_H

#include <Zydis/Zydis.h>
#include <stdbool.h>
#include <string.h>
#include <trapline/insn.h>

static ZydisDecoder zydis_decoders[2];

static void zydis_init(void)
{
    ZydisDecoderInit(&zydis_decoders[0], ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32);
    ZydisDecoderInit(&zydis_decoders[1], ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
}

static uint8_t zydis_class(const ZydisDecodedInstruction *z)
{
    switch (z->mnemonic) {
    case ZYDIS_MNEMONIC_NOP:
        return z->opcode == 0x90 || (z->opcode == 0x1f && z->raw.modrm.reg == 0) ? TL_INSN_NOP : TL_INSN_OTHER;
    case ZYDIS_MNEMONIC_ENDBR32:
    case ZYDIS_MNEMONIC_ENDBR64:
        return TL_INSN_ENDBR;
    case ZYDIS_MNEMONIC_CALL:
        if (z->meta.branch_type == ZYDIS_BRANCH_TYPE_FAR)
            return TL_INSN_FAR;
        return z->raw.imm[0].is_relative ? TL_INSN_CALL_REL : TL_INSN_CALL_IND;
    case ZYDIS_MNEMONIC_JMP:
        if (z->meta.branch_type == ZYDIS_BRANCH_TYPE_FAR)
            return TL_INSN_FAR;
        return z->raw.imm[0].is_relative ? TL_INSN_JMP_REL : TL_INSN_JMP_IND;
    case ZYDIS_MNEMONIC_LOOP:
    case ZYDIS_MNEMONIC_LOOPE:
    case ZYDIS_MNEMONIC_LOOPNE:
    case ZYDIS_MNEMONIC_JCXZ:
    case ZYDIS_MNEMONIC_JECXZ:
    case ZYDIS_MNEMONIC_JRCXZ:
        return TL_INSN_LOOP;
    case ZYDIS_MNEMONIC_XBEGIN:
        return TL_INSN_XBEGIN;
    case ZYDIS_MNEMONIC_RET:
        return z->meta.branch_type == ZYDIS_BRANCH_TYPE_FAR ? TL_INSN_FAR : TL_INSN_RET;
    case ZYDIS_MNEMONIC_IRET:
    case ZYDIS_MNEMONIC_IRETD:
    case ZYDIS_MNEMONIC_IRETQ:
    case ZYDIS_MNEMONIC_SYSRET:
    case ZYDIS_MNEMONIC_SYSEXIT:
    case ZYDIS_MNEMONIC_UIRET:
        return TL_INSN_FAR;
    case ZYDIS_MNEMONIC_SYSCALL:
    case ZYDIS_MNEMONIC_SYSENTER:
        return TL_INSN_SYSCALL;
    case ZYDIS_MNEMONIC_INT3:
        return TL_INSN_INT3;
    case ZYDIS_MNEMONIC_INT:
        return z->raw.imm[0].value.u == 0x80 ? TL_INSN_SYSCALL : TL_INSN_TRAP;
    case ZYDIS_MNEMONIC_INT1:
    case ZYDIS_MNEMONIC_INTO:
    case ZYDIS_MNEMONIC_UD0:
    case ZYDIS_MNEMONIC_UD1:
    case ZYDIS_MNEMONIC_UD2:
        return TL_INSN_TRAP;
    case ZYDIS_MNEMONIC_HLT:
        return TL_INSN_HLT;
    default:
        return z->meta.category == ZYDIS_CATEGORY_COND_BR && z->raw.imm[0].is_relative &&
                       z->encoding == ZYDIS_INSTRUCTION_ENCODING_LEGACY
                   ? TL_INSN_JCC
                   : TL_INSN_OTHER;
    }
}

static uint8_t zydis_map(const ZydisDecodedInstruction *z)
{
    switch (z->encoding) {
    case ZYDIS_INSTRUCTION_ENCODING_3DNOW:
        return 1;
    case ZYDIS_INSTRUCTION_ENCODING_XOP:
        return z->raw.xop.m_mmmm;
    case ZYDIS_INSTRUCTION_ENCODING_VEX:
        return z->raw.vex.m_mmmm;
    case ZYDIS_INSTRUCTION_ENCODING_EVEX:
        return z->raw.evex.mmm;
    case ZYDIS_INSTRUCTION_ENCODING_MVEX:
        return z->raw.mvex.mmmm;
    default:
        return (uint8_t)(z->opcode_map - ZYDIS_OPCODE_MAP_DEFAULT);
    }
}

static uint8_t zydis_flags(const ZydisDecodedInstruction *z, bool mode64)
{
    uint8_t flags = 0, segment = 0;
    for (unsigned i = 0; i < z->raw.prefix_count; i++)
        switch (z->raw.prefixes[i].value) {
        case 0xf0:
            flags |= TL_INSN_LOCK;
            break;
        case 0xf2:
            flags |= TL_INSN_REPNE;
            break;
        case 0xf3:
            flags |= TL_INSN_REP;
            break;
        case 0x66:
            flags |= TL_INSN_OPSIZE;
            break;
        case 0x67:
            flags |= TL_INSN_ADDRSIZE;
            break;
        case 0x26:
        case 0x2e:
        case 0x36:
        case 0x3e:
            segment = mode64 ? segment : z->raw.prefixes[i].value;
            break;
        case 0x64:
        case 0x65:
            segment = z->raw.prefixes[i].value;
            break;
        default:
            break;
        }
    if (segment >= 0x64)
        flags |= TL_INSN_SEGMENT;
    if (z->attributes & ZYDIS_ATTRIB_HAS_NOTRACK && z->meta.branch_type != ZYDIS_BRANCH_TYPE_FAR)
        flags |= TL_INSN_NOTRACK;
    if (mode64 && z->attributes & ZYDIS_ATTRIB_HAS_MODRM && z->raw.modrm.mod == 0 && z->raw.modrm.rm == 5 &&
        z->raw.disp.size)
        flags |= TL_INSN_RIP_RELATIVE;
    return flags;
}

static uint8_t zydis_opcode_offset(const ZydisDecodedInstruction *z)
{
    static const uint8_t map_bytes[] = {0, 1, 2, 2};
    switch (z->encoding) {
    case ZYDIS_INSTRUCTION_ENCODING_3DNOW:
        return z->length - 1;
    case ZYDIS_INSTRUCTION_ENCODING_XOP:
        return z->raw.xop.offset + 3;
    case ZYDIS_INSTRUCTION_ENCODING_VEX:
        return z->raw.vex.offset + z->raw.vex.size;
    case ZYDIS_INSTRUCTION_ENCODING_EVEX:
        return z->raw.evex.offset + 4;
    case ZYDIS_INSTRUCTION_ENCODING_MVEX:
        return z->raw.mvex.offset + 4;
    default:
        return z->raw.prefix_count + map_bytes[zydis_map(z)];
    }
}

static enum tl_status zydis_decode(struct tl_insn *out, const uint8_t *bytes, size_t size, enum tl_insn_mode mode)
{
    ZydisDecodedInstruction z;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    bool mode64 = mode == TL_MODE_64;
    memset(out, 0, sizeof *out);
    if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&zydis_decoders[mode64], bytes, size, &z, operands)))
        return TL_NO_INSTRUCTION;
    bool modrm = z.attributes & ZYDIS_ATTRIB_HAS_MODRM, moffs = !modrm && z.raw.disp.size;
    out->length = z.length;
    out->category = zydis_class(&z);
    out->flags = zydis_flags(&z, mode64);
    out->map = zydis_map(&z);
    out->opcode = z.opcode;
    out->opcode_offset = zydis_opcode_offset(&z);
    out->rex = z.attributes & ZYDIS_ATTRIB_HAS_REX ? bytes[z.raw.rex.offset] : 0;
    out->modrm_offset = z.raw.modrm.offset;
    out->modrm = modrm ? bytes[z.raw.modrm.offset] : 0;
    if (moffs) {
        out->imm_offset = z.raw.disp.offset;
        out->imm_size = z.raw.disp.size / 8;
    } else {
        out->disp_offset = z.raw.disp.size ? z.raw.disp.offset : 0;
        out->disp_size = z.raw.disp.size / 8;
        out->disp = (int32_t)z.raw.disp.value;
    }
    if (z.raw.imm[0].is_relative) {
        out->rel_offset = z.raw.imm[0].offset;
        out->rel_size = z.raw.imm[0].size / 8;
        out->rel = (int32_t)z.raw.imm[0].value.s;
    } else if (z.raw.imm[0].size) {
        out->imm_offset = z.raw.imm[0].offset;
        out->imm_size = (z.raw.imm[0].size + z.raw.imm[1].size) / 8;
    }
    if (out->category == TL_INSN_JCC)
        out->cc = out->opcode & 15;
    return TL_OK;
}

#endif
