/* SPDX-License-Identifier: MIT
 *
 * The site table. See site.h. The trap-side half is in section .text.trap and calls nothing outside it.
 */
#include <core/epoch.h>
#include <core/section.h>
#include <core/site.h>
#include <trapline/port.h>

static _Atomic(struct tli_table *) table;

/* Handlers inside. One counter a table, not a site: a trap costs microseconds anyway. */
static struct tli_readers here, *elsewhere;

TLI_TRAP static struct tli_readers *readers(void)
{
    return elsewhere ? elsewhere : &here;
}

void tli_site_readers_at(struct tli_readers *memory)
{
    elsewhere = memory;
}

/* How many sites begin at or below address. */
TLI_TRAP static size_t count_to(const struct tli_table *now, uintptr_t address)
{
    size_t low = 0, high = now->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (now->sites[middle]->address <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* [S2] acquire: what was written before the state was set is seen, for GONE the old bytes in the text. Pairs with the
 * release of whoever sets it. */
TLI_TRAP static bool gone(const struct tli_site *site)
{
    return TLI_SITE_MEANING(atomic_load_explicit(&site->state, memory_order_acquire)) == TLI_SITE_GONE;
}

TLI_TRAP struct tli_site *tli_site_find(uintptr_t address)
{
    /* [S1] acquire: the table's entries, and the sites they lead to, are seen filled. Pairs with the release in
     * tli_site_publish(). Else: a trap reads a stale pointer.
     * [E1] and sequentially consistent: see tli_epoch_enter(). */
    const struct tli_table *now = atomic_load_explicit(&table, memory_order_seq_cst);
    struct tli_site *late = 0;
    for (size_t i = now ? count_to(now, address) : 0; i-- > 0;) {
        struct tli_site *site = now->sites[i];
        uintptr_t offset = address - site->address;
        if (offset >= TLI_SITE_BYTES)
            break;
        if ((site->starts >> offset & 1) && !gone(site))
            return site;
        if ((site->starts | site->ghosts) >> offset & 1)
            late = site;
    }
    return late;
}

TLI_TRAP unsigned tli_site_enter(void)
{
    return tli_epoch_enter(&readers()->epoch);
}

TLI_TRAP void tli_site_leave(unsigned cookie)
{
    tli_epoch_leave(&readers()->epoch, cookie);
}

void tli_site_wait(void)
{
    tli_epoch_wait(&readers()->epoch);
}

void tli_site_hold(void)
{
    /* [S3] sequentially consistent, as the epoch wants it: who asks from now on is refused, who was not is waited for.
     * Pairs with the load in tli_site_unmap_begin(). Else: both go on, and a library's successor is poked. */
    atomic_store_explicit(&readers()->held, 1, memory_order_seq_cst);
    tli_site_wait();
}

void tli_site_unhold(void)
{
    /* [S3] release: all writing is done. */
    atomic_store_explicit(&readers()->held, 0, memory_order_release);
}

bool tli_site_unmap_begin(uintptr_t address, size_t size, unsigned *cookie)
{
    *cookie = tli_site_enter();
    /* [S3] see tli_site_hold(). What is to be poked has been published before. */
    if (!atomic_load_explicit(&readers()->held, memory_order_seq_cst) || !tli_site_overlapping(address, size))
        return true;
    tli_site_leave(*cookie);
    return false;
}

void tli_site_unmap_end(unsigned cookie)
{
    tli_site_leave(cookie);
}

const struct tli_table *tli_site_table(void)
{
    return atomic_load_explicit(&table, memory_order_relaxed); /* relaxed: only the poke side writes it */
}

struct tli_site *tli_site_any(uintptr_t address)
{
    const struct tli_table *now = tli_site_table();
    size_t count = now ? count_to(now, address) : 0;
    return count && now->sites[count - 1]->address == address ? now->sites[count - 1] : 0;
}

struct tli_site *tli_site_overlapping(uintptr_t address, size_t size)
{
    const struct tli_table *now = atomic_load_explicit(&table, memory_order_seq_cst); /* [S1] see tli_site_find() */
    for (size_t i = now ? count_to(now, address + size - 1) : 0; i-- > 0;) {
        struct tli_site *site = now->sites[i];
        if (site->address + TLI_SITE_BYTES <= address)
            break;
        if (site->address + site->size > address && !gone(site))
            return site;
    }
    return 0;
}

static bool fits(struct tli_site *const *sites, size_t i)
{
    const struct tli_site *site = sites[i];
    return (i == 0 || sites[i - 1]->address + sites[i - 1]->size <= site->address) &&
           !tli_site_overlapping(site->address, site->size);
}

/* Merges a and b into out. A tombstone at the address of a new site is dropped, with its starts kept: a trap that was
 * fetched from it may come when the other has its place. Tombstones at other addresses stay, overlapping or not. */
static void merge(const struct tli_table *a, struct tli_site *const *b, size_t count, struct tli_table *out)
{
    size_t i = 0, k = 0, n = 0, have = a ? a->count : 0;
    while (i < have || k < count) {
        bool same = i < have && k < count && a->sites[i]->address == b[k]->address;
        if (same) {
            b[k]->ghosts |= a->sites[i]->starts | a->sites[i]->ghosts;
            i++;
        }
        bool old_first = !same && (k == count || (i < have && a->sites[i]->address < b[k]->address));
        out->sites[n++] = old_first ? a->sites[i++] : b[k++];
    }
    out->count = n;
}

enum tl_status tli_site_publish(struct tli_site *const *sites, size_t count)
{
    struct tli_table *old = atomic_load_explicit(&table, memory_order_relaxed); /* relaxed: ours to write */
    for (size_t i = 0; i < count; i++)
        if (!fits(sites, i))
            return TL_OVERLAP;
    if (count) {
        size_t room = sizeof(struct tli_table) + ((old ? old->count : 0) + count) * sizeof(struct tli_site *);
        struct tli_table *merged = tl_port_memory(room);
        if (!merged)
            return TL_NO_MEMORY;
        merged->room = room;
        merge(old, sites, count, merged);
        /* [S1] release: the sites are filled before the table is seen. Pairs with the acquire in tli_site_find().
         * [E1] and sequentially consistent: see tli_epoch_enter(). */
        atomic_store_explicit(&table, merged, memory_order_seq_cst);
    }
    tli_site_wait();
    if (count && old)
        tl_port_memory_free(old, old->room);
    return TL_OK;
}
