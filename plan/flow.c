/* SPDX-License-Identifier: MIT
 *
 * Recursive traversal: which bytes of a function are proven to be instructions, where it leaves, and what leads to
 * where. Proven means that a path from the entry leads there; a call is taken to return unless its name says otherwise,
 * and what follows a call is taken back if it leads to no instruction. Indirect jumps are judged in jumps.c.
 * Called by rounds.c and share.c, function by function.
 */
#include <plan/flow.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS_MAX 256

struct path { /* one straight run of instructions */
    uint64_t at;
    bool soft; /* since a call: f->run says what to take back */
    size_t work_before, exits_before;
};

const struct tli_part *tli_part_at(const struct tli_flow *f, uint64_t address)
{
    for (size_t i = 0; i < f->part_count; i++)
        if (address >= f->parts[i].start && address < f->parts[i].end)
            return &f->parts[i];
    return NULL;
}

static bool is_start(const struct tli_flow *f, uint64_t address)
{
    const struct tli_part *part = tli_part_at(f, address);
    return part && tli_bit(f->starts, part->base + (address - part->start));
}

bool tli_flow_decode(const struct tli_flow *f, uint64_t address, struct tli_insn *out)
{
    const struct tli_part *part = tli_part_at(f, address);
    return part && tli_decode(out, part->region->bytes + (address - part->region->start), part->end - address, address);
}

/* False for a call of a function that has no way out. */
static bool call_comes_back(const struct tli_flow *f, const struct tli_insn *insn)
{
    uint32_t callee = insn->class == TLI_CALL ? tli_function_index(f->m->module, insn->target) : TLI_NO_INDEX;
    return callee == TLI_NO_INDEX || !f->m->facts[callee].endless;
}

uint64_t tli_flow_before(const struct tli_flow *f, uint64_t address)
{
    struct tli_insn insn;
    for (uint64_t at = address - 1; at + 15 >= address; at--) {
        if (!is_start(f, at) || !tli_flow_decode(f, at, &insn) || at + insn.length != address)
            continue;
        bool ends = insn.class == TLI_JUMP || insn.class == TLI_JUMP_INDIRECT || insn.class == TLI_RET ||
                    insn.class == TLI_STOP || !call_comes_back(f, &insn);
        return ends ? 0 : at;
    }
    return 0;
}

static void mark_target(struct tli_module *m, uint64_t address, bool taken)
{
    struct tli_region *region = tli_region_at(m, address);
    if (!region)
        return;
    tli_bit_set(region->targets, address - region->start);
    if (taken)
        tli_bit_set(region->taken, address - region->start);
}

static bool add_part(struct tli_flow *f, uint64_t start, uint64_t end)
{
    struct tli_region *region = tli_region_at(f->m, start);
    if (!region || f->part_count == TLI_PARTS_MAX || end <= start)
        return false;
    if (end > region->end)
        end = region->end;
    size_t words = (size_t)((f->local_bytes + (end - start)) / 64 + 1), before = (size_t)(f->local_bytes / 64 + 1);
    if (f->local_bytes == 0)
        before = 0;
    if (f->budget < end - start) {
        f->starved = true;
        return false;
    }
    f->budget -= end - start;
    if (words > f->map_words) {
        uint64_t *starts = reallocarray(f->starts, words * 2, 8);
        f->starts = starts ? starts : f->starts;
        uint64_t *covered = reallocarray(f->covered, words * 2, 8);
        f->covered = covered ? covered : f->covered;
        if (!starts || !covered) {
            f->m->out_of_memory = true;
            return false;
        }
        f->map_words = words * 2;
    }
    memset(f->starts + before, 0, (words - before) * 8);
    memset(f->covered + before, 0, (words - before) * 8);
    f->parts[f->part_count++] = (struct tli_part){start, end, f->local_bytes, region};
    f->local_bytes += end - start;
    return true;
}

static void push(struct tli_flow *f, uint64_t address)
{
    const struct tli_part *part = tli_part_at(f, address);
    if (part && !tli_bit(f->starts, part->base + (address - part->start)))
        TLI_PUSH(f->m, f->work, f->work_count, f->work_capacity, address);
}

/* Exception handlers are entered by the unwinder. */
static void push_landing_pads(struct tli_flow *f, const struct tli_part *part)
{
    const struct tli_module *m = f->m;
    size_t low = 0, high = m->fde_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (m->fdes[middle].start < part->start)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < m->fde_count && m->fdes[low].start < part->end; low++) {
        size_t count = tli_landing_pads(m, &m->fdes[low], f->pads, TLI_PADS_MAX);
        for (size_t i = 0; i < count; i++) {
            mark_target(f->m, f->pads[i], false);
            push(f, f->pads[i]);
        }
    }
}

/* A piece that is nobody's yet becomes ours when we jump to it. One that is somebody's has an exit that serves two
 * functions: neither's then. */
static bool adopt(struct tli_flow *f, uint64_t address)
{
    struct tli_cold *cold = tli_cold_at(f->m, address);
    if (!cold)
        return false;
    if (cold->owner != TLI_NO_INDEX && cold->owner != f->index) {
        cold->shared = true;
        f->facts->doubts |= TLI_DOUBT_SHARED;
        f->m->facts[cold->owner].doubts |= TLI_DOUBT_SHARED;
        return true;
    }
    if (cold->owner == f->index)
        return true;
    cold->owner = f->index;
    cold->next = f->facts->cold;
    f->facts->cold = (uint32_t)(cold - f->m->colds);
    if (add_part(f, cold->start, cold->end))
        push_landing_pads(f, &f->parts[f->part_count - 1]);
    else
        f->facts->doubts |= TLI_DOUBT_BUDGET;
    return true;
}

/* A branch from source to target: followed if the target lies in the function. False: it lies outside. */
static bool branch_to(struct tli_flow *f, uint64_t source, uint64_t target)
{
    if (!tli_part_at(f, target) && !adopt(f, target))
        return false;
    mark_target(f->m, target, false);
    push(f, target);
    TLI_PUSH(f->m, f->branches, f->branch_count, f->branch_capacity, (struct tli_branch){target, source});
    return true;
}

void tli_flow_indirect(struct tli_flow *f, uint64_t source, uint64_t target)
{
    if (branch_to(f, source, target))
        mark_target(f->m, target, true);
}

static void add_exit(struct tli_flow *f, uint64_t address, uint8_t length, enum tli_exit_kind kind)
{
    TLI_PUSH(f->m, f->m->exits, f->m->exit_count, f->m->exit_capacity,
             (struct tli_exit){address, length, (uint8_t)kind});
}

static void follow_branch(struct tli_flow *f, uint64_t at, const struct tli_insn *insn)
{
    struct tli_module *m = f->m;
    if (insn->target == f->loop_entry)
        add_exit(f, at, insn->length, TLI_EXIT_LOOP);
    if (insn->target != f->entry || f->loop_entry == f->entry) {
        if (branch_to(f, at, insn->target))
            return;
        TLI_PUSH(m, m->leaps, m->leap_count, m->leap_capacity,
                 (struct tli_leap){insn->target, f->index, insn->class == TLI_BRANCH});
    }
    mark_target(m, insn->target, false);
    add_exit(f, at, insn->length, TLI_EXIT_JUMP);
}

/* The GOT slot that a stub of the procedure linkage table jumps through; 0: none. */
static uint64_t plt_slot(const struct tli_module *m, uint64_t address)
{
    const struct tli_section *section = tli_section_at(m, address);
    if (!section || !section->plt)
        return 0;
    for (int i = 0; i < 3; i++) {
        size_t available;
        struct tli_insn insn;
        const uint8_t *bytes = tli_bytes_at(m, address, &available);
        if (!bytes || !tli_decode(&insn, bytes, available, address))
            return 0;
        if (insn.class == TLI_JUMP_INDIRECT)
            return insn.named;
        address += insn.length;
    }
    return 0;
}

static bool is_no_return_slot(const struct tli_module *m, uint64_t slot)
{
    size_t low = 0, high = m->no_return_count;
    while (slot && low < high) {
        size_t middle = low + (high - low) / 2;
        if (m->no_return_slots[middle] == slot)
            return true;
        if (m->no_return_slots[middle] < slot)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

/* Does the call come back, as far as names tell. */
static bool call_returns(struct tli_flow *f, const struct tli_insn *insn)
{
    const struct tli_module *m = f->m;
    if (insn->class == TLI_CALL_INDIRECT)
        return !is_no_return_slot(m, insn->named);
    uint32_t callee = tli_function_index(m->module, insn->target);
    if (callee != TLI_NO_INDEX)
        return !m->facts[callee].no_return;
    return !is_no_return_slot(m, plt_slot(m, insn->target));
}

static void follow_call(struct tli_flow *f, uint64_t next, const struct tli_insn *insn)
{
    mark_target(f->m, next, false);
    if (insn->class != TLI_CALL)
        return;
    mark_target(f->m, insn->target, true);
    if (insn->target == next || !tli_part_at(f, insn->target) || insn->target == f->entry ||
        tli_function_index(f->m->module, insn->target) != TLI_NO_INDEX)
        return;
    f->facts->doubts |= TLI_DOUBT_INNER;
    push(f, insn->target);
}

/* What the path since its last call has found is void: it did not come back from that call. */
static void take_back(struct tli_flow *f, const struct path *path)
{
    for (size_t i = 0; i < f->run_count; i++) {
        struct tli_insn insn;
        const struct tli_part *part = tli_part_at(f, f->run[i]);
        if (!part || !tli_flow_decode(f, f->run[i], &insn))
            continue;
        uint64_t index = part->base + (f->run[i] - part->start);
        tli_bit_clear(f->starts, index);
        for (unsigned b = 0; b < insn.length; b++)
            tli_bit_clear(f->covered, index + b);
    }
    f->run_count = 0;
    f->work_count = path->work_before;
    f->m->exit_count = path->exits_before;
}

/* The path cannot go on at its end: no instruction is there, or no more of the function. */
static void dead_end(struct tli_flow *f, const struct path *path, enum tli_doubt doubt)
{
    if (path->soft)
        take_back(f, path);
    else
        f->facts->doubts |= (uint8_t)doubt;
}

/* Jumping over a lock prefix is the one way in which two readings of the same bytes are meant. */
static bool is_lock_skip(const struct tli_flow *f, const struct tli_part *part, uint64_t at)
{
    return at > part->start && part->region->bytes[at - 1 - part->region->start] == 0xf0 && is_start(f, at - 1);
}

/* Marks the instruction as proven; false if another one lies there already. */
static bool claim(struct tli_flow *f, const struct tli_part *part, uint64_t at, unsigned length)
{
    uint64_t index = part->base + (at - part->start);
    bool locked = part->region->bytes[at - part->region->start] == 0xf0;
    for (unsigned i = 1; i < length; i++)
        if (tli_bit(f->starts, index + i) && !(locked && i == 1))
            return false;
    f->proven++;
    tli_bit_set(f->starts, index);
    for (unsigned i = 0; i < length; i++)
        tli_bit_set(f->covered, index + i);
    return true;
}

static void soften(struct tli_flow *f, struct path *path)
{
    path->soft = true;
    path->work_before = f->work_count;
    path->exits_before = f->m->exit_count;
    f->run_count = 0;
}

/* A table of jumps ends where the next thing begins that code refers to. */
static void note_reference(struct tli_module *m, uint64_t address)
{
    for (size_t i = 0; i < m->segment_count; i++) {
        const struct tli_segment *s = &m->segments[i];
        if (address >= s->start && address < s->end && !s->execute && !s->write)
            TLI_PUSH(m, m->refs, m->ref_count, m->ref_capacity, address);
    }
}

/* Acts on one instruction; false: the path ends with it. */
static bool follow(struct tli_flow *f, struct path *path, const struct tli_insn *insn)
{
    uint64_t at = path->at, next = at + insn->length;
    switch (insn->class) {
    case TLI_RET:
        add_exit(f, at, insn->length, TLI_EXIT_RET);
        return false;
    case TLI_STOP:
        return false;
    case TLI_JUMP:
        follow_branch(f, at, insn);
        return false;
    case TLI_JUMP_INDIRECT:
        TLI_PUSH(f->m, f->pending, f->pending_count, f->pending_capacity, at);
        return false;
    case TLI_BRANCH:
        follow_branch(f, at, insn);
        return true;
    case TLI_XBEGIN:
        tli_flow_indirect(f, at, insn->target);
        return true;
    case TLI_CALL:
    case TLI_CALL_INDIRECT:
        follow_call(f, next, insn);
        if (!call_returns(f, insn))
            return false;
        soften(f, path);
        return true;
    case TLI_INT3:
        soften(f, path);
        return true;
    default:
        if (insn->named && insn->is_address) {
            note_reference(f->m, insn->named);
            mark_target(f->m, insn->named, true);
            f->has_inner_pointers |= insn->named != f->entry && tli_part_at(f, insn->named);
        }
        return true;
    }
}

static void walk(struct tli_flow *f, uint64_t start)
{
    struct path path = {.at = start};
    f->run_count = 0;
    for (;;) {
        struct tli_insn insn;
        const struct tli_part *part = tli_part_at(f, path.at);
        if (!part) {
            dead_end(f, &path, TLI_DOUBT_FALLS);
            return;
        }
        uint64_t index = part->base + (path.at - part->start);
        if (tli_bit(f->starts, index))
            return;
        if (tli_bit(f->covered, index) && !is_lock_skip(f, part, path.at)) {
            dead_end(f, &path, TLI_DOUBT_OVERLAP);
            return;
        }
        size_t left = (size_t)(part->end - path.at);
        if (!tli_decode(&insn, part->region->bytes + (path.at - part->region->start), left, path.at)) {
            dead_end(f, &path, TLI_DOUBT_INVALID);
            return;
        }
        if (!claim(f, part, path.at, insn.length)) {
            dead_end(f, &path, TLI_DOUBT_OVERLAP);
            return;
        }
        if (path.soft)
            TLI_PUSH(f->m, f->run, f->run_count, f->run_capacity, path.at);
        if (!follow(f, &path, &insn) || f->m->out_of_memory)
            return;
        path.at += insn.length;
    }
}

static void drain(struct tli_flow *f)
{
    while (f->work_count && !f->m->out_of_memory)
        walk(f, f->work[--f->work_count]);
}

static void judge_jump(struct tli_flow *f, uint64_t at, bool *unknown)
{
    struct tli_insn insn = {0};
    switch (tli_jump_resolve(f, at)) {
    case TLI_JUMP_TAIL:
        if (tli_flow_decode(f, at, &insn))
            add_exit(f, at, insn.length, TLI_EXIT_INDIRECT);
        break;
    case TLI_JUMP_TABLE:
        break;
    default:
        *unknown = true;
    }
}

/* Labels whose addresses stand in tables of the file: where a computed goto of this function may lead. */
static bool push_code_pointers(struct tli_flow *f)
{
    const struct tli_module *m = f->m;
    const struct tli_part *part = &f->parts[0];
    size_t low = 0, high = m->code_pointer_count;
    bool any = false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (m->code_pointers[middle] <= f->entry)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < m->code_pointer_count && m->code_pointers[low] < part->end; low++)
        if (!is_start(f, m->code_pointers[low])) {
            push(f, m->code_pointers[low]);
            any = true;
        }
    return any;
}

/* Each jump table that is understood leads to more code, which may hold what another jump needs to be understood. */
static void resolve_jumps(struct tli_flow *f)
{
    bool pointers_pushed = false;
    for (unsigned rounds = 0; f->pending_count && !f->m->out_of_memory; rounds++) {
        size_t count = f->pending_count, kept = 0;
        uint64_t proven_before = f->proven;
        for (size_t i = 0; i < count; i++) {
            bool unknown = false;
            judge_jump(f, f->pending[i], &unknown);
            if (unknown)
                f->pending[kept++] = f->pending[i];
        }
        f->pending_count = kept;
        drain(f);
        if (rounds <= ROUNDS_MAX && (f->proven != proven_before || f->pending_count != kept || kept == 0))
            continue;
        if (pointers_pushed || rounds > ROUNDS_MAX || !push_code_pointers(f)) {
            f->facts->doubts |= TLI_DOUBT_INDIRECT;
            return;
        }
        pointers_pushed = true;
        drain(f);
    }
}

static void begin(struct tli_flow *f, uint32_t index)
{
    const struct tl_plan_function *function = &f->m->module->functions[index];
    f->index = index;
    f->facts = &f->m->facts[index];
    f->facts->doubts = 0;
    f->facts->exit_first = (uint32_t)f->m->exit_count;
    f->entry = f->loop_entry = function->address;
    f->part_count = 0;
    f->local_bytes = 0;
    f->work_count = f->branch_count = f->sorted_count = f->pending_count = 0;
    f->has_inner_pointers = f->has_open_tables = false;
}

static int exit_by_address(const void *a, const void *b)
{
    const struct tli_exit *x = a, *y = b;
    return x->address < y->address ? -1 : x->address > y->address;
}

void tli_flow_function(struct tli_flow *f, uint32_t index)
{
    const struct tl_plan_function *function = &f->m->module->functions[index];
    struct tli_insn insn;
    begin(f, index);
    bool ok = add_part(f, function->address, function->address + function->size);
    for (uint32_t cold = f->facts->cold; ok && cold != TLI_NO_INDEX; cold = f->m->colds[cold].next)
        ok = add_part(f, f->m->colds[cold].start, f->m->colds[cold].end);
    if (!ok) {
        f->facts->doubts |= TLI_DOUBT_BUDGET;
        return;
    }
    if (tli_flow_decode(f, f->entry, &insn) && insn.class == TLI_ENDBR)
        f->loop_entry += insn.length;
    push(f, f->entry);
    for (size_t i = 0; i < f->part_count; i++)
        push_landing_pads(f, &f->parts[i]);
    drain(f);
    bool unclear = f->pending_count;
    if (f->round > 1) {
        resolve_jumps(f);
        unclear = f->has_open_tables;
    }
    if (f->round < 3 && unclear) {
        TLI_PUSH(f->m, f->deferred, f->deferred_count, f->deferred_capacity, index);
        f->m->exit_count = f->facts->exit_first;
        f->facts->exit_count = 0;
        return;
    }
    for (size_t i = 0; i < f->part_count; i++) {
        tli_flow_publish(f, &f->parts[i]);
    }
    f->facts->exit_count = (uint32_t)(f->m->exit_count - f->facts->exit_first);
    if (f->facts->exit_count)
        qsort(f->m->exits + f->facts->exit_first, f->facts->exit_count, sizeof *f->m->exits, exit_by_address);
}
