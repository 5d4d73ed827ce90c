/* SPDX-License-Identifier: MIT
 *
 * Building stubs. See stub.h; the templates are in arch/x86/.../record.S.
 */
#include <core/stub.h>
#include <record.h>
#include <regs.h>
#include <wire/event.h>

struct record {
    uint32_t hot;  /* offset of the hot half in the code */
    uint32_t gate; /* of the gate before it */
    bool entry;
    const struct tl_record_shape *shape;
};

struct build {
    struct tli_code *code;
    const struct tl_wire_site *spec;
    const struct tli_stub_target *target;
    struct tl_insn insn[TL_SITE_MAX_INSNS];
    uint8_t offset[TL_SITE_MAX_INSNS]; /* in the window */
    uint32_t label[TL_SITE_MAX_INSNS]; /* in the code, from the pass before */
    struct record record[TLI_STUB_RECORDS];
    unsigned records;
};

uint32_t tli_stub_constant(const struct tli_stub_target *target, bool first, bool entry, uint32_t function)
{
    uint64_t called = (uint64_t)target->called + function;
    if (target->work == TLI_STUB_COVER)
        return (uint32_t)(first ? called : called >> 32);
    if (target->work == TLI_STUB_COUNT && first)
        return function * (uint32_t)sizeof(uint64_t);
    return (uint32_t)(TL_EVENT(0, entry ? TL_EVENT_ENTRY : TL_EVENT_EXIT, function) >> 32);
}

static enum tl_status decode_window(struct build *build)
{
    const struct tl_wire_site *spec = build->spec;
    unsigned at = 0;
    if (spec->insns == 0 || spec->insns > TL_SITE_MAX_INSNS || spec->size > TL_SITE_MAX_BYTES)
        return TL_BAD_ARGUMENT;
    for (unsigned i = 0; i < spec->insns; i++) {
        if (tl_insn_decode(&build->insn[i], spec->bytes + at, spec->size - at, TL_ARCH_MODE) != TL_OK)
            return TL_NO_INSTRUCTION;
        build->offset[i] = (uint8_t)at;
        at += build->insn[i].length;
    }
    return at == spec->size ? TL_OK : TL_BAD_ARGUMENT;
}

static const uint8_t *hot_template(enum tli_stub_work work, bool entry, const struct tl_record_shape **shape)
{
    if (work == TLI_STUB_COUNT)
        return *shape = &tl_record_count_shape, tl_record_count;
    if (entry)
        return *shape = &tl_record_entry_shape, tl_record_entry;
    if (work == TLI_STUB_RETRACT)
        return *shape = &tl_record_retract_shape, tl_record_retract;
    return *shape = &tl_record_exit_shape, tl_record_exit;
}

static void emit_record(struct build *build, bool entry)
{
    struct tli_code *code = build->code;
    const struct tli_stub_target *target = build->target;
    if (!entry && (target->work == TLI_STUB_COUNT || target->work == TLI_STUB_COVER))
        return;
    if (build->records == TLI_STUB_RECORDS) {
        code->status = TL_NO_ROOM;
        return;
    }
    struct record *record = &build->record[build->records++];
    record->hot = record->gate = code->size;
    record->entry = entry;
    if (target->work == TLI_STUB_SAMPLE) {
        const struct tl_gate_shape *gate = entry ? &tl_record_gate_entry_shape : &tl_record_gate_exit_shape;
        tli_code_bytes(code, entry ? tl_record_gate_entry : tl_record_gate_exit, gate->size);
    } else if (target->work == TLI_STUB_COVER) {
        tli_code_bytes(code, tl_record_cover, tl_record_cover_shape.size);
    } else {
        const uint8_t *bytes = hot_template(target->work, entry, &record->shape);
        tli_code_bytes(code, bytes, record->shape->size);
    }
}

/* Notes where the record's constant is, and puts it there. */
static void set_constant(struct build *build, struct tli_stub_shape *shape, unsigned i, bool first, uint32_t at)
{
    shape->event[2 * i + !first] = (uint16_t)at;
    tli_code_patch(build->code, at,
                   tli_stub_constant(build->target, first, build->record[i].entry, build->spec->function));
}

static void link(struct tli_code *code, uint32_t from, uint32_t to)
{
    tli_code_patch(code, from, to - (from + 4));
}

/* The records that gates stand for, each behind its gate's cold half; and the pointer that those share. */
static void emit_gated(struct build *build)
{
    struct tli_code *code = build->code;
    uint32_t pointer = code->size;
    tli_code_bytes(code, (const uint8_t *)&build->target->gate, sizeof(uintptr_t));
    for (unsigned i = 0; i < build->records; i++) {
        struct record *record = &build->record[i];
        const struct tl_gate_shape *gate = record->entry ? &tl_record_gate_entry_shape : &tl_record_gate_exit_shape;
        uint32_t cold = code->size;
        tli_code_bytes(code, record->entry ? tl_record_gate_cold_entry : tl_record_gate_cold_exit, gate->cold_size);
        record->hot = code->size;
        const uint8_t *bytes = hot_template(TLI_STUB_RETRACT, record->entry, &record->shape);
        tli_code_bytes(code, bytes, record->shape->size);
        tli_code_jump(code, code->address + record->gate + gate->size);
        for (unsigned k = 0; k < TL_RECORD_SLOWS; k++)
            link(code, record->gate + gate->slow[k], cold);
        link(code, cold + gate->cold_event, record->hot + record->shape->event);
        link(code, cold + gate->cold_call, pointer);
        link(code, cold + gate->cold_done, record->gate + gate->done);
    }
}

/* The constants; the cold halves, and the pointer that they share. */
static void emit_cold(struct build *build, struct tli_stub_shape *shape)
{
    struct tli_code *code = build->code;
    bool counts = build->target->work == TLI_STUB_COUNT, covers = build->target->work == TLI_STUB_COVER;
    const struct tl_cold_shape *cold = counts ? &tl_record_count_cold_shape : &tl_record_cold_shape;
    if (build->target->work == TLI_STUB_SAMPLE && build->records != 0)
        emit_gated(build);
    uint32_t pointer = code->size + build->records * cold->size;
    shape->records = (uint8_t)build->records;
    shape->function = build->spec->function;
    for (unsigned i = 0; covers && i < build->records; i++) {
        uint32_t called = build->record[i].hot + tl_record_cover_shape.called;
        set_constant(build, shape, i, true, called);
        set_constant(build, shape, i, false, called + 4);
    }
    if (covers || build->records == 0)
        return;
    for (unsigned i = 0; i < build->records; i++) {
        const struct record *record = &build->record[i];
        uint32_t at = code->size;
        tli_code_bytes(code, counts ? tl_record_count_cold : tl_record_cold, cold->size);
        link(code, at + cold->call, pointer);
        link(code, at + cold->done, record->hot + record->shape->done);
        for (unsigned k = 0; k < TL_RECORD_SLOWS; k++)
            link(code, record->hot + record->shape->slow[k], at);
        set_constant(build, shape, i, true, record->hot + record->shape->event);
        set_constant(build, shape, i, false, at + cold->event);
    }
    tli_code_bytes(code, (const uint8_t *)&build->target->slow, sizeof(uintptr_t));
}

/* A branch that is copied with a target of our choice. */
static bool is_branch(const struct build *build, unsigned i)
{
    bool leaves = build->spec->exits >> i & 1;
    return !leaves && build->insn[i].rel_size != 0 && build->insn[i].category != TL_INSN_CALL_REL;
}

/* Where a relative branch of the window goes now: into the stub for what has a copy there; where its link says. */
static uintptr_t new_target(const struct build *build, unsigned i)
{
    const struct tl_wire_site *spec = build->spec;
    uintptr_t target = tli_branch_target(&build->insn[i], (uintptr_t)spec->address + build->offset[i]);
    if (!is_branch(build, i))
        return target;
    for (unsigned k = 0; k < spec->insns; k++)
        if (target == spec->address + build->offset[k])
            return build->code->address + build->label[k];
    return build->target->link[i] ? build->target->link[i] : target;
}

static void emit_insn(struct build *build, unsigned i)
{
    struct tli_code *code = build->code;
    const struct tl_insn *insn = &build->insn[i];
    const uint8_t *bytes = build->spec->bytes + build->offset[i];
    uintptr_t from = (uintptr_t)build->spec->address + build->offset[i];
    bool leaves = build->spec->exits >> i & 1;
    bool relative = insn->rel_size != 0;
    uintptr_t target = relative ? new_target(build, i) : 0;
    if (insn->category == TL_INSN_NOP)
        return; /* nothing to do, here or there */
    if (!leaves) {
        tli_move(code, insn, bytes, from, target);
    } else if (tli_falls_through(insn)) {
        /* A conditional tail jump: the record only when it is taken. */
        uint32_t over = tli_move_inverted(code, insn);
        emit_record(build, false);
        tli_code_jump(code, target);
        tli_code_patch(code, over, code->size - (over + 4));
    } else {
        emit_record(build, false);
        tli_move(code, insn, bytes, from, target);
    }
}

static void emit_guard(struct build *build)
{
    struct tli_code *code = build->code;
    const struct tl_guard_shape *guard = &tl_record_guard_shape;
    uint32_t at = code->size;
    uintptr_t behind = (uintptr_t)build->spec->address + build->spec->size;
    tli_code_bytes(code, tl_record_guard, guard->size);
    tli_code_jump(code, behind - build->insn[build->spec->insns - 1].length);
    tli_code_jump(code, behind);
    tli_code_patch(code, at + guard->call, code->size - (at + guard->call + 4));
    tli_code_bytes(code, (const uint8_t *)&build->target->guard, sizeof(uintptr_t));
}

static void emit_stub(struct build *build, struct tli_stub_shape *shape)
{
    const struct tl_wire_site *spec = build->spec;
    bool guard = spec->kind == TL_SITE_GUARD;
    build->records = 0;
    if (spec->kind == TL_SITE_ENTRY || (guard && spec->function != 0))
        emit_record(build, true);
    unsigned copied = guard ? spec->insns - 1u : spec->insns; /* a guard ends with its system call */
    for (unsigned i = 0; i < copied; i++) {
        build->label[i] = build->code->size;
        emit_insn(build, i);
    }
    if (guard)
        emit_guard(build);
    else if (tli_falls_through(&build->insn[spec->insns - 1]))
        tli_code_jump(build->code, (uintptr_t)spec->address + spec->size);
    emit_cold(build, shape);
}

enum tl_status tli_stub_build(struct tli_code *code, const struct tl_wire_site *spec,
                              const struct tli_stub_target *target, struct tli_site *site, struct tli_stub_shape *shape)
{
    struct build build; /* field by field: a compiler may clear so much at once by a call of memset */
    build.code = code;
    build.spec = spec;
    build.target = target;
    enum tl_status status = decode_window(&build);
    if (status != TL_OK)
        return status;
    if (spec->kind == TL_SITE_GUARD &&
        (build.insn[spec->insns - 1].category != TL_INSN_SYSCALL || build.offset[spec->insns - 1] < TLI_SITE_BYTES))
        return TL_BAD_ARGUMENT;
    /* Twice: the first pass finds the labels that branches within the window need. Sizes do not depend on them. */
    struct tli_code count = {.address = code->address, .room = TLI_STUB_MAX_BYTES};
    build.code = &count;
    emit_stub(&build, shape);
    build.code = code;
    if (count.status != TL_OK)
        return count.status;
    if (code->bytes)
        emit_stub(&build, shape);
    else
        code->size = count.size;
    for (unsigned i = 0; i < spec->insns; i++)
        if (build.offset[i] < TLI_SITE_BYTES)
            site->label[build.offset[i]] = (uint16_t)build.label[i];
    shape->size = count.size;
    shape->kind = spec->kind;
    shape->work = (uint8_t)target->work;
    shape->exits = spec->exits;
    shape->window = spec->size;
    shape->insns = spec->insns;
    shape->branches = shape->linked = 0;
    for (unsigned i = 0; i < spec->insns; i++) {
        shape->branches = (uint8_t)(shape->branches + is_branch(&build, i));
        shape->linked = (uint8_t)(shape->linked + (is_branch(&build, i) && target->link[i] != 0));
    }
    for (unsigned i = 0; i < TL_SITE_MAX_BYTES; i++)
        shape->bytes[i] = i < spec->size ? spec->bytes[i] : 0;
    return code->status;
}

bool tli_stub_matches(const struct tli_stub_shape *shape, const struct tl_wire_site *spec, enum tli_stub_work work)
{
    bool does = shape->work == work || (work == TLI_STUB_RECORD && shape->work == TLI_STUB_RETRACT);
    if (!does || shape->kind != spec->kind || shape->exits != spec->exits || shape->window != spec->size ||
        shape->insns != spec->insns || (spec->kind == TL_SITE_GUARD && (shape->records != 0) != (spec->function != 0)))
        return false;
    for (unsigned i = 0; i < spec->size; i++)
        if (shape->bytes[i] != spec->bytes[i])
            return false;
    return true;
}
