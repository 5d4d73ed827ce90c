/* SPDX-License-Identifier: MIT
 *
 * text_poke, for a batch of any size: see poke.h, and docs/protocol.md for the picture. The steps are those of Linux's
 * text_poke_bp_batch() as its comments describe it, with one change: a site may begin several instructions.
 */
#include <core/poke.h>
#include <trapline/port.h>

#define INT3 0xcc

enum { PAGE = 4096 };

struct tli_poke_count tli_poke_count;

enum step { BEFORE, STEP_INT3, STEP_TAIL, STEP_HEAD };

static const uint8_t *bytes_before(const struct tli_site *site, enum tli_poke_direction direction)
{
    return direction == TLI_POKE_ARM ? site->old_bytes : site->new_bytes;
}

static const uint8_t *bytes_after(const struct tli_site *site, enum tli_poke_direction direction)
{
    return direction == TLI_POKE_ARM ? site->new_bytes : site->old_bytes;
}

/* The site's byte i after a step.
 *
 * A start inside the jmp holds, as long as the jmp stands, a byte that traps: an int3, or an invalid opcode. It is part
 * of the jmp, so it never changes together with the head: a core could run the jmp with the other byte in its
 * displacement. It changes with the tail, when nobody executes the jmp: to arm, to the byte that stays; to disarm, to
 * an int3, since nothing but an int3 may be put in place of what others execute, and the other way round. */
static uint8_t byte_after(const struct tli_site *site, unsigned i, enum tli_poke_direction direction, enum step step)
{
    uint8_t before = bytes_before(site, direction)[i], after = bytes_after(site, direction)[i];
    bool inner = i != 0 && (site->starts >> i & 1), arm = direction == TLI_POKE_ARM;
    switch (step) {
    case BEFORE:
        return before;
    case STEP_INT3:
        return i == 0 || (inner && arm) ? INT3 : before;
    case STEP_TAIL:
        return i == 0 || (inner && !arm) ? INT3 : after;
    default:
        return after;
    }
}

/* Are the site's bytes what they were made by that step. */
static bool is_after(const struct tli_site *site, const uint8_t *found, enum tli_poke_direction direction,
                     enum step step)
{
    for (unsigned i = 0; i < site->size; i++)
        if (found[i] != byte_after(site, i, direction, step))
            return false;
    return true;
}

bool tli_poke_verify(const struct tli_site *site, enum tli_poke_direction direction)
{
    uint8_t found[TLI_SITE_BYTES];
    return tl_port_text_read(site->address, found, site->size) == TL_OK && is_after(site, found, direction, BEFORE);
}

/* What a run of sites in one page is brought from, and to. */
struct change {
    enum tli_poke_direction direction;
    enum step from, to;
};

/* A page is read once, and its sites are changed in the copy. Where nobody else writes, the copy goes back at once,
 * from the first byte that changes to the last: a system call costs as much as a page. Else each site's bytes go back
 * alone: what lies between may have changed since it was read.
 *
 * A program may unload a library while its sites are poked, and load it again where it was: then the text is new, the
 * int3s of the step before are not in it, and a tail would be torn, a head would lead astray. So a site that is not as
 * the step before left it is left as it is, through all steps. */
static void write_run(struct tli_site *const *sites, size_t count, struct change change)
{
    static uint8_t bytes[PAGE];
    uintptr_t start = sites[0]->address;
    size_t size = sites[count - 1]->address + sites[count - 1]->size - start, low = size, high = 0;
    bool alone = tl_port_text_alone(start);
    if (tl_port_text_read(start, bytes, size) != TL_OK) {
        for (size_t i = 0; count > 1 && i < count; i++)
            write_run(sites + i, 1, change);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        const struct tli_site *site = sites[i];
        size_t offset = site->address - start, first = size, end = 0;
        if (!is_after(site, bytes + offset, change.direction, change.from))
            continue;
        for (unsigned k = 0; k < site->size; k++) {
            uint8_t byte = byte_after(site, k, change.direction, change.to);
            if (byte == bytes[offset + k])
                continue;
            bytes[offset + k] = byte;
            first = first < offset + k ? first : offset + k;
            end = offset + k + 1;
        }
        if (!alone && first < end)
            (void)tl_port_text_write(start + first, bytes + first, end - first);
        low = low < first ? low : first;
        high = end > high ? end : high;
    }
    if (alone && low < high)
        (void)tl_port_text_write(start + low, bytes + low, high - low);
}

static void write_step(struct tli_site *const *sites, size_t count, struct change change)
{
    for (size_t i = 0, next; i < count; i = next) {
        uintptr_t end = sites[i]->address / PAGE * PAGE + PAGE;
        next = i + 1;
        while (next < count && sites[next]->address + sites[next]->size <= end)
            next++;
        write_run(sites + i, next - i, change);
    }
    tl_port_serialize();
    tli_poke_count.serialisations++;
}

void tli_poke_write(struct tli_site *const *sites, size_t count, enum tli_poke_direction direction)
{
    if (count == 0)
        return;
    for (size_t i = 0; i < count; i++) {
        TL_ASSERT(i == 0 || sites[i - 1]->address + sites[i - 1]->size <= sites[i]->address);
        TL_ASSERT(sites[i]->starts & 1);
    }

    /* STEP 1 of 3, int3.  site: [CC] old [CC] old old   (taking out: [CC] new [trap] new new)
     * Who arrives at a start traps and is given the new meaning; who is past one runs old bytes to the next.
     * Sync after: every core sees the int3s before a byte between them changes. */
    write_step(sites, count, (struct change){direction, BEFORE, STEP_INT3});

    /* STEP 2 of 3, tail.  site: [CC] new [trap] new new   (taking out: [CC] old [CC] old old)
     * Who arrives at a start still traps, by the int3 or by the byte that stays there: nobody executes the bytes
     * between. Sync after: every core sees the tail before a start can be executed again. */
    write_step(sites, count, (struct change){direction, STEP_INT3, STEP_TAIL});

    /* STEP 3 of 3, head.  site: new new new new new
     * The first byte (taking out: all starts) gets its final value.
     * Sync after: no core fetches the int3s any more; a trap still under way is a late one (trap.c). */
    write_step(sites, count, (struct change){direction, STEP_TAIL, STEP_HEAD});

    if (direction == TLI_POKE_DISARM)
        for (size_t i = 0; i < count; i++)
            /* [S2] release: the old bytes are back before the site is called gone. Pairs with the acquire in
             * tli_trap(). Else: a trap that was right would be taken for a late one and return to an int3 for ever. */
            atomic_store_explicit(&sites[i]->state, TLI_SITE_GONE, memory_order_release);
    tli_site_wait();
    tli_poke_count.batches++;
}

void tli_poke_write_at_rest(struct tli_site *const *sites, size_t count)
{
    if (count == 0)
        return;
    /* Serialised: who runs it next may do so on a core that has seen the old bytes. */
    write_step(sites, count, (struct change){TLI_POKE_ARM, BEFORE, STEP_HEAD});
    tli_poke_count.batches++;
}

enum tl_status tli_poke(struct tli_site *const *sites, size_t count, enum tli_poke_direction direction, size_t *differs)
{
    for (size_t i = 0; i < count; i++)
        if (!tli_poke_verify(sites[i], direction)) {
            *differs = i;
            return TL_TEXT_DIFFERS;
        }
    tli_poke_write(sites, count, direction);
    return TL_OK;
}
