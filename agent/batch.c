/* SPDX-License-Identifier: MIT
 *
 * From the tracer's site records to sites with stubs: chooses a place for each stub, and builds it, or finds the one of
 * a session before that will do. See batch.h.
 */
#include <agent/agent.h>
#include <agent/batch.h>
#include <core/place.h>
#include <core/ring.h>
#include <core/slab.h>
#include <port/linux/linux.h>
#include <regs.h>
#include <trapline/port.h>
#include <wire/event.h>

/* Bytes of the text that a site's bytes were compared with, and those of them that it overwrites. */
static uint8_t known_bytes(const struct tl_wire_site *spec)
{
    return spec->tactic == TL_TACTIC_SHORT && spec->size < TLI_SITE_BYTES ? TLI_SITE_BYTES : spec->size;
}

static uint8_t written_bytes(const struct tl_wire_site *spec)
{
    if (spec->tactic == TL_TACTIC_TRAP)
        return 1;
    return spec->tactic == TL_TACTIC_SHORT && spec->size < TLI_SITE_BYTES ? spec->size : TLI_SITE_BYTES;
}

static uint8_t starts_of(const struct tl_wire_site *spec)
{
    uint8_t starts = 1;
    unsigned at = 0;
    struct tl_insn insn;
    if (spec->tactic == TL_TACTIC_TRAP)
        return starts;
    while (at < TLI_SITE_BYTES && at < spec->size &&
           tl_insn_decode(&insn, spec->bytes + at, spec->size - at, TL_ARCH_MODE) == TL_OK) {
        starts |= (uint8_t)(1u << at);
        at += insn.length;
    }
    return starts;
}

static enum tli_stub_work work(void)
{
    const struct tl_control *control = tli_ring.control;
    if (control && control->mode == TL_RING_COUNT)
        return TLI_STUB_COUNT;
    if (control && control->mode == TL_RING_COVER)
        return TLI_STUB_COVER;
    if (control && control->one_in > 1)
        return TLI_STUB_SAMPLE;
    return control && control->min_ticks != 0 ? TLI_STUB_RETRACT : TLI_STUB_RECORD;
}

uintptr_t tli_batch_called(void)
{
    return (uintptr_t)tli_ring.control + (uintptr_t)TL_CALLED_OFFSET;
}

/* Whether the session wants to know when functions are left. */
static bool wants_exits(void)
{
    return work() != TLI_STUB_COUNT && work() != TLI_STUB_COVER;
}

struct tli_site **tli_batch_entry(const struct tli_batch *batch, uint32_t function)
{
    return &batch->entry[function - batch->entry_first];
}

void tli_batch_target(struct tli_stub_target *target)
{
    target->slow = (uintptr_t)tl_stub_slow;
    target->guard = (uintptr_t)tl_stub_guard;
    target->gate = (uintptr_t)tl_stub_gate;
    target->work = work();
    target->called = tli_batch_called();
    for (unsigned i = 0; i < TL_SITE_MAX_INSNS; i++)
        target->link[i] = 0;
}

/* Reserves a place for the stub and writes it there. */
static enum tl_status make_stub(const struct tli_batch *batch, const struct tl_wire_site *spec, struct tli_site *site,
                                struct tli_stub_shape *shape)
{
    static uint8_t bytes[TLI_STUB_MAX_BYTES];
    struct tli_stub_target target;
    tli_batch_target(&target);
    (void)tli_links_find(batch, spec, false, &target);
    struct tli_code code = {.address = site->address, .room = sizeof(bytes)};
    enum tl_status status = tli_stub_build(&code, spec, &target, site, shape);
    if (status != TL_OK)
        return status;
    uint32_t size = code.size;
    if (spec->tactic == TL_TACTIC_TRAP)
        status = tli_place_near(site->address, size, &site->stub);
    else if (site->size < TLI_SITE_BYTES)
        status = tli_place_short(site->address, site->starts, spec->bytes, site->size, size, &site->stub);
    else
        status = tli_place_jump(site->address, site->starts, size, &site->stub);
    if (status != TL_OK)
        return status;
    code = (struct tli_code){.bytes = bytes, .address = site->stub, .room = sizeof(bytes)};
    status = tli_stub_build(&code, spec, &target, site, shape);
    if (status == TL_OK)
        status = tl_port_text_write(site->stub, bytes, size);
    if (status != TL_OK)
        tli_place_undo(site->stub, size);
    return status;
}

/* Gives an old stub the function id of this session. No site leads to it; a thread asleep in it since the session
 * before would record under the new id, which names the same function. */
static enum tl_status rename_stub(const struct tli_site *site, uint32_t function)
{
    struct tli_stub_shape *shape = site->shape;
    struct tli_stub_target target;
    target.work = (enum tli_stub_work)shape->work;
    target.called = tli_batch_called();
    shape->function = function;
    for (unsigned i = 0; i < 2u * shape->records; i++) {
        bool entry = i < 2 && shape->kind != TL_SITE_BODY;
        uint32_t word = tli_stub_constant(&target, i % 2 == 0, entry, function), found;
        __builtin_memcpy(&found, (const void *)(site->stub + shape->event[i]), sizeof(found));
        if (found == word)
            continue;
        enum tl_status status = tl_port_text_write(site->stub + shape->event[i], &word, sizeof(word));
        if (status != TL_OK)
            return status;
    }
    return TL_OK;
}

/* A jump of which only a part is written leads where the rest of its bytes say. */
static bool same_bytes(const struct tli_site *site, const struct tl_wire_site *spec)
{
    if ((site->new_bytes[0] == TLI_INT3) != (spec->tactic == TL_TACTIC_TRAP))
        return false;
    for (unsigned i = 0; spec->tactic == TL_TACTIC_SHORT && i < TLI_SITE_BYTES; i++)
        if (site->old_bytes[i] != spec->bytes[i])
            return false;
    return true;
}

static struct tli_site *reuse(const struct tl_wire_site *spec, uint8_t size)
{
    struct tli_site *site = tli_site_any((uintptr_t)spec->address);
    if (!site || site->plain || site->size != size || !site->shape || !tli_stub_matches(site->shape, spec, work()) ||
        !same_bytes(site, spec) ||
        atomic_load_explicit(&site->state, memory_order_relaxed) != TLI_SITE_GONE) /* relaxed: ours to write */
        return 0;
    return rename_stub(site, spec->function) == TL_OK ? site : 0;
}

static void set_bytes(struct tli_site *site, const struct tl_wire_site *spec)
{
    uint32_t distance = (uint32_t)(site->stub - (site->address + TLI_SITE_BYTES));
    for (unsigned i = 0; i < TLI_SITE_BYTES; i++) {
        site->old_bytes[i] = spec->bytes[i];
        site->new_bytes[i] = i == 0 ? TLI_JMP : (uint8_t)(distance >> 8 * (i - 1));
    }
    if (spec->tactic == TL_TACTIC_TRAP)
        site->new_bytes[0] = TLI_INT3;
}

/* True if a site stands there. One whose bytes are not in the text was unloaded with it, and is gone. */
static bool in_the_way(uintptr_t address, size_t size)
{
    for (;;) {
        struct tli_site *site = tli_site_overlapping(address, size);
        if (!site || tli_agent_text_is(site->address, site->new_bytes, site->size) == TL_OK)
            return site != 0;
        atomic_store_explicit(&site->state, TLI_SITE_GONE,
                              memory_order_release); /* [S2] nothing of it is in the text */
        tli_ring.control->sites_armed--;
    }
}

static enum tl_status add(struct tli_batch *batch, const struct tl_wire_site *spec)
{
    uint8_t size = written_bytes(spec);
    uintptr_t address = (uintptr_t)spec->address;
    if (spec->size == 0 || spec->size > TL_SITE_MAX_BYTES || spec->size < size || batch->count == batch->room)
        return TL_BAD_ARGUMENT;
    enum tl_status status = tli_agent_text_is(address, spec->bytes, known_bytes(spec));
    if (status != TL_OK)
        return status;
    if (in_the_way(address, size))
        return TL_OVERLAP;
    struct tli_site *site = batch->anew ? 0 : reuse(spec, size);
    if (site) {
        site->shape->fresh = false;
    } else {
        site = tli_slab_take(sizeof(*site));
        struct tli_stub_shape *shape = tli_slab_take(sizeof(*shape));
        if (!site || !shape)
            return TL_NO_MEMORY;
        site->address = address;
        site->size = size;
        site->starts = starts_of(spec);
        site->guard = spec->kind == TL_SITE_GUARD;
        site->shape = shape;
        shape->fresh = true;
        status = make_stub(batch, spec, site, shape);
        if (status != TL_OK)
            return status;
        set_bytes(site, spec);
        atomic_store_explicit(&site->state, TLI_SITE_GONE, memory_order_relaxed); /* relaxed: nobody sees it yet */
        batch->fresh[batch->fresh_count++] = site;
    }
    batch->sites[batch->count++] = site;
    if (spec->kind == TL_SITE_ENTRY)
        *tli_batch_entry(batch, spec->function) = site;
    return TL_OK;
}

/* One int3 for each instruction of the window that matters: the first of an entry, each exit, each branch of a
 * redirection. */
static enum tl_status add_traps(struct tli_batch *batch, const struct tl_wire_site *spec)
{
    unsigned at = 0;
    struct tl_insn insn;
    for (unsigned i = 0; i < spec->insns; i++) {
        if (tl_insn_decode(&insn, spec->bytes + at, spec->size - at, TL_ARCH_MODE) != TL_OK)
            return TL_NO_INSTRUCTION;
        bool leaves = spec->exits >> i & 1, entry = i == 0 && spec->kind == TL_SITE_ENTRY;
        bool back = spec->kind == TL_SITE_REDIRECT && insn.rel_size != 0 && insn.category != TL_INSN_CALL_REL;
        if (entry || (leaves && wants_exits()) || back) {
            struct tl_wire_site one = *spec;
            one.address += at;
            one.kind = entry ? TL_SITE_ENTRY : spec->kind == TL_SITE_ENTRY ? TL_SITE_BODY : spec->kind;
            one.tactic = TL_TACTIC_TRAP;
            one.size = insn.length;
            one.insns = 1;
            one.exits = leaves;
            for (unsigned k = 0; k < insn.length; k++)
                one.bytes[k] = spec->bytes[at + k];
            enum tl_status status = add(batch, &one);
            if (status != TL_OK)
                return status;
        }
        at += insn.length;
    }
    return TL_OK;
}

void tli_batch_add(struct tli_batch *batch, struct tl_wire_site *spec)
{
    size_t count = batch->count, fresh = batch->fresh_count;
    enum tl_status status = add(batch, spec);
    if (status == TL_NO_MEMORY && spec->kind == TL_SITE_LINK)
        status = TL_OK; /* its branch traps, as it would here */
    else if (status == TL_NO_MEMORY && spec->tactic != TL_TACTIC_TRAP && spec->kind != TL_SITE_GUARD) {
        status = add_traps(batch, spec);
        if (status == TL_OK)
            spec->tactic = TL_TACTIC_TRAP;
    }
    if (status != TL_OK) { /* all of a window or nothing */
        batch->count = count;
        batch->fresh_count = fresh;
        spec->tactic = TL_TACTIC_NONE;
    }
    spec->status = (uint8_t)status;
}
