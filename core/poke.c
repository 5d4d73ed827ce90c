/* SPDX-License-Identifier: MIT
 *
 * text_poke, for a batch of any size: see poke.h, and docs/protocol.md for the picture. The steps are those of Linux's
 * text_poke_bp_batch() as its comments describe it, with one change: a site may begin several instructions.
 */
#include <core/poke.h>
#include <trapline/port.h>

#define INT3 0xcc
#define RUN_BYTES 4096 /* sites this near to each other are written in one go */

struct tli_poke_count tli_poke_count;

enum step { STEP_INT3, STEP_TAIL, STEP_HEAD };

static const uint8_t *bytes_before(const struct tli_site *site, enum tli_poke_direction direction)
{
    return direction == TLI_POKE_ARM ? site->old_bytes : site->new_bytes;
}

static const uint8_t *bytes_after(const struct tli_site *site, enum tli_poke_direction direction)
{
    return direction == TLI_POKE_ARM ? site->new_bytes : site->old_bytes;
}

bool tli_poke_verify(const struct tli_site *site, enum tli_poke_direction direction)
{
    uint8_t found[TLI_SITE_BYTES];
    if (tl_port_text_read(site->address, found, site->size) != TL_OK)
        return false;
    const uint8_t *expected = bytes_before(site, direction);
    for (unsigned i = 0; i < site->size; i++)
        if (found[i] != expected[i])
            return false;
    return true;
}

/* Changes in text, which holds the site's bytes, those that this step writes.
 *
 * A start inside the jmp holds, as long as the jmp stands, a byte that traps: an int3, or an invalid opcode. It is part
 * of the jmp, so it never changes together with the head: a core could run the jmp with the other byte in its
 * displacement. Arming it gets its final byte with the tail, disarming no int3 first. */
static void edit(uint8_t *text, const struct tli_site *site, enum tli_poke_direction direction, enum step step)
{
    const uint8_t *after = bytes_after(site, direction);
    bool arm = direction == TLI_POKE_ARM;
    for (unsigned i = 0; i < site->size; i++) {
        bool inner = i != 0 && (site->starts >> i & 1);
        enum step final = i == 0 ? STEP_HEAD : inner ? (arm ? STEP_TAIL : STEP_HEAD) : STEP_TAIL;
        if (step == STEP_INT3 && (i == 0 || (inner && arm)))
            text[i] = INT3;
        else if (step == final)
            text[i] = after[i];
    }
}

/* One run of neighbours, sites[0..count): read once, edited, written once. The bytes between sites are written back as
 * they are: nobody else writes text. */
static enum tl_status write_run(struct tli_site *const *sites, size_t count, enum tli_poke_direction direction,
                                enum step step)
{
    static uint8_t run[RUN_BYTES + TLI_SITE_BYTES]; /* the text lock is held */
    uintptr_t base = sites[0]->address;
    size_t size = sites[count - 1]->address + sites[count - 1]->size - base;
    enum tl_status status = tl_port_text_read(base, run, size);
    if (status != TL_OK)
        return status;
    for (size_t i = 0; i < count; i++)
        edit(run + (sites[i]->address - base), sites[i], direction, step);
    return tl_port_text_write(base, run, size);
}

static void write_step(struct tli_site *const *sites, size_t count, enum tli_poke_direction direction, enum step step)
{
    size_t first = 0;
    while (first < count) {
        uintptr_t page = sites[first]->address / RUN_BYTES;
        size_t next = first + 1;
        while (next < count && sites[next]->address / RUN_BYTES == page)
            next++;
        if (write_run(sites + first, next - first, direction, step) != TL_OK)
            for (size_t i = first; i < next; i++) /* part of the run is unmapped: each for itself */
                (void)write_run(sites + i, 1, direction, step);
        first = next;
    }
    tl_port_serialize();
    tli_poke_count.serialisations++;
}

enum tl_status tli_poke(struct tli_site *const *sites, size_t count, enum tli_poke_direction direction, size_t *differs)
{
    for (size_t i = 0; i < count; i++) {
        TL_ASSERT(i == 0 || sites[i - 1]->address + sites[i - 1]->size <= sites[i]->address);
        TL_ASSERT(sites[i]->starts & 1);
        if (!tli_poke_verify(sites[i], direction)) {
            *differs = i;
            return TL_TEXT_DIFFERS;
        }
    }
    if (count == 0)
        return TL_OK;

    /* STEP 1 of 3, int3.  site: [CC] old [CC] old old   (taking out: [CC] new [trap] new new)
     * Who arrives at a start traps and is given the new meaning; who is past one runs old bytes to the next.
     * Sync after: every core sees the int3s before a byte between them changes. */
    write_step(sites, count, direction, STEP_INT3);

    /* STEP 2 of 3, tail.  site: [CC] new [trap] new new   (taking out: [CC] old [CC] old old)
     * Who arrives at a start still traps, by the int3 or by the byte that stays there: nobody executes the bytes
     * between. Sync after: every core sees the tail before a start can be executed again. */
    write_step(sites, count, direction, STEP_TAIL);

    /* STEP 3 of 3, head.  site: new new new new new
     * The first byte (taking out: all starts) gets its final value.
     * Sync after: no core fetches the int3s any more; a trap still under way is a late one (trap.c). */
    write_step(sites, count, direction, STEP_HEAD);

    if (direction == TLI_POKE_DISARM)
        for (size_t i = 0; i < count; i++)
            /* [S2] release: the old bytes are back before the site is called gone. Pairs with the acquire in
             * tli_trap(). Else: a trap that was right would be taken for a late one and return to an int3 for ever. */
            atomic_store_explicit(&sites[i]->state, TLI_SITE_GONE, memory_order_release);
    tli_site_wait();
    tli_poke_count.batches++;
    return TL_OK;
}
