/* SPDX-License-Identifier: MIT
 *
 * From the tracer's site records to standing sites, and back: chooses a place for each stub, builds it, and pokes all
 * in one batch. Run by the agent's thread, the only one that pokes.
 */
#include <agent/agent.h>
#include <core/place.h>
#include <core/poke.h>
#include <core/ring.h>
#include <core/slab.h>
#include <core/stub.h>
#include <port/linux/linux.h>
#include <regs.h>
#include <trapline/port.h>
#include <wire/event.h>

#define JMP 0xe9
#define INT3 0xcc

/* A batch in the making. Parts: a window whose jmp finds no place becomes an int3 for each instruction that matters. */
struct batch {
    struct tli_site **sites; /* all that will be poked */
    size_t count, room;
    struct tli_site **fresh; /* those of them that are not in the table yet */
    size_t fresh_count;
    struct tli_site **entry; /* of this batch, by function id from entry_first on */
    uint32_t entry_first, entry_count;
};

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

/* A byte a function, for tracers that want to know whether it was called. */
static uintptr_t called_bytes(void)
{
    return (uintptr_t)tli_ring.control + (uintptr_t)TL_CALLED_OFFSET;
}

/* Whether the session wants to know when functions are left. */
static bool wants_exits(void)
{
    return work() != TLI_STUB_COUNT && work() != TLI_STUB_COVER;
}

/* Where the batch keeps the entry site of the function that spec is of. */
static struct tli_site **entry_of(const struct batch *batch, const struct tl_wire_site *spec)
{
    return &batch->entry[spec->function - batch->entry_first];
}

static struct tli_stub_target target_of(const struct batch *batch, const struct tl_wire_site *spec)
{
    struct tli_stub_target target;
    bool guard = spec->kind == TL_SITE_GUARD;
    target.slow = (uintptr_t)tl_stub_slow;
    target.guard = (uintptr_t)tl_stub_guard;
    target.gate = (uintptr_t)tl_stub_gate;
    target.entry = target.entry_silent = 0;
    target.work = work();
    target.called = called_bytes();
    const struct tli_site *entry = guard ? 0 : *entry_of(batch, spec);
    if (entry) {
        target.entry = entry->address;
        target.entry_silent = entry->stub + entry->label[0];
    }
    return target;
}

/* Reserves a place for the stub and writes it there. */
static enum tl_status make_stub(const struct batch *batch, const struct tl_wire_site *spec, struct tli_site *site,
                                struct tli_stub_shape *shape)
{
    static uint8_t bytes[TLI_STUB_MAX_BYTES];
    struct tli_stub_target target = target_of(batch, spec);
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
    target.called = called_bytes();
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
    if ((site->new_bytes[0] == INT3) != (spec->tactic == TL_TACTIC_TRAP))
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
        site->new_bytes[i] = i == 0 ? JMP : (uint8_t)(distance >> 8 * (i - 1));
    }
    if (spec->tactic == TL_TACTIC_TRAP)
        site->new_bytes[0] = INT3;
}

static enum tl_status add(struct batch *batch, const struct tl_wire_site *spec)
{
    uint8_t size = written_bytes(spec);
    uintptr_t address = (uintptr_t)spec->address;
    if (spec->size == 0 || spec->size > TL_SITE_MAX_BYTES || spec->size < size || batch->count == batch->room)
        return TL_BAD_ARGUMENT;
    enum tl_status status = tli_agent_text_is(address, spec->bytes, known_bytes(spec));
    if (status != TL_OK)
        return status;
    if (tli_site_overlaps(address, size))
        return TL_OVERLAP;
    struct tli_site *site = reuse(spec, size);
    if (!site) {
        site = tli_slab_take(sizeof(*site));
        struct tli_stub_shape *shape = tli_slab_take(sizeof(*shape));
        if (!site || !shape)
            return TL_NO_MEMORY;
        site->address = address;
        site->size = size;
        site->starts = starts_of(spec);
        site->guard = spec->kind == TL_SITE_GUARD;
        site->shape = shape;
        status = make_stub(batch, spec, site, shape);
        if (status != TL_OK)
            return status;
        set_bytes(site, spec);
        atomic_store_explicit(&site->state, TLI_SITE_GONE, memory_order_relaxed); /* relaxed: nobody sees it yet */
        batch->fresh[batch->fresh_count++] = site;
    }
    batch->sites[batch->count++] = site;
    if (spec->kind == TL_SITE_ENTRY)
        *entry_of(batch, spec) = site;
    return TL_OK;
}

/* One int3 for each instruction of the window that matters: the first of an entry, each exit, each branch of a
 * redirection. */
static enum tl_status add_traps(struct batch *batch, const struct tl_wire_site *spec)
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

static void add_spec(struct batch *batch, struct tl_wire_site *spec)
{
    size_t count = batch->count, fresh = batch->fresh_count;
    enum tl_status status = add(batch, spec);
    if (status == TL_NO_MEMORY && spec->tactic != TL_TACTIC_TRAP && spec->kind != TL_SITE_GUARD) {
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

/* Heap sort by address: no recursion, no memory, and the input is nearly sorted anyway. */
static void sift(struct tli_site **sites, size_t root, size_t count)
{
    for (;;) {
        size_t child = 2 * root + 1;
        if (child >= count)
            return;
        if (child + 1 < count && sites[child]->address < sites[child + 1]->address)
            child++;
        if (sites[root]->address >= sites[child]->address)
            return;
        struct tli_site *swap = sites[root];
        sites[root] = sites[child];
        sites[child] = swap;
        root = child;
    }
}

static void sort(struct tli_site **sites, size_t count)
{
    for (size_t i = count / 2; i-- > 0;)
        sift(sites, i, count);
    for (size_t end = count; end-- > 1;) {
        struct tli_site *swap = sites[0];
        sites[0] = sites[end];
        sites[end] = swap;
        sift(sites, 0, end);
    }
}

/* Takes sites out that overlap the one before; the plan gives none, so which one goes does not matter. */
static size_t without_overlaps(struct tli_site **sites, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        const struct tli_site *last = kept ? sites[kept - 1] : 0;
        if (last && sites[i]->shape && last->address + last->size > sites[i]->address)
            sites[i]->shape = 0;
        if (sites[i]->shape)
            sites[kept++] = sites[i];
    }
    return kept;
}

static void set_state(struct tli_site *const *sites, size_t count, enum tli_site_state state)
{
    for (size_t i = 0; i < count; i++)
        /* [S2] release: the stub is written. Pairs with the acquire in tli_trap(). */
        atomic_store_explicit(&sites[i]->state, state, memory_order_release);
}

/* Pokes; a site whose bytes have changed under us meanwhile is left out. */
static void poke(struct tli_site **sites, size_t count, enum tli_poke_direction direction, bool at_rest)
{
    size_t kept = 0;
    bool arming = direction == TLI_POKE_ARM;
    tli_agent_text_forget();
    for (size_t i = 0; i < count; i++)
        if (tli_agent_text_is(sites[i]->address, arming ? sites[i]->old_bytes : sites[i]->new_bytes, sites[i]->size) ==
            TL_OK)
            sites[kept++] = sites[i];
        else
            set_state(sites + i, 1, TLI_SITE_GONE);
    if (arming && at_rest)
        tli_poke_write_at_rest(sites, kept);
    else
        tli_poke_write(sites, kept, direction);
}

/* Guards have gone in since all threads were last seen to take our signals. Not before each batch: once the guards are
 * in, a thread blocks them only in our own code, where there are no sites; and where threads come and go in masses, one
 * is always in there, in its first traced call. */
static bool look_at_masks;

/* Guards come and go page by page, without an int3: a thread may have SIGTRAP blocked while they are not all in place.
 */
static void swap_guards(struct tli_site *const *sites, size_t count, bool in)
{
    for (size_t i = 0; i < count; i++) {
        struct tli_site *site = sites[i];
        if (!tli_poke_verify(site, in ? TLI_POKE_ARM : TLI_POKE_DISARM))
            continue; /* the mapping has gone */
        if (in || !tli_mapping_restore(site->address, site->old_bytes, site->size))
            (void)tli_text_swap(site->address, in ? site->new_bytes : site->old_bytes, site->size);
    }
    if (!in)
        set_state(sites, count, TLI_SITE_GONE);
}

static bool make_room(struct batch *batch, const struct tl_wire_site *sites, uint32_t count)
{
    uint32_t first = UINT32_MAX, last = 0;
    for (uint32_t i = 0; i < count; i++) {
        batch->room += sites[i].insns ? sites[i].insns : 1u;
        if (sites[i].kind == TL_SITE_GUARD)
            continue;
        first = sites[i].function < first ? sites[i].function : first;
        last = sites[i].function > last ? sites[i].function : last;
    }
    batch->entry_first = first;
    batch->entry_count = first <= last ? last - first + 1 : 1;
    /* Functions come in the order of their ids, each with a site at least. */
    if (batch->entry_count > TL_SITES_MAX)
        return false;
    batch->sites = tl_port_memory(batch->room * sizeof(*batch->sites));
    batch->fresh = tl_port_memory(batch->room * sizeof(*batch->fresh));
    batch->entry = tl_port_memory(batch->entry_count * sizeof(*batch->entry));
    return batch->sites && batch->fresh && batch->entry;
}

static void free_room(struct batch *batch)
{
    if (batch->sites)
        tl_port_memory_free(batch->sites, batch->room * sizeof(*batch->sites));
    if (batch->fresh)
        tl_port_memory_free(batch->fresh, batch->room * sizeof(*batch->fresh));
    if (batch->entry)
        tl_port_memory_free(batch->entry, batch->entry_count * sizeof(*batch->entry));
}

enum tl_status tli_agent_arm(struct tl_control *control, struct tl_wire_site *sites, uint32_t count)
{
    struct batch batch = {0};
    bool guards = count != 0, first = control->sites_armed == 0;
    tli_agent_text_forget();
    for (uint32_t i = 0; i < count; i++)
        guards = guards && sites[i].kind == TL_SITE_GUARD;
    control->blocked_tid = !guards && (look_at_masks || first) ? tli_agent_blocked_thread() : 0;
    if (control->blocked_tid != 0)
        return TL_BUSY;
    look_at_masks = guards;
    enum tl_status status = make_room(&batch, sites, count) ? TL_OK : TL_NO_MEMORY;
    if (status == TL_OK) {
        /* Entries first: branches back to an entry want to know its stub. */
        for (uint32_t i = 0; i < count; i++)
            if (sites[i].kind == TL_SITE_ENTRY)
                add_spec(&batch, &sites[i]);
        for (uint32_t i = 0; i < count; i++)
            if (sites[i].kind != TL_SITE_ENTRY)
                add_spec(&batch, &sites[i]);
        sort(batch.sites, batch.count);
        batch.count = without_overlaps(batch.sites, batch.count);
        sort(batch.fresh, batch.fresh_count);
        batch.fresh_count = without_overlaps(batch.fresh, batch.fresh_count);
        set_state(batch.sites, batch.count, TLI_SITE_STANDING);
        status = tli_site_publish(batch.fresh, batch.fresh_count);
        if (status != TL_OK)
            set_state(batch.sites, batch.count, TLI_SITE_GONE);
    }
    if (status == TL_OK) {
        uint64_t before = tl_port_clock();
        if (guards)
            swap_guards(batch.sites, batch.count, true);
        else
            poke(batch.sites, batch.count, TLI_POKE_ARM, control->at_rest != 0);
        control->poke_tsc = tl_port_clock() - before;
        control->sites_armed += batch.count;
    }
    control->stub_bytes = tli_place_bytes();
    free_room(&batch);
    return status;
}

/* Whether a standing site is to go: all guards, all others, or those of functions that have been called. */
enum which { GUARDS, OTHERS, CALLED };

static bool goes(const struct tli_site *site, enum which which)
{
    const volatile uint8_t *called = (const volatile uint8_t *)called_bytes(); /* a byte is set and stays */
    /* relaxed: ours to write */
    return atomic_load_explicit(&site->state, memory_order_relaxed) == TLI_SITE_STANDING &&
           site->guard == (which == GUARDS) && (which != CALLED || (site->shape && called[site->shape->function]));
}

/* Collects sites into memory of room bytes. */
static struct tli_site **standing(enum which which, size_t *count, size_t *room)
{
    const struct tli_table *table = tli_site_table();
    *count = 0;
    *room = table ? table->count * sizeof(struct tli_site *) : 0;
    struct tli_site **sites = *room ? tl_port_memory(*room) : 0;
    for (size_t i = 0; sites && i < table->count; i++)
        if (goes(table->sites[i], which))
            sites[(*count)++] = table->sites[i];
    return sites;
}

static void disarm(struct tl_control *control, enum which which)
{
    size_t count, room;
    struct tli_site **sites = standing(which, &count, &room);
    if (!sites)
        return;
    uint64_t before = tl_port_clock();
    if (count != 0) {
        set_state(sites, count, TLI_SITE_LEAVING);
        poke(sites, count, TLI_POKE_DISARM, false);
    }
    control->poke_tsc = tl_port_clock() - before;
    control->sites_armed -= count;
    tl_port_memory_free(sites, room);
}

void tli_agent_disarm(struct tl_control *control)
{
    disarm(control, OTHERS);
    control->sites_armed = 0;
}

void tli_agent_retire(struct tl_control *control)
{
    disarm(control, CALLED);
}

void tli_agent_disarm_guards(void)
{
    size_t count, room;
    struct tli_site **sites = standing(GUARDS, &count, &room);
    if (!sites)
        return;
    swap_guards(sites, count, false);
    tl_port_memory_free(sites, room);
}
