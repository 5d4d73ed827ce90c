/* SPDX-License-Identifier: MIT
 *
 * Writes core/insn_table.c: asks Zydis about every opcode under every choice of the fields that can select an
 * instruction, finds out for each what it is made of and which field values it allows, and prints the answers as
 * decision diagrams. Run by hand when the tables' shape changes: insn_gen > core/insn_table.c.
 * build: -lZydis -lZycore */
#include <Zydis/Zydis.h>
#include <core/insn_table.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tests/core/insn_probe.h>

/* How many values each field takes in a space, by tli_insn_field. */
struct shape {
    unsigned first, last, count[TLI_FIELD_COUNT];
};
static const struct shape shapes[] = {
    {TLI_SPACE_LEGACY, TLI_SPACE_3DNOW, {2, 6, 2, 1, 1, 2, 8, 8}},
    {TLI_SPACE_VEX, TLI_SPACE_XOP + 2, {2, 4, 2, 2, 1, 2, 8, 8}},
    {TLI_SPACE_EVEX, TLI_SPACE_EVEX + 5, {2, 4, 2, 4, 2, 2, 8, 8}},
    {TLI_SPACE_MVEX, TLI_SPACE_MVEX + 2, {2, 4, 2, 1, 2, 2, 8, 8}},
};
static const unsigned width[TLI_FIELD_COUNT] = {2, 8, 2, 4, 2, 2, 8, 8};
static const unsigned shift[TLI_FIELD_COUNT] = {TLI_SHIFT_MODE64, TLI_SHIFT_PP,     TLI_SHIFT_W,   TLI_SHIFT_L,
                                                TLI_SHIFT_B,      TLI_SHIFT_DIRECT, TLI_SHIFT_REG, TLI_SHIFT_RM};
enum { SELECTORS = 1 << 15, MAX_FORMS = TLI_REF_NODE, MAX_NODES = 32768 };

static ZydisDecoder decoders[2];
static struct tli_insn_form forms[MAX_FORMS];
static unsigned form_count;
static uint32_t vvvv_sets[256];
static unsigned vvvv_count;
static uint16_t nodes[MAX_NODES], roots[TLI_SPACE_COUNT][256];
static unsigned node_words;
static uint16_t cells[SELECTORS];

static bool ask(const struct probe *p, ZydisDecodedInstruction *answer, ZyanStatus *status)
{
    uint8_t bytes[15];
    if (!probe_put(bytes, p)) {
        *status = ZYDIS_STATUS_DECODING_ERROR;
        return false;
    }
    *status = ZydisDecoderDecodeInstruction(&decoders[p->mode64], NULL, bytes, sizeof bytes, answer);
    return ZYAN_SUCCESS(*status);
}

static bool valid(struct probe p)
{
    ZydisDecodedInstruction answer;
    ZyanStatus status;
    return ask(&p, &answer, &status);
}

/* Looks for field values under which p's selectors make an instruction, and leaves them in p. */
static bool witness_find(struct probe *p, ZydisDecodedInstruction *answer)
{
    static const uint8_t vvvv[] = {0, 3, 5, 6};
    bool vector = !is_legacy(p), direct = p->modrm >= 0xc0;
    ZyanStatus status;
    unsigned base = p->modrm;
    for (unsigned memory = 0; memory < (direct ? 1 : 3); memory++) {
        p->modrm = memory ? base | 4 : base;
        p->sib = memory * 8;
        for (unsigned sss = 0; sss < (p->space >= TLI_SPACE_MVEX ? 8 : 1); sss++)
            for (unsigned i = 0; i < (vector ? 8 : 1); i++) {
                p->vvvv = vvvv[i >> 1];
                p->aaa = i & 1;
                p->sss = sss;
                if (p->space < TLI_SPACE_EVEX && p->aaa)
                    continue;
                if (ask(p, answer, &status))
                    return true;
                if (status == ZYDIS_STATUS_DECODING_ERROR && !vector)
                    return false;
            }
    }
    return false;
}

/* A changed copy of a probe. */
#define WITH(p, field, value)                                                                                          \
    (__extension__({                                                                                                   \
        struct probe changed = (p);                                                                                    \
        changed.field = (value);                                                                                       \
        changed;                                                                                                       \
    }))

static uint8_t vvvv_intern(uint32_t set)
{
    unsigned i = 0;
    while (i < vvvv_count && vvvv_sets[i] != set)
        i++;
    if (i == vvvv_count)
        vvvv_sets[vvvv_count++] = set;
    return (uint8_t)i;
}

static uint16_t form_intern(const struct tli_insn_form *form)
{
    unsigned i = 0;
    while (i < form_count && memcmp(&forms[i], form, sizeof *form) != 0)
        i++;
    if (i == MAX_FORMS)
        abort();
    if (i == form_count)
        forms[form_count++] = *form;
    return (uint16_t)i;
}

/* What may stand in the register extensions around the witness. Combinations that the mode cannot write count as
 * allowed where the plain one is, so that both modes come out alike. */
static uint8_t extension_find(const struct probe *witness)
{
    unsigned set = 0;
    uint8_t bytes[15];
    for (unsigned i = 0; i < 4; i++) {
        struct probe reg = *witness, rm = *witness;
        reg.r = i & 1;
        reg.r_high = i >> 1;
        rm.b_rm = i & 1;
        rm.x = i >> 1;
        set |= (unsigned)(!probe_put(bytes, &reg) || valid(reg)) << i;
        set |= (unsigned)(!probe_put(bytes, &rm) || valid(rm)) << (4 + i);
    }
    return (uint8_t)set;
}

/* The set of vvvv values, and the rules of registers that must differ from vvvv. */
static uint32_t vvvv_find(const struct probe *witness, struct tli_insn_form *form)
{
    bool wide = witness->space >= TLI_SPACE_EVEX;
    unsigned reg = witness->modrm >> 3 & 7, rm = witness->modrm & 7;
    uint32_t set = 0;
    for (unsigned v = 0; v < (wide ? 32 : 16); v++)
        set |= (uint32_t)valid(WITH(*witness, vvvv, v)) << v;
    if (!wide)
        set |= set << 16;
    if (form->flags & TLI_FORM_VSIB)
        rm = witness->sib >> 3 & 7;
    else if (witness->modrm < 0xc0)
        rm = reg;
    if (__builtin_popcount(set & 0xff) >= 5) {
        /* In 32-bit mode the high bits of a number are dropped before numbers are compared. */
        uint32_t alias = (witness->mode64 ? wide ? 1 : 0x10001 : 0x01010101) & (set >> 16 ? 0xffffffff : 0xffff);
        if (!(set >> reg & 1))
            form->flags |= TLI_FORM_REG_NE_V;
        if (rm != reg && !(set >> rm & 1))
            form->flags |= TLI_FORM_RM_NE_V;
        set |=
            (form->flags & TLI_FORM_REG_NE_V ? alias << reg : 0) | (form->flags & TLI_FORM_RM_NE_V ? alias << rm : 0);
    }
    return set;
}

static uint16_t memory_flags(const struct probe *witness, const ZydisDecodedInstruction *plain)
{
    unsigned flags = 0, base = witness->modrm & 0x38;
    ZydisDecodedInstruction far_away;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    ZyanStatus status;
    uint8_t bytes[15];
    struct probe disp32 = WITH(*witness, modrm, witness->modrm | 0x80);
    if (ask(&disp32, &far_away, &status) && far_away.length == plain->length)
        return TLI_FORM_DIRECT;
    if ((witness->modrm & 7) == 4)
        flags |= TLI_FORM_SIB;
    else if (witness->mode64 && !valid(WITH(*witness, modrm, base | 5)))
        flags |= TLI_FORM_NO_RIP;
    if (flags & TLI_FORM_SIB && probe_put(bytes, witness)) {
        ZydisDecodedInstruction again;
        ZydisDecoderDecodeFull(&decoders[witness->mode64], bytes, sizeof bytes, &again, operands);
        for (unsigned i = 0; i < again.operand_count; i++)
            if (operands[i].type == ZYDIS_OPERAND_TYPE_MEMORY && operands[i].mem.type == ZYDIS_MEMOP_TYPE_VSIB)
                flags |= TLI_FORM_VSIB;
        if (flags & TLI_FORM_VSIB && !valid(WITH(*witness, sib, witness->modrm & 0x38)))
            flags |= TLI_FORM_REG_NE_RM;
    }
    return (uint16_t)flags;
}

static uint16_t cell_find(struct probe p)
{
    ZydisDecodedInstruction answer;
    struct tli_insn_form form = {.opmask = 15, .sss = 0xff, .extension = 0xff};
    if (!witness_find(&p, &answer))
        return 0;
    if (answer.attributes & ZYDIS_ATTRIB_HAS_MODRM)
        form.flags |= TLI_FORM_MODRM;
    else if (answer.raw.disp.size)
        form.flags |= TLI_FORM_MOFFS;
    if (answer.raw.imm[0].is_relative)
        form.flags |= TLI_FORM_RELATIVE;
    form.imm_size = (uint8_t)((answer.raw.imm[0].size + answer.raw.imm[1].size) / 8);
    if (valid(WITH(p, lock, 1)))
        form.flags |= TLI_FORM_LOCK;
    if (form.flags & TLI_FORM_MODRM) {
        if (p.modrm < 0xc0)
            form.flags |= memory_flags(&p, &answer);
        form.extension = extension_find(&p);
    }
    if (!(form.flags & TLI_FORM_SIB && !p.mode64) && !valid(WITH(p, addrsize, 1)))
        form.flags |= TLI_FORM_NO_ADDRSIZE;
    if (form.flags & TLI_FORM_SIB && !p.mode64)
        form.flags |= TLI_FORM_NO_ADDRSIZE;
    if (p.space >= TLI_SPACE_EVEX) {
        form.opmask = 0;
        for (unsigned i = 0; i < 4; i++) {
            struct probe masked = p;
            masked.aaa = i & 1;
            masked.z = i >> 1;
            form.opmask |= (uint8_t)(valid(masked) << i);
        }
    }
    if (p.space >= TLI_SPACE_MVEX) {
        form.sss = 0;
        for (unsigned i = 0; i < 8; i++)
            form.sss |= (uint8_t)(valid(WITH(p, sss, i)) << i);
    }
    form.vvvv = vvvv_intern(is_legacy(&p) ? 0xffffffff : vvvv_find(&p, &form));
    return form_intern(&form);
}

/* Where no register may be named twice the cells with reg equal to rm found no witness: give them their neighbour's
 * form and the rule. */
static void diagonal_fill(unsigned base)
{
    uint16_t fixed[8][8];
    for (unsigned reg = 0; reg < 8; reg++)
        for (unsigned rm = 0; rm < 8; rm++) {
            uint16_t form = cells[base | reg << TLI_SHIFT_REG | rm << TLI_SHIFT_RM];
            if ((form == 0) != (reg == rm))
                return;
            fixed[reg][rm] = form;
        }
    for (unsigned reg = 0; reg < 8; reg++)
        for (unsigned rm = 0; rm < 8; rm++) {
            struct tli_insn_form form = forms[fixed[reg][reg == rm ? (rm + 1) & 7 : rm]];
            form.flags |= TLI_FORM_REG_NE_RM;
            cells[base | reg << TLI_SHIFT_REG | rm << TLI_SHIFT_RM] = form_intern(&form);
        }
}

static void opcode_find(const struct shape *shape, unsigned space, unsigned opcode)
{
    const unsigned *n = shape->count;
    struct probe p = {.space = space, .opcode = opcode};
    memset(cells, 0, sizeof cells);
    for (unsigned i = 0; i < 2 * n[TLI_FIELD_PP] * n[TLI_FIELD_W] * n[TLI_FIELD_L] * n[TLI_FIELD_B]; i++) {
        unsigned rest = i;
        p.mode64 = rest % 2;
        p.pp = (rest /= 2) % n[TLI_FIELD_PP];
        p.w = (rest /= n[TLI_FIELD_PP]) % n[TLI_FIELD_W];
        p.l = (rest /= n[TLI_FIELD_W]) % n[TLI_FIELD_L];
        p.b = (rest /= n[TLI_FIELD_L]) % n[TLI_FIELD_B];
        unsigned base = p.mode64 << TLI_SHIFT_MODE64 | p.pp << TLI_SHIFT_PP | p.w << TLI_SHIFT_W | p.l << TLI_SHIFT_L |
                        p.b << TLI_SHIFT_B;
        unsigned direct = base | 1 << TLI_SHIFT_DIRECT;
        for (unsigned j = 0; j < 64; j++) {
            unsigned at = (j >> 3) << TLI_SHIFT_REG | (j & 7) << TLI_SHIFT_RM;
            cells[base | at] = j & 7 ? cells[base | (at & ~(7u << TLI_SHIFT_RM))] : cell_find(WITH(p, modrm, j));
            cells[direct | at] = cell_find(WITH(p, modrm, 0xc0 | j));
        }
        diagonal_fill(direct);
    }
}

/* Field values that nobody can write, or that the space has not, repeat those it has: the diagram need not ask. */
static void opcode_repeat(const struct shape *shape, unsigned space)
{
    for (unsigned i = 0; i < SELECTORS; i++) {
        unsigned from = 0;
        for (unsigned f = 0; f < TLI_FIELD_COUNT; f++)
            from |= (i >> shift[f] & (width[f] - 1)) % shape->count[f] << shift[f];
        if (!(from & 1) && space <= TLI_SPACE_3DNOW)
            from &= ~(1u << TLI_SHIFT_W);
        if (space >= TLI_SPACE_MVEX)
            from |= 1;
        cells[i] = cells[from];
    }
}

static unsigned node_intern(const uint16_t *words, unsigned count)
{
    static uint16_t slots[1 << 16];
    unsigned hash = 0;
    for (unsigned i = 0; i < count; i++)
        hash = (hash ^ words[i]) * 0x9e3779b1u;
    for (hash >>= 16; slots[hash]; hash = (hash + 1) & 0xffff)
        if (memcmp(&nodes[slots[hash] - 1], words, count * sizeof *words) == 0)
            return slots[hash] - 1;
    if (node_words + count > MAX_NODES)
        abort();
    memcpy(&nodes[node_words], words, count * sizeof *words);
    slots[hash] = (uint16_t)(node_words + 1);
    node_words += count;
    return slots[hash] - 1;
}

/* The diagram of cells, the fields before level being settled in selector. The order keeps the whole smallest. */
static unsigned diagram_build(unsigned level, unsigned selector)
{
    static const uint8_t order[] = {TLI_FIELD_PP, TLI_FIELD_REG, TLI_FIELD_W, TLI_FIELD_DIRECT,
                                    TLI_FIELD_B,  TLI_FIELD_RM,  TLI_FIELD_L, TLI_FIELD_MODE64};
    if (level == TLI_FIELD_COUNT)
        return cells[selector];
    unsigned field = order[level];
    uint16_t words[9] = {(uint16_t)field};
    bool same = true;
    for (unsigned i = 0; i < width[field]; i++) {
        words[1 + i] = (uint16_t)diagram_build(level + 1, selector | i << shift[field]);
        same &= words[1 + i] == words[1];
    }
    return same ? words[1] : TLI_REF_NODE + node_intern(words, 1 + width[field]);
}

static void words_print(const char *head, const uint16_t *words, size_t count)
{
    int column = 0;
    printf("%s", head);
    for (size_t i = 0; i < count; i++) {
        char text[16];
        int n = snprintf(text, sizeof text, "%u,", words[i]);
        if (column + n > 120)
            column = 0;
        printf("%s%s", column ? "" : "\n", text);
        column += n;
    }
    printf("\n");
}

static void table_print(void)
{
    printf("/* SPDX-License-Identifier: MIT\n *\n"
           " * The decoder's tables, as insn_table.h lays them out. Made by tests/core/insn_gen.c, not by hand. */\n"
           "/* clang-format off */\n#include <core/insn_table.h>\n\n"
           "const uint16_t tli_insn_roots[TLI_SPACE_COUNT][256] = {");
    for (unsigned space = 0; space < TLI_SPACE_COUNT; space++) {
        words_print("{", roots[space], 256);
        printf("},\n");
    }
    words_print("};\n\nconst uint16_t tli_insn_nodes[] = {", nodes, node_words);
    printf("};\n\nconst struct tli_insn_form tli_insn_forms[] = {\n");
    for (unsigned i = 0; i < form_count; i++)
        printf("{%u,%u,%u,%u,%u,%u},%s", forms[i].flags, forms[i].imm_size, forms[i].extension, forms[i].opmask,
               forms[i].sss, forms[i].vvvv, i % 5 == 4 || i + 1 == form_count ? "\n" : "");
    printf("};\n\nconst uint32_t tli_insn_vvvv[] = {");
    for (unsigned i = 0; i < vvvv_count; i++)
        printf("%s%#x,", i % 8 ? "" : "\n", vvvv_sets[i]);
    printf("\n};\n");
}

int main(void)
{
    ZydisDecoderInit(&decoders[0], ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32);
    ZydisDecoderInit(&decoders[1], ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    form_count = 1; /* form 0: not defined */
    for (const struct shape *shape = shapes; shape < shapes + sizeof shapes / sizeof *shapes; shape++)
        for (unsigned space = shape->first; space <= shape->last; space++)
            for (unsigned opcode = 0; opcode < 256; opcode++) {
                opcode_find(shape, space, opcode);
                opcode_repeat(shape, space);
                roots[space][opcode] = (uint16_t)diagram_build(0, 0);
            }
    table_print();
    fprintf(stderr, "%u forms, %u node words, %u sets: %zu bytes\n", form_count, node_words, vvvv_count,
            form_count * sizeof *forms + node_words * 2 + vvvv_count * 4 + sizeof roots);
    return 0;
}
