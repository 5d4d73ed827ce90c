/* SPDX-License-Identifier: MIT
 *
 * The two looks at an instruction: the engine's own decoder, which gives lengths and classes and is asked once or twice
 * for each instruction of a file, and Zydis for the few whose operands matter.
 */
#include <Zydis/Zydis.h>
#include <plan/decode.h>
#include <plan/operands.h>
#include <stdatomic.h>
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

/* What an instruction begins with says all but the numbers in it, so that is looked at once and kept: for no REX prefix
 * and each of the sixteen, one- and two-byte opcodes, the byte behind the opcode. A word a shape, 0: not seen yet.
 * Whatever has other prefixes, or a longer opcode, is decoded each time. */
enum {
    SHAPE_LENGTH = 0, /* bits from where on, 4 each */
    SHAPE_CLASS = 4,
    SHAPE_AT = 8, /* of the number: a branch's displacement, or what names an address */
    SHAPE_BYTES = 12,
    SHAPE_BRANCH = 1 << 16, /* the number is added to the next address and is the target */
    SHAPE_RELATIVE = 1 << 17,
    SHAPE_ADDRESS = 1 << 18,
    SHAPE_SIB = 1 << 19, /* another base would bring a displacement */
};

/* relaxed: a word is complete in itself, and whoever does not see it finds the same one again */
static _Atomic uint32_t shapes[17][2][256][256];

struct beginning {
    _Atomic uint32_t *shape;
    unsigned opcode_at;
};

static bool find_beginning(const uint8_t *bytes, size_t size, struct beginning *b)
{
    if (size < 4)
        return false;
    unsigned rex = (bytes[0] & 0xf0) == 0x40, at = rex, map = bytes[at] == 0x0f;
    at += map;
    b->opcode_at = at;
    b->shape = &shapes[rex ? 1 + (bytes[0] & 15) : 0][map][bytes[at]][bytes[at + 1]];
    return true;
}

static uint64_t number_at(const uint8_t *bytes, unsigned size)
{
    int8_t byte;
    int16_t half;
    int32_t word;
    uint64_t value;
    switch (size) {
    case 1:
        memcpy(&byte, bytes, 1);
        return (uint64_t)(int64_t)byte;
    case 2:
        memcpy(&half, bytes, 2);
        return (uint64_t)(int64_t)half;
    case 4:
        memcpy(&word, bytes, 4);
        return (uint64_t)(int64_t)word;
    default:
        memcpy(&value, bytes, 8);
        return value;
    }
}

static bool decode_known(struct tli_insn *out, uint32_t shape, unsigned opcode_at, const uint8_t *bytes, size_t size,
                         uint64_t address)
{
    unsigned length = shape & 15, number_bytes = shape >> SHAPE_BYTES & 15;
    if (!shape || length > size || (shape & SHAPE_SIB && (bytes[opcode_at + 2] & 7) == 5))
        return false;
    uint64_t number = number_bytes ? number_at(bytes + (shape >> SHAPE_AT & 15), number_bytes) : 0;
    uint64_t next = address + length;
    *out = (struct tli_insn){.length = (uint8_t)length, .class = shape >> SHAPE_CLASS & 15};
    if (shape & SHAPE_BRANCH) {
        out->target = next + number;
    } else if (number_bytes) {
        out->named = shape & SHAPE_RELATIVE ? next + number : number_bytes == 4 ? (uint32_t)number : number;
        out->is_address = shape & SHAPE_ADDRESS;
    }
    return true;
}

static void keep(const struct beginning *b, const struct tli_insn *out, const struct tl_insn *insn)
{
    bool relative = insn->flags & TL_INSN_RIP_RELATIVE;
    uint32_t shape = insn->length | (uint32_t)out->class << SHAPE_CLASS;
    if (insn->opcode_offset != b->opcode_at)
        return;
    if (insn->modrm_offset && insn->modrm < 0x40 && (insn->modrm & 7) == 4) {
        if (insn->disp_size)
            return;
        shape |= SHAPE_SIB;
    }
    if (insn->rel_size)
        shape |= SHAPE_BRANCH | (uint32_t)insn->rel_offset << SHAPE_AT | (uint32_t)insn->rel_size << SHAPE_BYTES;
    else if (relative)
        shape |= SHAPE_RELATIVE | (uint32_t)insn->disp_offset << SHAPE_AT | 4u << SHAPE_BYTES;
    else if (out->is_address)
        shape |= (uint32_t)insn->imm_offset << SHAPE_AT | (uint32_t)insn->imm_size << SHAPE_BYTES;
    shape |= out->is_address ? SHAPE_ADDRESS : 0;
    atomic_store_explicit(b->shape, shape, memory_order_relaxed);
}

bool tli_decode(struct tli_insn *out, const uint8_t *bytes, size_t size, uint64_t address)
{
    struct tl_insn insn;
    struct beginning b;
    bool can_know = find_beginning(bytes, size, &b);
    if (can_know &&
        decode_known(out, atomic_load_explicit(b.shape, memory_order_relaxed), b.opcode_at, bytes, size, address))
        return true;
    if (tl_insn_decode(&insn, bytes, size, TL_MODE_64) != TL_OK)
        return false;
    uint64_t next = address + insn.length;
    *out = (struct tli_insn){.length = insn.length, .class = class_of(&insn)};
    if (insn.rel_size)
        out->target = next + (uint64_t)(int64_t)insn.rel;
    else
        find_named(out, &insn, bytes, next);
    if (can_know)
        keep(&b, out, &insn);
    return true;
}
