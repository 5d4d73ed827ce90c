/* SPDX-License-Identifier: MIT
 *
 * Indirect jumps: is it a jump table of this function, or a tail call, or neither for certain. Called by flow.c, once
 * the code around the jump is known.
 */
#include <plan/values.h>

struct table {
    uint64_t address, base; /* base: added to entries of four bytes */
    unsigned entry_bytes;
    uint64_t entries; /* 0: not known, but not more than limit */
    uint64_t limit;
};

static bool read_entry(const struct tli_module *m, const struct table *t, uint64_t i, uint64_t *target)
{
    int32_t offset;
    bool ok;
    if (t->entry_bytes == 8) {
        *target = tli_pointer_at(m, t->address + i * 8, &ok);
        return ok;
    }
    ok = tli_read(m, t->address + i * 4, &offset, 4);
    *target = t->base + (uint64_t)(int64_t)offset;
    return ok;
}

/* In code that is proven already, an entry that points between two instructions is none. */
static bool fits(const struct tli_flow *f, uint64_t target)
{
    const struct tli_part *part = tli_part_at(f, target);
    if (!part)
        return tli_cold_at(f->m, target);
    uint64_t index = part->base + (target - part->start);
    return !tli_bit(f->covered, index) || tli_bit(f->starts, index) || (index && tli_bit(f->starts, index - 1));
}

/* How many entries there is room for until something else begins. */
static uint64_t room_of(const struct tli_module *m, const struct table *t)
{
    size_t low = 0, high = m->refs_sorted;
    uint64_t room = t->limit;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (m->refs[middle] <= t->address)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < m->refs_sorted && (m->refs[low] - t->address) / t->entry_bytes < room)
        room = (m->refs[low] - t->address) / t->entry_bytes;
    for (size_t i = m->refs_sorted; i < m->ref_count; i++)
        if (m->refs[i] > t->address && (m->refs[i] - t->address) / t->entry_bytes < room)
            room = (m->refs[i] - t->address) / t->entry_bytes;
    return room;
}

static enum tli_verdict follow_table(struct tli_flow *f, const struct table *t, uint64_t jump)
{
    uint64_t target, count = 0, limit = t->entries ? t->entries : room_of(f->m, t);
    while (count < limit && read_entry(f->m, t, count, &target) && fits(f, target))
        count++;
    if (!count || (t->entries && count < t->entries))
        return TLI_JUMP_UNKNOWN;
    f->has_open_tables |= !t->entries;
    for (uint64_t i = 0; i < count; i++)
        if (read_entry(f->m, t, i, &target))
            tli_flow_indirect(f, jump, target);
    return TLI_JUMP_TABLE;
}

/* A comparison may have been of something else: then it says nothing. */
static enum tli_verdict follow_or_reopen(struct tli_flow *f, struct table *t, uint64_t jump)
{
    enum tli_verdict verdict = follow_table(f, t, jump);
    if (verdict == TLI_JUMP_UNKNOWN && t->entries > 1) {
        t->entries = 0;
        verdict = follow_table(f, t, jump);
    }
    return verdict;
}

/* Are there labels of this function whose address somebody has: then a jump may be a computed goto. */
static bool has_inner_pointers(const struct tli_flow *f)
{
    const struct tli_module *m = f->m;
    size_t low = 0, high = m->code_pointer_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (m->code_pointers[middle] <= f->entry)
            low = middle + 1;
        else
            high = middle;
    }
    return f->has_inner_pointers || (low < m->code_pointer_count && m->code_pointers[low] < f->parts[0].end);
}

/* A tail call finds the stack as the function found it. Where nothing describes the stack (hand-written
 * code), the shape of the jump has to do. */
static enum tli_verdict tail_or_unknown(const struct tli_flow *f, uint64_t jump)
{
    if (tli_frame_is_bare(f->m, jump) == 0 || has_inner_pointers(f))
        return TLI_JUMP_UNKNOWN;
    return TLI_JUMP_TAIL;
}

/* A load or a jump through [base + index * 8 + displacement]. */
static enum tli_verdict judge_memory(struct tli_flow *f, uint64_t at, const ZydisDecodedOperand *o, uint64_t jump)
{
    struct table t = {.entry_bytes = 8, .limit = TLI_UNBOUND_ENTRIES_MAX};
    if (o->mem.index == ZYDIS_REGISTER_NONE)
        return tail_or_unknown(f, jump);
    if (o->mem.scale == 1) /* one register of the two is an offset: a virtual function by way of a member pointer */
        return tail_or_unknown(f, jump);
    if (o->mem.scale != 8)
        return TLI_JUMP_UNKNOWN;
    if (o->mem.base != ZYDIS_REGISTER_NONE && !tli_find_constant(f, tli_whole(o->mem.base), at, &t.address))
        return tail_or_unknown(f, jump);
    t.address += (uint64_t)o->mem.disp.value;
    t.entries = tli_find_bound(f, o->mem.index, at, &t.limit);
    uint64_t first;
    if (!read_entry(f->m, &t, 0, &first) || !tli_part_at(f, first) || first == f->entry)
        return tail_or_unknown(f, jump); /* an array of functions */
    return follow_or_reopen(f, &t, jump);
}

struct load { /* of an entry of four bytes */
    struct tli_constants tables;
    ZydisRegister index;
    uint64_t at; /* where index is read */
};

static void displace(struct tli_constants *c, int64_t by)
{
    for (unsigned i = 0; i < c->count; i++)
        c->value[i] += (uint64_t)by;
}

/* lea 0(,index,4),x; lea table(%rip),y; mov (x,y,1),reg: as GCC writes it without optimisation. */
static bool understand_scaled(struct tli_flow *f, const ZydisDecodedOperand *mem, uint64_t at, struct load *load)
{
    for (int turn = 0; turn < 2; turn++) {
        ZydisRegister table = tli_whole(turn ? mem->mem.index : mem->mem.base);
        ZydisRegister scaled = tli_whole(turn ? mem->mem.base : mem->mem.index);
        struct tli_definitions defs;
        struct tli_operands o;
        load->tables.count = 0;
        if (scaled == ZYDIS_REGISTER_NONE || !tli_find_constants(f, table, at, 0, &load->tables))
            continue;
        tli_find_definitions(f, scaled, at, &defs);
        if (defs.count != 1 || defs.unknown || !tli_look(f, defs.at[0], &o) || o.insn.mnemonic != ZYDIS_MNEMONIC_LEA ||
            o.operand[1].mem.base != ZYDIS_REGISTER_NONE || o.operand[1].mem.scale != 4)
            continue;
        load->index = o.operand[1].mem.index;
        load->at = defs.at[0];
        displace(&load->tables, mem->mem.disp.value);
        return true;
    }
    return false;
}

/* What loads the offset that reg holds before at. */
static bool understand_load(struct tli_flow *f, ZydisRegister reg, uint64_t at, struct load *load)
{
    struct tli_definitions defs;
    struct tli_operands o;
    bool extended = false;
    for (int step = 0; step < 2; step++) {
        tli_find_definitions(f, reg, at, &defs);
        if (defs.count != 1 || defs.unknown || defs.from_entry || !tli_look(f, defs.at[0], &o))
            return false;
        at = defs.at[0];
        if (o.insn.mnemonic != ZYDIS_MNEMONIC_CDQE)
            break;
        extended = true;
    }
    const ZydisDecodedOperand *from = &o.operand[1];
    bool loads = o.insn.mnemonic == ZYDIS_MNEMONIC_MOVSXD || (extended && o.insn.mnemonic == ZYDIS_MNEMONIC_MOV);
    if (!loads || from->type != ZYDIS_OPERAND_TYPE_MEMORY)
        return false;
    *load = (struct load){.index = from->mem.index, .at = at};
    if (from->mem.base == ZYDIS_REGISTER_RIP) { /* the index is a constant */
        load->tables.value[load->tables.count++] = at + o.insn.length + (uint64_t)from->mem.disp.value;
        return true;
    }
    if (from->mem.index != ZYDIS_REGISTER_NONE && from->mem.scale == 1)
        return understand_scaled(f, from, at, load);
    if (from->mem.scale != 4)
        return false;
    if (from->mem.base == ZYDIS_REGISTER_NONE)
        load->tables.count = 1;
    else if (!tli_find_constants(f, tli_whole(from->mem.base), at, 0, &load->tables))
        return false;
    displace(&load->tables, from->mem.disp.value);
    return true;
}

/* target = base + table[index], either register being either. */
static enum tli_verdict judge_sum(struct tli_flow *f, uint64_t at, ZydisRegister a, ZydisRegister b, uint64_t jump)
{
    for (int turn = 0; turn < 2; turn++) {
        struct load load = {.at = 0};
        struct table t = {.entry_bytes = 4, .limit = TLI_UNBOUND_ENTRIES_MAX};
        if (!understand_load(f, turn ? b : a, at, &load) || !tli_find_constant(f, turn ? a : b, at, &t.base))
            continue;
        if (load.index == ZYDIS_REGISTER_NONE)
            t.entries = 1;
        else
            t.entries = tli_find_bound(f, load.index, load.at, &t.limit);
        enum tli_verdict verdict = TLI_JUMP_UNKNOWN;
        for (unsigned i = 0; i < load.tables.count; i++) {
            t.address = load.tables.value[i];
            verdict = follow_or_reopen(f, &t, jump);
            if (verdict == TLI_JUMP_UNKNOWN)
                break;
        }
        return verdict;
    }
    return TLI_JUMP_UNKNOWN;
}

static enum tli_verdict judge_register(struct tli_flow *f, ZydisRegister reg, uint64_t at, uint64_t jump,
                                       unsigned depth);

static enum tli_verdict judge_definition(struct tli_flow *f, ZydisRegister reg, uint64_t at, uint64_t jump,
                                         unsigned depth)
{
    struct tli_operands o;
    if (!tli_look(f, at, &o))
        return TLI_JUMP_UNKNOWN;
    const ZydisDecodedOperand *from = &o.operand[1];
    switch (o.insn.mnemonic) {
    case ZYDIS_MNEMONIC_ADD:
        if (from->type == ZYDIS_OPERAND_TYPE_REGISTER)
            return judge_sum(f, at, reg, tli_whole(from->reg.value), jump);
        return TLI_JUMP_UNKNOWN;
    case ZYDIS_MNEMONIC_LEA:
        if (from->mem.index != ZYDIS_REGISTER_NONE && from->mem.scale == 1 && !from->mem.disp.value)
            return judge_sum(f, at, tli_whole(from->mem.base), tli_whole(from->mem.index), jump);
        return from->mem.index == ZYDIS_REGISTER_NONE ? tail_or_unknown(f, jump) : TLI_JUMP_UNKNOWN;
    case ZYDIS_MNEMONIC_MOV:
        if (from->type == ZYDIS_OPERAND_TYPE_MEMORY)
            return judge_memory(f, at, from, jump);
        if (from->type == ZYDIS_OPERAND_TYPE_REGISTER)
            return judge_register(f, tli_whole(from->reg.value), at, jump, depth + 1);
        return tail_or_unknown(f, jump);
    default:
        return tail_or_unknown(f, jump);
    }
}

static enum tli_verdict judge_register(struct tli_flow *f, ZydisRegister reg, uint64_t at, uint64_t jump,
                                       unsigned depth)
{
    struct tli_definitions defs;
    if (depth > TLI_DEPTH_MAX)
        return TLI_JUMP_UNKNOWN;
    tli_find_definitions(f, reg, at, &defs);
    if (defs.unknown)
        return TLI_JUMP_UNKNOWN;
    if (!defs.count)
        return tail_or_unknown(f, jump); /* an argument */
    enum tli_verdict verdict = TLI_JUMP_UNKNOWN;
    for (unsigned i = 0; i < defs.count; i++) {
        enum tli_verdict one = judge_definition(f, reg, defs.at[i], jump, depth);
        if (i > 0 && one != verdict)
            return TLI_JUMP_UNKNOWN;
        verdict = one;
    }
    return verdict;
}

enum tli_verdict tli_jump_resolve(struct tli_flow *f, uint64_t address)
{
    struct tli_operands o;
    if (!tli_look(f, address, &o))
        return TLI_JUMP_UNKNOWN;
    const ZydisDecodedOperand *target = &o.operand[0];
    if (target->type == ZYDIS_OPERAND_TYPE_REGISTER)
        return judge_register(f, tli_whole(target->reg.value), address, address, 0);
    if (target->mem.base == ZYDIS_REGISTER_RIP)
        return tail_or_unknown(f, address);
    return judge_memory(f, address, target, address);
}
