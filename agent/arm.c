/* SPDX-License-Identifier: MIT
 *
 * From a batch of sites to standing ones, and back: all are poked together. Run by the agent's thread, the only one
 * that pokes.
 */
#include <agent/agent.h>
#include <agent/batch.h>
#include <core/place.h>
#include <core/poke.h>
#include <port/linux/linux.h>
#include <trapline/port.h>

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

void tli_batch_sort(struct tli_site **sites, size_t count)
{
    size_t sorted = 1;
    while (sorted < count && sites[sorted - 1]->address <= sites[sorted]->address)
        sorted++;
    if (sorted >= count)
        return;
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
    tli_site_hold();
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
    tli_site_unhold();
}

/* Guards have gone in since all threads were last seen to take our signals. Not before each batch: once the guards are
 * in, a thread blocks them only in our own code, where there are no sites; and where threads come and go in masses, one
 * is always in there, in its first traced call. */
static bool look_at_masks;

/* Guards come and go page by page, without an int3: a thread may have SIGTRAP blocked while they are not all in place.
 */
static void swap_guards(struct tli_site *const *sites, size_t count, bool in)
{
    tli_site_hold();
    for (size_t i = 0; i < count; i++) {
        struct tli_site *site = sites[i];
        if (!tli_poke_verify(site, in ? TLI_POKE_ARM : TLI_POKE_DISARM))
            continue; /* the mapping has gone */
        if (in || !tli_mapping_restore(site->address, site->old_bytes, site->size))
            (void)tli_text_swap(site->address, in ? site->new_bytes : site->old_bytes, site->size);
    }
    tli_site_unhold();
    if (!in)
        set_state(sites, count, TLI_SITE_GONE);
}

static bool make_room(struct tli_batch *batch, const struct tl_wire_site *sites, uint32_t count)
{
    uint32_t first = UINT32_MAX, last = 0;
    for (uint32_t i = 0; i < count; i++) {
        batch->room += sites[i].insns + 1u; /* one for an old stub that will not do, before the batch is whole */
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

static void free_room(struct tli_batch *batch)
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
    struct tli_batch batch = {0};
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
                tli_batch_add(&batch, &sites[i]);
        for (uint32_t i = 0; i < count; i++)
            if (sites[i].kind != TL_SITE_ENTRY && sites[i].kind != TL_SITE_LINK)
                tli_batch_add(&batch, &sites[i]);
        tli_links_add(&batch, sites, count);
        tli_batch_sort(batch.sites, batch.count);
        batch.count = without_overlaps(batch.sites, batch.count);
        tli_batch_sort(batch.fresh, batch.fresh_count);
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
    const volatile uint8_t *called = (const volatile uint8_t *)tli_batch_called(); /* a byte is set and stays */
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
