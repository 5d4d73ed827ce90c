/* SPDX-License-Identifier: MIT
 *
 * Links. A jump overwrites five bytes, and where branches lead to the second to fifth of them, each would trap. So it
 * is not used there (window.c), unless all who arrive there are direct branches of the same function, and each has room
 * for a jump of its own, into a copy that leads to the other stub's copy (TL_SITE_LINK): one more jump for them, and no
 * int3 for anybody. Who comes in another way that nobody knew of still finds an int3. Called by plan.c for what would
 * be an int3 otherwise, which is little; so a function's branches are looked for only then.
 */
#include <limits.h>
#include <plan/decode.h>
#include <plan/links.h>
#include <stdlib.h>

#define NO_COST UINT_MAX

static int by_target(const void *a, const void *b)
{
    const struct tli_source *x = a, *y = b;
    if (x->target != y->target)
        return x->target < y->target ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

static void collect(struct tli_links *l, uint64_t start, uint64_t end)
{
    const struct tli_region *region = tli_region_at(l->m, start);
    for (uint64_t at = start; region && at < end && at < region->end; at++) {
        uint64_t index = at - region->start;
        struct tli_insn insn;
        if (!(region->starts[index >> 6] >> (index & 63))) {
            at = region->start + (index | 63); /* no more in this word */
        } else if (tli_bit(region->starts, index) &&
                   tli_decode(&insn, region->bytes + index, (size_t)(region->end - at), at) &&
                   (insn.class == TLI_BRANCH || insn.class == TLI_JUMP)) {
            TLI_PUSH(l->m, l->sources, l->count, l->capacity, (struct tli_source){insn.target, at});
        }
    }
}

/* All direct branches of the function. */
static void collect_all(struct tli_links *l, uint32_t function)
{
    const struct tl_plan_function *f = &l->m->module->functions[function];
    if (l->function == function && l->sources)
        return;
    l->function = function;
    l->count = 0;
    collect(l, f->address, f->address + f->size);
    for (uint32_t cold = l->m->facts[function].cold; cold != TLI_NO_INDEX; cold = l->m->colds[cold].next)
        collect(l, l->m->colds[cold].start, l->m->colds[cold].end);
    if (l->count)
        qsort(l->sources, l->count, sizeof *l->sources, by_target);
}

/* The first of those that lead to target; l->count: none. */
static size_t first_to(const struct tli_links *l, uint64_t target)
{
    size_t low = 0, high = l->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (l->sources[middle].target < target)
            low = middle + 1;
        else
            high = middle;
    }
    return low < l->count && l->sources[low].target == target ? low : l->count;
}

static bool is_return_address(const struct tli_region *region, uint64_t address)
{
    for (unsigned back = 2; back <= 15 && address - back >= region->start; back++) {
        uint64_t index = address - back - region->start;
        struct tli_insn insn;
        if (tli_bit(region->starts, index) && tli_decode(&insn, region->bytes + index, back, address - back) &&
            insn.length == back && (insn.class == TLI_CALL || insn.class == TLI_CALL_INDIRECT))
            return true;
    }
    return false;
}

static int leap_by_target(const void *a, const void *b)
{
    const struct tli_leap *x = a, *y = b;
    return x->target < y->target ? -1 : x->target > y->target;
}

/* Does another function jump there. */
static bool is_leaped_to(struct tli_links *l, uint64_t address)
{
    struct tli_module *m = l->m;
    struct tli_leap key = {.target = address};
    if (!l->leaps_sorted && m->leap_count)
        qsort(m->leaps, m->leap_count, sizeof *m->leaps, leap_by_target);
    l->leaps_sorted = true;
    return m->leap_count && bsearch(&key, m->leaps, m->leap_count, sizeof key, leap_by_target);
}

/* How many branches lead to the window's second to fifth byte; NO_COST: somebody arrives there in another way. */
static unsigned cost_of(struct tli_links *l, const struct tl_wire_site *site)
{
    const struct tli_region *region = tli_region_at(l->m, site->address);
    unsigned cost = 0;
    for (uint64_t at = site->address + 1; at < site->address + TL_JUMP_BYTES; at++) {
        size_t i = first_to(l, at);
        if (!tli_bit(region->targets, at - region->start))
            continue;
        if (i == l->count || tli_bit(region->taken, at - region->start) || is_return_address(region, at) ||
            is_leaped_to(l, at))
            return NO_COST;
        for (; i < l->count && l->sources[i].target == at; i++)
            cost++;
    }
    return cost;
}

/* Gives the branch a window, if it is not in one already. */
static bool link_source(struct tli_links *l, uint64_t at)
{
    const struct tli_region *region = tli_region_at(l->m, at);
    struct tli_request q = tli_request_for(l->m, l->function, TL_SITE_LINK, at);
    struct tl_wire_site site;
    if (tli_bit(region->claimed, at - region->start))
        return true;
    if (!tli_window_over(&q, at, &site))
        return false;
    tli_window_push(&q, &site);
    return true;
}

/* Gives windows to the branches that lead into site's first five bytes: to all, or, if must is not set, to those that
 * have room. */
static bool link_sources(struct tli_links *l, const struct tl_wire_site *site, bool must)
{
    for (uint64_t at = site->address + 1; at < site->address + TL_JUMP_BYTES; at++)
        for (size_t i = first_to(l, at); i < l->count && l->sources[i].target == at; i++)
            if (!link_source(l, l->sources[i].at) && must)
                return false;
    return true;
}

static void undo(struct tli_module *m, size_t site_count)
{
    struct tl_module *module = m->module;
    while (module->site_count > site_count)
        tli_window_release(m, &module->sites[--module->site_count]);
}

/* A place where a window over the instruction may begin, and what it costs. */
struct candidate {
    uint64_t at;
    unsigned cost;
};

static size_t find_candidates(struct tli_links *l, const struct tli_request *q, uint64_t address,
                              struct candidate candidates[TL_SITE_MAX_BYTES])
{
    size_t count = 0;
    for (uint64_t at = address; at && address - at < TL_SITE_MAX_BYTES && count < TL_SITE_MAX_BYTES;
         at = tli_window_before(q, at)) {
        struct tl_wire_site site;
        unsigned cost = tli_window_into(q, at, address, &site) ? cost_of(l, &site) : NO_COST;
        if (cost != NO_COST)
            candidates[count++] = (struct candidate){at, cost};
        if (q->kind == TL_SITE_ENTRY)
            break;
    }
    return count;
}

bool tli_links_window(struct tli_links *l, const struct tli_request *q, uint64_t address, struct tl_wire_site *site)
{
    struct candidate candidates[TL_SITE_MAX_BYTES];
    collect_all(l, q->function);
    size_t count = find_candidates(l, q, address, candidates), before = q->m->module->site_count;
    while (count) {
        size_t best = 0;
        for (size_t i = 1; i < count; i++)
            if (candidates[i].cost < candidates[best].cost)
                best = i;
        if (tli_window_into(q, candidates[best].at, address, site)) {
            tli_window_push(q, site);
            if (link_sources(l, site, true))
                return true;
            undo(q->m, before);
        }
        candidates[best] = candidates[--count];
    }
    return false;
}

void tli_links_add(struct tli_links *l, const struct tl_wire_site *site)
{
    collect_all(l, site->function);
    (void)link_sources(l, site, false);
}

void tli_links_release(struct tli_links *l)
{
    free(l->sources);
}
