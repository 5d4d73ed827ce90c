/* SPDX-License-Identifier: MIT
 *
 * The instruction decoder: reads the prefixes and the encoding's fields, walks the opcode's decision diagram to a
 * form, holds the fields against what the form allows, and measures operand bytes. What is defined and what is not
 * is no code here but data in insn_table.c. Called from the stub builder, the plan and the tests; from any context.
 */
#include <core/insn_table.h>
#include <stdbool.h>
#include <trapline/insn.h>

/* What the bytes say, before anybody asks whether it is allowed. Register extensions and vvvv are not inverted. */
struct state {
    const uint8_t *bytes;
    uint8_t size; /* at most TL_INSN_MAX_BYTES */
    uint8_t at;   /* next byte to read */
    bool mode64;
    uint8_t group1; /* F3 or F2, the last one seen, or 0 */
    uint8_t space;  /* row of tli_insn_roots */
    uint8_t pp, w, l, b;
    uint8_t r, x, b_rm, r_high; /* R, X, B, R' */
    uint8_t vvvv;               /* with V' as bit 4 */
    uint8_t opmask;             /* bit 0: aaa != 0; bit 1: z */
    uint8_t sss, sib;
};

static bool next(struct state *s, uint8_t *byte)
{
    if (s->at >= s->size)
        return false;
    *byte = s->bytes[s->at++];
    return true;
}

static uint8_t prefix_flag(uint8_t byte)
{
    static const uint8_t flags[] = {TL_INSN_LOCK, 0, TL_INSN_REPNE, TL_INSN_REP};
    if (byte >= 0xf0 && byte <= 0xf3)
        return flags[byte - 0xf0];
    return byte == 0x66 ? TL_INSN_OPSIZE : byte == 0x67 ? TL_INSN_ADDRSIZE : 0;
}

/* The override in force after one more of them. 64-bit mode knows FS and GS only; of the others, which change nothing
 * there, 3E is kept if it stands alone: it can mean notrack. */
static uint8_t segment_override(const struct state *s, uint8_t before, uint8_t byte)
{
    if (!s->mode64 || byte >= 0x64)
        return byte;
    return byte == 0x3e && before < 0x64 ? byte : before;
}

/* Legacy prefixes and REX, in any order; a REX counts only right before the opcode. Returns the segment override in
 * force, or 0. */
static uint8_t prefixes_read(struct state *s, struct tl_insn *out)
{
    uint8_t segment = 0;
    for (; s->at < s->size; s->at++) {
        uint8_t byte = s->bytes[s->at], flag = prefix_flag(byte);
        if (s->mode64 && (byte & 0xf0) == 0x40) {
            out->rex = byte;
            continue;
        }
        if ((byte & 0xe7) == 0x26 || (byte & 0xfe) == 0x64)
            segment = segment_override(s, segment, byte);
        else if (!flag)
            break;
        if (flag & (TL_INSN_REP | TL_INSN_REPNE))
            s->group1 = byte;
        out->flags |= flag;
        out->rex = 0;
    }
    s->w = out->rex >> 3 & 1;
    s->r = out->rex >> 2 & 1;
    s->x = out->rex >> 1 & 1;
    s->b_rm = out->rex & 1;
    return segment;
}

/* The payload bits that all vector encodings share: R X B of the first byte, W vvvv pp of the second. */
static void payload_read(struct state *s, uint8_t p0, uint8_t p1)
{
    s->r = !(p0 & 0x80);
    s->x = !(p0 & 0x40);
    s->b_rm = !(p0 & 0x20);
    s->w = p1 >> 7;
    s->vvvv = ~p1 >> 3 & 15;
    s->pp = p1 & 3;
}

/* C5 [R vvvv L pp], C4 and 8F [R X B mmmmm] [W vvvv L pp]. The short one means map 1 and X, B, W not used. */
static bool vex_read(struct state *s, struct tl_insn *out, uint8_t escape)
{
    uint8_t p0, p1;
    if (!next(s, &p0))
        return false;
    if (escape == 0xc5) {
        p1 = p0 & 0x7f;
        p0 = (p0 & 0x80) | 0x61;
    } else if (!next(s, &p1)) {
        return false;
    }
    payload_read(s, p0, p1);
    s->l = p1 >> 2 & 1;
    out->map = p0 & 0x1f;
    s->space = (uint8_t)(escape == 0x8f ? TLI_SPACE_XOP + out->map - 8 : TLI_SPACE_VEX + out->map);
    return out->map <= (escape == 0x8f ? 10 : 3);
}

/* 62: EVEX [R X B R' 0 mmm] [W vvvv 1 pp] [z L'L b V' aaa], MVEX [R X B R' mmmm] [W vvvv 0 pp] [E SSS V' kkk]. */
static bool evex_read(struct state *s, struct tl_insn *out)
{
    uint8_t p0, p1, p2;
    if (!next(s, &p0) || !next(s, &p1) || !next(s, &p2))
        return false;
    payload_read(s, p0, p1);
    s->r_high = !(p0 & 0x10);
    s->vvvv |= p2 & 8 ? 0 : 16;
    s->opmask = (p2 & 7) != 0;
    out->map = p0 & 15;
    if (!(p1 & 4)) {
        s->b = p2 >> 7;
        s->sss = p2 >> 4 & 7;
        s->space = (uint8_t)(TLI_SPACE_MVEX + out->map - 1);
        return s->mode64 && out->map >= 1 && out->map <= 3;
    }
    s->opmask |= p2 >> 6 & 2;
    s->l = p2 >> 5 & 3;
    s->b = p2 >> 4 & 1;
    s->space = (uint8_t)(TLI_SPACE_EVEX + out->map - 1);
    return out->map >= 1 && out->map <= 6;
}

static bool legacy_read(struct state *s, struct tl_insn *out, uint8_t byte)
{
    if (byte == 0x0f) {
        out->map = 1;
        if (!next(s, &byte))
            return false;
        if (byte == 0x38 || byte == 0x3a) {
            out->map = byte == 0x38 ? 2 : 3;
            if (!next(s, &byte))
                return false;
        }
    }
    s->space = out->map;
    /* 66 with F3 or F2 is a combination of its own: one of the two may choose the opcode, the other its size. */
    bool opsize = out->flags & TL_INSN_OPSIZE;
    if (s->group1)
        s->pp = (s->group1 == 0xf3 ? 2 : 3) + (opsize ? 2 : 0);
    else
        s->pp = opsize;
    out->opcode = byte;
    out->opcode_offset = s->at - 1;
    if (out->map == 1 && byte == 0x0f)
        s->space = TLI_SPACE_3DNOW;
    return true;
}

/* Whether an opcode byte starts one of the vector encodings here. The old meanings (les, lds, bound; pop) are told
 * apart by ModRM values that those cannot have. */
static bool escape_is_vector(const struct state *s, uint8_t byte)
{
    if (byte != 0x62 && byte != 0x8f && (byte & 0xfe) != 0xc4)
        return false;
    if (s->at >= s->size)
        return false;
    uint8_t payload = s->bytes[s->at];
    return byte == 0x8f ? (payload & 0x1f) >= 8 : s->mode64 || payload >= 0xc0;
}

static bool opcode_read(struct state *s, struct tl_insn *out)
{
    uint8_t byte;
    if (!next(s, &byte))
        return false;
    if (!escape_is_vector(s, byte))
        return legacy_read(s, out, byte);
    if (out->rex || out->flags & (TL_INSN_LOCK | TL_INSN_REP | TL_INSN_REPNE | TL_INSN_OPSIZE))
        return false;
    bool fine = byte == 0x62 ? evex_read(s, out) : vex_read(s, out, byte);
    out->opcode_offset = s->at;
    return fine && next(s, &out->opcode);
}

/* Walks the opcode's diagram with the fields read so far. */
static const struct tli_insn_form *form_find(const struct state *s, const struct tl_insn *insn)
{
    static const uint8_t shift[] = {TLI_SHIFT_MODE64, TLI_SHIFT_PP,     TLI_SHIFT_W,   TLI_SHIFT_L,
                                    TLI_SHIFT_B,      TLI_SHIFT_DIRECT, TLI_SHIFT_REG, TLI_SHIFT_RM};
    static const uint8_t mask[] = {1, 7, 1, 3, 1, 1, 7, 7};
    unsigned ref = tli_insn_roots[s->space][insn->opcode];
    unsigned direct = insn->modrm >= 0xc0;
    unsigned selector = (unsigned)s->mode64 << TLI_SHIFT_MODE64 | (unsigned)s->pp << TLI_SHIFT_PP |
                        (unsigned)s->w << TLI_SHIFT_W | (unsigned)s->l << TLI_SHIFT_L | (unsigned)s->b << TLI_SHIFT_B |
                        direct << TLI_SHIFT_DIRECT | (insn->modrm >> 3 & 7u) << TLI_SHIFT_REG |
                        (direct ? insn->modrm & 7u : 0) << TLI_SHIFT_RM;
    while (ref >= TLI_REF_NODE) {
        const uint16_t *node = &tli_insn_nodes[ref - TLI_REF_NODE];
        ref = node[1 + (selector >> shift[node[0]] & mask[node[0]])];
    }
    return &tli_insn_forms[ref];
}

static int32_t signed_read(const uint8_t *bytes, unsigned size)
{
    uint32_t value = 0;
    for (unsigned i = 0; i < size; i++)
        value |= (uint32_t)bytes[i] << (8 * i);
    unsigned unused = size ? 32 - 8 * size : 0;
    return (int32_t)(value << unused) >> unused;
}

/* How many displacement bytes follow ModRM and, if there is one, SIB. Reads the SIB byte. */
static bool memory_read(struct state *s, struct tl_insn *out)
{
    static const uint8_t sizes[2][4] = {{0, 1, 4, 0}, {0, 1, 2, 0}};
    unsigned mod = out->modrm >> 6, rm = out->modrm & 7;
    bool addr16 = !s->mode64 && out->flags & TL_INSN_ADDRSIZE;
    out->disp_size = sizes[addr16][mod];
    if (mod == 3)
        return true;
    if (addr16) {
        if (mod == 0 && rm == 6)
            out->disp_size = 2;
    } else if (rm == 4) {
        if (!next(s, &s->sib))
            return false;
        if (mod == 0 && (s->sib & 7) == 5)
            out->disp_size = 4;
    } else if (mod == 0 && rm == 5) {
        out->disp_size = 4;
        out->flags |= s->mode64 ? TL_INSN_RIP_RELATIVE : 0;
    }
    if (out->disp_size > s->size - s->at)
        return false;
    if (out->disp_size) {
        out->disp_offset = s->at;
        out->disp = signed_read(s->bytes + s->at, out->disp_size);
        s->at += out->disp_size;
    }
    return true;
}

/* Registers that an instruction wants to be different ones. */
static bool registers_differ(const struct state *s, const struct tl_insn *insn, unsigned form_flags)
{
    unsigned limit = s->mode64 ? 31 : 7, v = s->vvvv & limit;
    unsigned reg = ((unsigned)s->r_high << 4 | (unsigned)s->r << 3 | (insn->modrm >> 3 & 7)) & limit;
    unsigned rm = ((unsigned)s->b_rm << 3 | (insn->modrm & 7)) & limit;
    if (s->space >= TLI_SPACE_EVEX)
        rm |= ((unsigned)s->x << 4) & limit;
    if (form_flags & TLI_FORM_VSIB) {
        rm = ((s->vvvv & 16u) | (unsigned)s->x << 3 | (s->sib >> 3 & 7)) & limit;
        v &= 15;
    }
    return !(form_flags & TLI_FORM_REG_NE_RM && reg == rm) && !(form_flags & TLI_FORM_REG_NE_V && reg == v) &&
           !(form_flags & TLI_FORM_RM_NE_V && rm == v);
}

static bool form_allows(const struct tli_insn_form *form, const struct state *s, const struct tl_insn *insn)
{
    unsigned flags = form->flags;
    if (insn->flags & TL_INSN_LOCK && !(flags & TLI_FORM_LOCK))
        return false;
    if (insn->flags & TL_INSN_ADDRSIZE && flags & TLI_FORM_NO_ADDRSIZE)
        return false;
    if (flags & TLI_FORM_MODRM) {
        if (!(form->extension >> (s->r_high << 1 | s->r) & 1) || !(form->extension >> 4 >> (s->x << 1 | s->b_rm) & 1))
            return false;
        if (flags & TLI_FORM_SIB && insn->modrm < 0xc0 && (insn->modrm & 7) != 4)
            return false;
        if (flags & TLI_FORM_NO_RIP && insn->flags & TL_INSN_RIP_RELATIVE)
            return false;
    }
    if (s->space < TLI_SPACE_VEX)
        return true;
    return form->opmask >> s->opmask & 1 && form->sss >> s->sss & 1 && tli_insn_vvvv[form->vvvv] >> s->vvvv & 1 &&
           registers_differ(s, insn, flags);
}

static bool immediate_read(struct state *s, struct tl_insn *out, const struct tli_insn_form *form)
{
    unsigned size = form->imm_size;
    if (form->flags & TLI_FORM_MOFFS)
        size = (s->mode64 ? 8 : 4) >> (out->flags & TL_INSN_ADDRSIZE ? 1 : 0);
    if (size > (unsigned)(s->size - s->at))
        return false;
    if (form->flags & TLI_FORM_RELATIVE) {
        out->rel_size = (uint8_t)size;
        out->rel_offset = s->at;
        out->rel = signed_read(s->bytes + s->at, size);
    } else if (size) {
        out->imm_size = (uint8_t)size;
        out->imm_offset = s->at;
    }
    s->at += (uint8_t)size;
    return true;
}

/* Classes that an opcode alone settles, of one-byte opcodes and of those after 0F; jcc apart. */
static const uint8_t opcode_class[2][256] = {
    {[0x90] = TL_INSN_NOP,     [0x9a] = TL_INSN_FAR,     [0xc2] = TL_INSN_RET,     [0xc3] = TL_INSN_RET,
     [0xc7] = TL_INSN_XBEGIN,  [0xca] = TL_INSN_FAR,     [0xcb] = TL_INSN_FAR,     [0xcc] = TL_INSN_INT3,
     [0xcd] = TL_INSN_TRAP,    [0xce] = TL_INSN_TRAP,    [0xcf] = TL_INSN_FAR,     [0xe0] = TL_INSN_LOOP,
     [0xe1] = TL_INSN_LOOP,    [0xe2] = TL_INSN_LOOP,    [0xe3] = TL_INSN_LOOP,    [0xe8] = TL_INSN_CALL_REL,
     [0xe9] = TL_INSN_JMP_REL, [0xea] = TL_INSN_FAR,     [0xeb] = TL_INSN_JMP_REL, [0xf1] = TL_INSN_TRAP,
     [0xf4] = TL_INSN_HLT,     [0xff] = TL_INSN_CALL_IND},
    {[0x01] = TL_INSN_FAR,
     [0x05] = TL_INSN_SYSCALL,
     [0x07] = TL_INSN_FAR,
     [0x0b] = TL_INSN_TRAP,
     [0x1e] = TL_INSN_ENDBR,
     [0x1f] = TL_INSN_NOP,
     [0x34] = TL_INSN_SYSCALL,
     [0x35] = TL_INSN_FAR,
     [0xb9] = TL_INSN_TRAP,
     [0xff] = TL_INSN_TRAP},
};

static uint8_t class_refine(const struct tl_insn *insn, uint8_t class, bool rep, uint8_t imm)
{
    static const uint8_t group5[8] = {
        [2] = TL_INSN_CALL_IND, [3] = TL_INSN_FAR, [4] = TL_INSN_JMP_IND, [5] = TL_INSN_FAR};
    unsigned reg = insn->modrm >> 3 & 7;
    switch (insn->map << 8 | insn->opcode) {
    case 0x90: /* F3 makes it pause, REX.B xchg with r8 */
        return rep || insn->rex & 1 ? TL_INSN_OTHER : class;
    case 0xc7:
        return insn->rel_size ? class : TL_INSN_OTHER;
    case 0xcd:
        return imm == 0x80 ? TL_INSN_SYSCALL : class;
    case 0xff:
        return group5[reg];
    case 0x101: /* uiret */
        return rep && insn->modrm == 0xec ? class : TL_INSN_OTHER;
    case 0x11e:
        return rep && (insn->modrm & 0xfe) == 0xfa ? class : TL_INSN_OTHER;
    case 0x11f:
        return reg == 0 ? class : TL_INSN_OTHER;
    default:
        return class;
    }
}

static void classify(const struct state *s, struct tl_insn *out, uint8_t segment)
{
    uint8_t class = s->space < 2 ? opcode_class[s->space][out->opcode] : TL_INSN_OTHER;
    if (s->space < 2 && (out->opcode & 0xf0) == (s->space ? 0x80 : 0x70)) {
        out->category = TL_INSN_JCC;
        out->cc = out->opcode & 15;
    } else if (class != TL_INSN_OTHER)
        out->category = class_refine(out, class, s->group1 == 0xf3, out->imm_size ? s->bytes[out->imm_offset] : 0);
    if (segment >= 0x64)
        out->flags |= TL_INSN_SEGMENT;
    if (segment == 0x3e && (out->category == TL_INSN_CALL_IND || out->category == TL_INSN_JMP_IND))
        out->flags |= TL_INSN_NOTRACK;
}

/* ModRM, memory operand and immediate, in the order of the bytes, except that the form is looked up as soon as ModRM
 * is in sight: whether there is a ModRM is the form's to say. */
static bool operands_read(struct state *s, struct tl_insn *out)
{
    bool suffixed = s->space == TLI_SPACE_3DNOW;
    out->modrm_offset = s->at;
    out->modrm = s->at < s->size ? s->bytes[s->at] : 0;
    if (suffixed) {
        /* The byte that tells 3DNow! instructions apart is the last one. */
        s->at++;
        if (s->at > s->size || !memory_read(s, out))
            return false;
        out->opcode_offset = s->at;
        if (!next(s, &out->opcode))
            return false;
    }
    const struct tli_insn_form *form = form_find(s, out);
    if (form == tli_insn_forms)
        return false;
    if (!(form->flags & TLI_FORM_MODRM))
        out->modrm = out->modrm_offset = 0;
    else if (!suffixed && (++s->at > s->size || (!(form->flags & TLI_FORM_DIRECT) && !memory_read(s, out))))
        return false;
    return form_allows(form, s, out) && immediate_read(s, out, form);
}

enum tl_status tl_insn_decode(struct tl_insn *out, const uint8_t *bytes, size_t size, enum tl_insn_mode mode)
{
    struct state s = {
        .bytes = bytes,
        .size = (uint8_t)(size < TL_INSN_MAX_BYTES ? size : TL_INSN_MAX_BYTES),
        .mode64 = mode == TL_MODE_64,
    };
    *out = (struct tl_insn){0};
    uint8_t segment = prefixes_read(&s, out);
    if (!opcode_read(&s, out) || !operands_read(&s, out)) {
        *out = (struct tl_insn){0};
        return TL_NO_INSTRUCTION;
    }
    out->length = s.at;
    classify(&s, out, segment);
    return TL_OK;
}
