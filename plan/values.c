/* SPDX-License-Identifier: MIT
 *
 * Where the value of a register comes from: looked for backwards over all paths that lead to a place, as far as they
 * are known (reaching definitions); and by how much a comparison in front of it bounds it. Called by jumps.c.
 */
#include <plan/values.h>
#include <stdlib.h>

#define TAIL_MIN 64
#define SEEN_MAX 768
#define BOUND_STEPS 64

bool tli_look(const struct tli_flow *f, uint64_t at, struct tli_operands *out)
{
    const struct tli_part *part = tli_part_at(f, at);
    return part && tli_operands(out, part->region->bytes + (at - part->region->start), (size_t)(part->end - at));
}

ZydisRegister tli_whole(ZydisRegister reg)
{
    return ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, reg);
}

static bool is_reg(const ZydisDecodedOperand *operand, ZydisRegister reg)
{
    return operand->type == ZYDIS_OPERAND_TYPE_REGISTER && tli_whole(operand->reg.value) == reg;
}

static bool writes(const struct tli_operands *o, ZydisRegister reg)
{
    for (unsigned i = 0; i < o->insn.operand_count; i++)
        if (o->operand[i].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE && is_reg(&o->operand[i], reg))
            return true;
    return false;
}

/* Registers that a called function may change, by the System V ABI. */
static bool call_changes(const struct tli_operands *o, ZydisRegister reg)
{
    return o->insn.mnemonic == ZYDIS_MNEMONIC_CALL &&
           (reg == ZYDIS_REGISTER_RAX || reg == ZYDIS_REGISTER_RCX || reg == ZYDIS_REGISTER_RDX ||
            reg == ZYDIS_REGISTER_RSI || reg == ZYDIS_REGISTER_RDI ||
            (reg >= ZYDIS_REGISTER_R8 && reg <= ZYDIS_REGISTER_R11));
}

static int by_target(const void *a, const void *b)
{
    const struct tli_branch *x = a, *y = b;
    if (x->target != y->target)
        return x->target < y->target ? -1 : 1;
    return x->source < y->source ? -1 : x->source > y->source;
}

/* Branches are added all the time, so only most of them are in order; the last ones are searched one by one. */
static void sort_branches(struct tli_flow *f)
{
    if (f->branch_count - f->sorted_count <= TAIL_MIN + f->sorted_count / 8)
        return;
    qsort(f->branches, f->branch_count, sizeof *f->branches, by_target);
    f->sorted_count = f->branch_count;
}

/* The next of the branches to target, beginning where *cursor is (0: the first), or NULL. */
static const struct tli_branch *branch_to(struct tli_flow *f, uint64_t target, size_t *cursor)
{
    if (*cursor == 0) {
        sort_branches(f);
        size_t low = 0, high = f->sorted_count;
        while (low < high) {
            size_t middle = low + (high - low) / 2;
            if (f->branches[middle].target < target)
                low = middle + 1;
            else
                high = middle;
        }
        *cursor = low;
    }
    for (size_t i = *cursor; i < f->branch_count; i++) {
        if (f->branches[i].target == target) {
            *cursor = i + 1;
            return &f->branches[i];
        }
        if (i < f->sorted_count)
            i = f->sorted_count - 1; /* on with those that are not in order */
    }
    return NULL;
}

struct search {
    struct tli_flow *f;
    ZydisRegister reg;
    struct tli_definitions *out;
    uint64_t seen[SEEN_MAX], queue[SEEN_MAX + 1];
    unsigned seen_count, queue_count;
};

static void visit(struct search *s, uint64_t at)
{
    struct tli_operands o;
    for (unsigned i = 0; i < s->seen_count; i++)
        if (s->seen[i] == at)
            return;
    if (s->seen_count == SEEN_MAX || !tli_look(s->f, at, &o)) {
        s->out->unknown = true;
        return;
    }
    bool returned = o.insn.mnemonic == ZYDIS_MNEMONIC_CALL && s->reg == ZYDIS_REGISTER_RAX;
    if (!returned && call_changes(&o, s->reg)) {
        s->out->unknown = true;
        return;
    }
    s->seen[s->seen_count++] = at;
    if (!returned && !writes(&o, s->reg))
        s->queue[s->queue_count++] = at;
    else if (s->out->count < TLI_DEFS_MAX)
        s->out->at[s->out->count++] = at;
    else
        s->out->unknown = true;
}

/* Registers that a called function gives back unchanged. */
static bool is_kept(ZydisRegister reg)
{
    return reg == ZYDIS_REGISTER_RBX || reg == ZYDIS_REGISTER_RBP ||
           (reg >= ZYDIS_REGISTER_R12 && reg <= ZYDIS_REGISTER_R15);
}

/* Where the value that reg has before the instruction at may come from. */
void tli_find_definitions(struct tli_flow *f, ZydisRegister reg, uint64_t at, struct tli_definitions *out)
{
    struct search s;
    s.f = f;
    s.reg = reg;
    s.out = out;
    s.seen_count = s.queue_count = 0; /* the arrays are large: not cleared */
    *out = (struct tli_definitions){.count = 0};
    s.queue[s.queue_count++] = at;
    for (unsigned next = 0; next < s.queue_count && !out->unknown; next++) {
        uint64_t here = s.queue[next], before = tli_flow_before(f, here);
        bool any = here == f->entry;
        out->from_entry |= any;
        if (before) {
            visit(&s, before);
            any = true;
        }
        size_t cursor = 0;
        for (const struct tli_branch *b; !out->unknown && (b = branch_to(f, here, &cursor)); any = true)
            visit(&s, b->source);
        /* Where nothing leads to, an unwinder does: it gives these registers back as they were at a call of this
         * function. */
        out->unknown |= !any && !is_kept(reg);
    }
}

/* All addresses that reg may hold before at, if they are constants on all paths. */
bool tli_find_constants(struct tli_flow *f, ZydisRegister reg, uint64_t at, unsigned depth, struct tli_constants *out)
{
    struct tli_definitions defs;
    if (reg == ZYDIS_REGISTER_NONE || depth > TLI_DEPTH_MAX)
        return false;
    tli_find_definitions(f, reg, at, &defs);
    if (!defs.count || defs.unknown || defs.from_entry)
        return false;
    for (unsigned i = 0; i < defs.count; i++) {
        struct tli_operands o;
        struct tli_insn insn;
        if (!tli_look(f, defs.at[i], &o) || !tli_flow_decode(f, defs.at[i], &insn))
            return false;
        if (insn.is_address && insn.named) {
            bool known = false;
            for (unsigned k = 0; k < out->count; k++)
                known |= out->value[k] == insn.named;
            if (!known && out->count == TLI_CONSTANTS_MAX)
                return false;
            if (!known)
                out->value[out->count++] = insn.named;
        } else if (o.insn.mnemonic != ZYDIS_MNEMONIC_MOV || o.operand[1].type != ZYDIS_OPERAND_TYPE_REGISTER ||
                   !tli_find_constants(f, tli_whole(o.operand[1].reg.value), defs.at[i], depth + 1, out)) {
            return false;
        }
    }
    return true;
}

bool tli_find_constant(struct tli_flow *f, ZydisRegister reg, uint64_t at, uint64_t *value)
{
    struct tli_constants found = {.count = 0};
    if (!tli_find_constants(f, reg, at, 0, &found) || found.count != 1)
        return false;
    *value = found.value[0];
    return true;
}

static bool same_memory(const ZydisDecodedOperand *a, const ZydisDecodedOperand *b)
{
    return a->type == ZYDIS_OPERAND_TYPE_MEMORY && b->type == ZYDIS_OPERAND_TYPE_MEMORY && a->mem.base == b->mem.base &&
           a->mem.index == b->mem.index && a->mem.scale == b->mem.scale && a->mem.disp.value == b->mem.disp.value &&
           a->mem.base != ZYDIS_REGISTER_RIP;
}

/* After a comparison of the index with limit comes the branch to the default: how many entries does that leave. */
static uint64_t entries_of(struct tli_flow *f, uint64_t next, uint64_t limit)
{
    struct tli_operands o;
    if (!tli_look(f, next, &o))
        return 0;
    if (o.insn.mnemonic == ZYDIS_MNEMONIC_JNBE || o.insn.mnemonic == ZYDIS_MNEMONIC_JBE)
        return limit + 1;
    if (o.insn.mnemonic == ZYDIS_MNEMONIC_JNB || o.insn.mnemonic == ZYDIS_MNEMONIC_JB)
        return limit;
    return 0;
}

struct bound {
    ZydisRegister reg;       /* what the index is in, or */
    ZydisDecodedOperand mem; /* where it was loaded from */
    uint64_t fallback;       /* at most so many, by the width of the load; 0: not known */
};

/* One instruction further back. True: *entries is what there is to know (0: nothing). */
static bool bound_step(struct tli_flow *f, struct bound *b, uint64_t at, uint64_t *entries)
{
    struct tli_operands o;
    *entries = 0;
    if (!tli_look(f, at, &o))
        return true;
    const ZydisDecodedOperand *to = &o.operand[0], *from = &o.operand[1];
    bool ours = b->reg ? is_reg(to, b->reg) : same_memory(to, &b->mem);
    bool immediate = from->type == ZYDIS_OPERAND_TYPE_IMMEDIATE;
    if (o.insn.mnemonic == ZYDIS_MNEMONIC_CMP && ours && immediate) {
        uint64_t mask = to->size >= 64 ? ~UINT64_C(0) : (UINT64_C(1) << to->size) - 1;
        uint64_t found = entries_of(f, at + o.insn.length, from->imm.value.u & mask);
        if (found)
            *entries = found;
        return found != 0;
    }
    if (o.insn.mnemonic == ZYDIS_MNEMONIC_AND && ours && immediate) { /* not all of them need to be there */
        if (from->imm.value.u < TLI_UNBOUND_ENTRIES_MAX && (!b->fallback || from->imm.value.u < b->fallback))
            b->fallback = from->imm.value.u + 1;
        return true;
    }
    if (!b->reg || !writes(&o, b->reg))
        return b->reg && call_changes(&o, b->reg);
    bool moves = o.insn.mnemonic == ZYDIS_MNEMONIC_MOV || o.insn.mnemonic == ZYDIS_MNEMONIC_MOVZX ||
                 o.insn.mnemonic == ZYDIS_MNEMONIC_MOVSX || o.insn.mnemonic == ZYDIS_MNEMONIC_MOVSXD;
    if (!moves)
        return true;
    if (o.insn.mnemonic == ZYDIS_MNEMONIC_MOVZX && from->size == 8)
        b->fallback = 256;
    if (from->type == ZYDIS_OPERAND_TYPE_REGISTER) {
        b->reg = tli_whole(from->reg.value);
    } else {
        b->mem = *from;
        b->reg = ZYDIS_REGISTER_NONE;
    }
    return immediate;
}

/* How many entries the table has that is read at with this index; 0: not known. */
uint64_t tli_find_bound(struct tli_flow *f, ZydisRegister index, uint64_t at, uint64_t *limit)
{
    struct bound b = {.reg = tli_whole(index)};
    uint64_t entries = 0;
    for (unsigned steps = 0; steps < BOUND_STEPS; steps++) {
        uint64_t before = tli_flow_before(f, at);
        if (!before) {
            size_t cursor = 0;
            const struct tli_branch *branch = branch_to(f, at, &cursor);
            if (!branch)
                break;
            before = branch->source;
        }
        at = before;
        if (bound_step(f, &b, at, &entries))
            break;
        entries = 0;
    }
    if (b.fallback && !entries)
        *limit = b.fallback;
    return entries <= TLI_ENTRIES_MAX ? entries : 0;
}
