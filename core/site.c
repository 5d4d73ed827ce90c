/* SPDX-License-Identifier: MIT
 *
 * The site table. See site.h. The trap-side half is in section .text.trap and calls nothing outside it.
 */
#include <core/section.h>
#include <core/site.h>
#include <trapline/port.h>

static _Atomic(struct tli_table *) table;

/* Handlers inside, by epoch; the epoch is the low bit of turn. One counter a table, not a site: a trap costs
 * microseconds anyway. */
static _Atomic uint32_t inside[2];
static _Atomic uint32_t turn;

TLI_TRAP struct tli_site *tli_site_find(uintptr_t address)
{
    /* [S1] acquire: the table's entries, and the sites they lead to, are seen filled.
     * Pairs with the release in tli_site_publish(). Else: a trap reads a stale pointer. */
    const struct tli_table *now = atomic_load_explicit(&table, memory_order_acquire);
    if (!now)
        return 0;
    size_t low = 0, high = now->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (now->sites[middle]->address <= address)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0)
        return 0;
    struct tli_site *site = now->sites[low - 1];
    uintptr_t offset = address - site->address;
    if (offset >= TLI_SITE_BYTES || !((site->starts | site->ghosts) >> offset & 1))
        return 0;
    return site;
}

/* A relaxed read of turn may be old by the time the counter goes up; tli_site_wait() turns twice for that reason. */
TLI_TRAP unsigned tli_site_enter(void)
{
    unsigned cookie = atomic_load_explicit(&turn, memory_order_relaxed) & 1;
    /* [S3] sequentially consistent: the count is up before the table is read. Pairs with the exchange of the table and
     * the read of the counter in tli_site_wait(). Else: the old table is freed under this handler. */
    atomic_fetch_add_explicit(&inside[cookie], 1, memory_order_seq_cst);
    return cookie;
}

TLI_TRAP void tli_site_leave(unsigned cookie)
{
    /* [S4] release: all reads of the table are done. Pairs with the acquire in tli_site_wait(). */
    atomic_fetch_sub_explicit(&inside[cookie], 1, memory_order_release);
}

void tli_site_wait(void)
{
    for (int i = 0; i < 2; i++) {
        /* [S3] see tli_site_enter(). */
        uint32_t old = atomic_fetch_add_explicit(&turn, 1, memory_order_seq_cst) & 1;
        /* [S4] acquire: see tli_site_leave(). */
        while (atomic_load_explicit(&inside[old], memory_order_acquire) != 0)
            tl_port_relax();
    }
}

const struct tli_table *tli_site_table(void)
{
    return atomic_load_explicit(&table, memory_order_relaxed); /* relaxed: only the poke side writes it */
}

struct tli_site *tli_site_any(uintptr_t address)
{
    struct tli_site *site = tli_site_find(address);
    return site && site->address == address ? site : 0;
}

static bool gone(const struct tli_site *site)
{
    /* relaxed: only the poke side writes it */
    return atomic_load_explicit(&site->state, memory_order_relaxed) == TLI_SITE_GONE;
}

static bool overlap(const struct tli_site *a, const struct tli_site *b)
{
    return a->address < b->address + b->size && b->address < a->address + a->size;
}

bool tli_site_overlaps(uintptr_t address, size_t size)
{
    const struct tli_table *now = tli_site_table();
    size_t low = 0, high = now ? now->count : 0;
    while (low < high) { /* the first site that ends behind address */
        size_t middle = low + (high - low) / 2;
        if (now->sites[middle]->address + now->sites[middle]->size <= address)
            low = middle + 1;
        else
            high = middle;
    }
    for (; now && low < now->count && now->sites[low]->address < address + size; low++)
        if (!gone(now->sites[low]))
            return true;
    return false;
}

/* A trap that was fetched from a tombstone may come when another site has its place. */
static void inherit(struct tli_site *site, const struct tli_site *tombstone)
{
    unsigned starts = tombstone->starts | tombstone->ghosts;
    if (tombstone->address >= site->address)
        starts <<= tombstone->address - site->address;
    else
        starts >>= site->address - tombstone->address;
    site->ghosts |= (uint8_t)(starts & ((1u << TLI_SITE_BYTES) - 1));
}

/* Merges a and b into out; out == NULL only checks. */
static enum tl_status merge(const struct tli_table *a, struct tli_site *const *b, size_t count, struct tli_table *out)
{
    size_t i = 0, k = 0, n = 0, have = a ? a->count : 0;
    while (i < have || k < count) {
        if (i < have && k < count && overlap(a->sites[i], b[k])) {
            if (!gone(a->sites[i]))
                return TL_OVERLAP;
            if (out)
                inherit(b[k], a->sites[i]);
            i++;
            continue;
        }
        bool old_first = k == count || (i < have && a->sites[i]->address < b[k]->address);
        struct tli_site *next = old_first ? a->sites[i++] : b[k++];
        if (!old_first && k < count && overlap(next, b[k]))
            return TL_OVERLAP;
        if (out)
            out->sites[n] = next;
        n++;
    }
    if (out)
        out->count = n;
    return TL_OK;
}

enum tl_status tli_site_publish(struct tli_site *const *sites, size_t count)
{
    struct tli_table *old = atomic_load_explicit(&table, memory_order_relaxed); /* relaxed: ours to write */
    enum tl_status status = merge(old, sites, count, 0);
    if (status != TL_OK)
        return status;
    size_t room = sizeof(struct tli_table) + ((old ? old->count : 0) + count) * sizeof(struct tli_site *);
    struct tli_table *merged = tl_port_memory(room);
    if (!merged)
        return TL_NO_MEMORY;
    merged->room = room;
    merge(old, sites, count, merged);
    /* [S1] release, and sequentially consistent for [S3]: the sites are filled before the table is seen. Pairs with the
     * acquire in tli_site_find(). */
    atomic_store_explicit(&table, merged, memory_order_seq_cst);
    if (old) {
        tli_site_wait();
        tl_port_memory_free(old, old->room);
    }
    return TL_OK;
}
