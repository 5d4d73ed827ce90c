/* SPDX-License-Identifier: MIT
 *
 * The fast look at one instruction: Zydis in its minimal mode, which gives lengths and raw fields, and a class out of
 * the opcode. Called by flow.c, window.c and guard.c, once or twice for each instruction of a file.
 */
#include <Zydis/Zydis.h>
#include <plan/decode.h>
#include <plan/operands.h>
#include <string.h>

/* Set up once; after that only read. */
static ZydisDecoder fast, full;
static bool ready;

static void set_up(void)
{
    if (ready)
        return;
    ZydisDecoderInit(&fast, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    ZydisDecoderInit(&full, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    ZydisDecoderEnableMode(&fast, ZYDIS_DECODER_MODE_MINIMAL, ZYAN_TRUE);
    ready = true;
}

bool tli_operands(struct tli_operands *out, const uint8_t *bytes, size_t size)
{
    set_up();
    return ZYAN_SUCCESS(ZydisDecoderDecodeFull(&full, bytes, size < 15 ? size : 15, &out->insn, out->operand));
}

static uint8_t class_group5(const ZydisDecodedInstruction *i)
{
    switch (i->raw.modrm.reg) {
    case 2:
        return TLI_CALL_INDIRECT;
    case 4:
        return TLI_JUMP_INDIRECT;
    case 3:
    case 5:
        return TLI_STOP;
    default:
        return TLI_OTHER;
    }
}

static uint8_t class_one_byte(const ZydisDecodedInstruction *i)
{
    switch (i->opcode) {
    case 0xe8:
        return TLI_CALL;
    case 0xe9:
    case 0xeb:
        return TLI_JUMP;
    case 0xe0:
    case 0xe1:
    case 0xe2:
    case 0xe3:
        return TLI_BRANCH;
    case 0xc2:
    case 0xc3:
        return TLI_RET;
    case 0xca: /* far ret, iret, hlt */
    case 0xcb:
    case 0xcf:
    case 0xf4:
        return TLI_STOP;
    case 0xcc:
        return TLI_INT3;
    case 0xcd:
        return i->raw.imm[0].value.u == 0x80 ? TLI_SYSCALL : TLI_OTHER;
    case 0xff:
        return class_group5(i);
    case 0xc7:
        return i->mnemonic == ZYDIS_MNEMONIC_XBEGIN ? TLI_XBEGIN : TLI_OTHER;
    case 0x90:
        return i->mnemonic == ZYDIS_MNEMONIC_NOP ? TLI_NOP : TLI_OTHER;
    default:
        return i->opcode >= 0x70 && i->opcode <= 0x7f ? TLI_BRANCH : TLI_OTHER;
    }
}

static uint8_t class_two_byte(const ZydisDecodedInstruction *i)
{
    switch (i->opcode) {
    case 0x05:
    case 0x34:
        return TLI_SYSCALL;
    case 0x07: /* sysret, ud2, sysexit */
    case 0x0b:
    case 0x35:
        return TLI_STOP;
    case 0x1e:
        return i->mnemonic == ZYDIS_MNEMONIC_ENDBR64 ? TLI_ENDBR
               : i->mnemonic == ZYDIS_MNEMONIC_NOP   ? TLI_NOP
                                                     : TLI_OTHER;
    case 0x1f:
        return i->mnemonic == ZYDIS_MNEMONIC_NOP ? TLI_NOP : TLI_OTHER;
    case 0xb9: /* ud1, ud0 */
    case 0xff:
        return TLI_STOP;
    default:
        return i->opcode >= 0x80 && i->opcode <= 0x8f ? TLI_BRANCH : TLI_OTHER;
    }
}

static void find_named(struct tli_insn *out, const ZydisDecodedInstruction *i, uint64_t next)
{
    if (i->raw.modrm.mod == 0 && i->raw.modrm.rm == 5 && i->raw.disp.size == 32 && i->raw.modrm.offset) {
        out->named = next + (uint64_t)i->raw.disp.value;
        out->is_address = i->mnemonic == ZYDIS_MNEMONIC_LEA;
    } else if (i->mnemonic == ZYDIS_MNEMONIC_MOV && i->raw.imm[0].size >= 32) {
        out->named = i->raw.imm[0].value.u & (i->raw.imm[0].size == 32 ? UINT32_MAX : UINT64_MAX);
        out->is_address = true;
    }
}

bool tli_decode(struct tli_insn *out, const uint8_t *bytes, size_t size, uint64_t address)
{
    ZydisDecodedInstruction i;
    set_up();
    if (!ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&fast, NULL, bytes, size < 15 ? size : 15, &i)))
        return false;
    *out = (struct tli_insn){.length = i.length};
    if (i.encoding == ZYDIS_INSTRUCTION_ENCODING_LEGACY) {
        if (i.opcode_map == ZYDIS_OPCODE_MAP_DEFAULT)
            out->class = class_one_byte(&i);
        else if (i.opcode_map == ZYDIS_OPCODE_MAP_0F)
            out->class = class_two_byte(&i);
    }
    uint64_t next = address + i.length;
    if (out->class == TLI_CALL || out->class == TLI_JUMP || out->class == TLI_BRANCH || out->class == TLI_XBEGIN)
        out->target = next + (uint64_t)i.raw.imm[0].value.s;
    else
        find_named(out, &i, next);
    return true;
}
