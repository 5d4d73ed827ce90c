/* SPDX-License-Identifier: MIT
 *
 * What call frame information says of the stack at one place: is the return address on its top, as it is at an entry,
 * before a ret and before a tail call. Called by ehframe.c for entries and by jumps.c for indirect jumps.
 * After DWARF 4, section 6.4.2.
 */
#include <plan/cursor.h>
#include <plan/module.h>

enum { REGISTER_RSP = 7, STATES_MAX = 32, STEPS_MAX = 100000 };

struct cfa {
    uint64_t reg;
    int64_t offset;
    bool expression;
};

struct machine {
    struct cfa cfa, initial, saved[STATES_MAX];
    unsigned depth;
    uint64_t location, pc;
    const struct tli_cie *cie;
};

static void skip_block(struct tli_cursor *c)
{
    uint64_t size = tli_take_uleb(c);
    if (size > (uint64_t)(c->end - c->at))
        c->bad = true;
    else
        c->at += size;
}

static void restore_state(struct machine *s, struct tli_cursor *c)
{
    if (s->depth)
        s->cfa = s->saved[--s->depth];
    else
        c->bad = true;
}

/* One instruction of the kind 00xxxxxx; advances are those that may end the run. */
static void step_extended(struct machine *s, struct tli_cursor *c, uint8_t op)
{
    switch (op) {
    case 0x00: /* nop */
    case 0x2d: /* GNU_window_save */
        break;
    case 0x01: /* set_loc */
        s->location = tli_take_encoded(c, s->cie->pointer_encoding);
        break;
    case 0x02: /* advance_loc1, 2, 4 */
    case 0x03:
    case 0x04:
        s->location += tli_take(c, op == 2 ? 1 : op == 3 ? 2 : 4) * s->cie->code_align;
        break;
    case 0x06: /* restore_extended */
    case 0x07: /* undefined */
    case 0x08: /* same_value */
    case 0x2e: /* GNU_args_size */
        tli_take_uleb(c);
        break;
    case 0x05: /* offset_extended */
    case 0x09: /* register */
    case 0x11: /* offset_extended_sf */
    case 0x14: /* val_offset */
    case 0x15: /* val_offset_sf */
        tli_take_uleb(c);
        tli_take_uleb(c);
        break;
    case 0x0a: /* remember_state */
        if (s->depth < STATES_MAX)
            s->saved[s->depth++] = s->cfa;
        else
            c->bad = true;
        break;
    case 0x0b: /* restore_state */
        restore_state(s, c);
        break;
    case 0x0c: /* def_cfa */
        s->cfa.reg = tli_take_uleb(c);
        s->cfa.offset = (int64_t)tli_take_uleb(c);
        s->cfa.expression = false;
        break;
    case 0x12: /* def_cfa_sf */
        s->cfa.reg = tli_take_uleb(c);
        s->cfa.offset = (int64_t)((uint64_t)tli_take_sleb(c) * (uint64_t)s->cie->data_align);
        s->cfa.expression = false;
        break;
    case 0x0d: /* def_cfa_register */
        s->cfa.reg = tli_take_uleb(c);
        break;
    case 0x0e: /* def_cfa_offset */
        s->cfa.offset = (int64_t)tli_take_uleb(c);
        break;
    case 0x13: /* def_cfa_offset_sf */
        s->cfa.offset = (int64_t)((uint64_t)tli_take_sleb(c) * (uint64_t)s->cie->data_align);
        break;
    case 0x0f: /* def_cfa_expression */
        s->cfa.expression = true;
        skip_block(c);
        break;
    case 0x10: /* expression, val_expression */
    case 0x16:
        tli_take_uleb(c);
        skip_block(c);
        break;
    default:
        c->bad = true;
    }
}

/* Runs until the location passes pc; what holds at pc is in s->cfa. */
static bool run(struct machine *s, const uint8_t *program, const uint8_t *end)
{
    struct tli_cursor c = {program, end, 0, false};
    for (unsigned steps = 0; c.at < c.end && !c.bad && steps < STEPS_MAX; steps++) {
        struct cfa before = s->cfa;
        uint8_t op = (uint8_t)tli_take(&c, 1);
        if (op >> 6 == 1)
            s->location += (op & 0x3f) * s->cie->code_align;
        else if (op >> 6 == 2)
            tli_take_uleb(&c);
        else if (op >> 6 == 0)
            step_extended(s, &c, op);
        if (s->location > s->pc) {
            s->cfa = before;
            return true;
        }
    }
    return !c.bad;
}

int tli_frame_is_bare(const struct tli_module *m, uint64_t pc)
{
    const struct tli_fde *fde = tli_fde_at(m, pc);
    if (!fde)
        return -1;
    const struct tli_cie *cie = &m->cies[fde->cie];
    struct machine s = {.location = fde->start, .pc = UINT64_MAX, .cie = cie};
    if (!run(&s, cie->program, cie->program_end))
        return -1;
    s.location = fde->start;
    s.pc = pc;
    s.depth = 0;
    if (!run(&s, fde->program, fde->program_end) || s.cfa.expression)
        return -1;
    return s.cfa.reg == REGISTER_RSP && s.cfa.offset == 8;
}
