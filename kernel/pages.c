/* SPDX-License-Identifier: MIT
 *
 * Physical memory; see pages.h.
 */
#include <kernel/layout.h>
#include <kernel/pages.h>
#include <kernel/spin.h>
#include <stdbool.h>

static uint32_t used[LAYOUT_MEMORY_MAX / PAGE_BYTES / 32];
static size_t first_page, end_page, next_page;
static struct spin lock;

static bool is_used(size_t page)
{
    return used[page / 32] >> page % 32 & 1;
}

static void flip(size_t page, size_t count)
{
    for (size_t i = page; i < page + count; i++)
        used[i / 32] ^= 1u << i % 32;
}

void pages_begin(uintptr_t begin, uintptr_t end)
{
    first_page = next_page = (begin + PAGE_BYTES - 1) / PAGE_BYTES;
    end_page = (end < LAYOUT_MEMORY_MAX ? end : LAYOUT_MEMORY_MAX) / PAGE_BYTES;
}

/* The first of count free pages in [from, to), or 0. */
static size_t find(size_t from, size_t to, size_t count)
{
    for (size_t page = from, run = 0; page < to; page++) {
        run = is_used(page) ? 0 : run + 1;
        if (run == count)
            return page + 1 - count;
    }
    return 0;
}

void *pages_take(size_t count)
{
    uint64_t state = spin_lock(&lock);
    size_t page = find(next_page, end_page, count);
    if (!page)
        page = find(first_page, end_page, count);
    if (page) {
        flip(page, count);
        next_page = page + count;
    }
    spin_unlock(&lock, state);
    uintptr_t *words = (uintptr_t *)(page * PAGE_BYTES);
    for (size_t i = 0; page && i < count * PAGE_BYTES / sizeof *words; i++)
        words[i] = 0;
    return page ? words : NULL;
}

void pages_give(void *first, size_t count)
{
    uint64_t state = spin_lock(&lock);
    flip((uintptr_t)first / PAGE_BYTES, count);
    spin_unlock(&lock, state);
}
