/* SPDX-License-Identifier: MIT
 *
 * Cold parts that look like functions: in a stripped file f.cold has no name, and where f keeps nothing on the stack
 * its description looks like that of any function. Called once by module.c after the first walk over all functions;
 * walks again if it found one.
 *
 * Taken for a cold part is only what has no name, is never called, whose address is nowhere taken, to which exactly one
 * function jumps, and which jumps back into the middle of it, or is jumped to in its own middle, or by a conditional
 * jump. A function that is only ever tail-called, too, does none of the three as compilers write it for speed; were one
 * taken for a part of its caller, its time would be shown as its caller's, and exits would still match entries.
 */
#include <plan/module.h>
#include <stdlib.h>
#include <string.h>

struct evidence {
    uint32_t parent; /* TLI_NO_INDEX: none yet */
    bool many, strong;
};

/* The function whose main part holds address, or TLI_NO_INDEX. */
static uint32_t function_around(const struct tl_module *module, uint64_t address)
{
    size_t low = 0, high = module->function_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (module->functions[middle].address <= address)
            low = middle + 1;
        else
            high = middle;
    }
    if (!low || address - module->functions[low - 1].address >= module->functions[low - 1].size)
        return TLI_NO_INDEX;
    return (uint32_t)low - 1;
}

static bool is_candidate(struct tli_module *m, uint32_t index)
{
    const struct tl_plan_function *f = &m->module->functions[index];
    const struct tli_region *region = tli_region_at(m, f->address);
    return !f->name && region && !tli_bit(region->taken, f->address - region->start);
}

static void weigh(const struct tli_module *m, struct evidence *evidence, const struct tli_leap *leap, uint32_t to)
{
    const struct tl_plan_function *f = &m->module->functions[to];
    struct evidence *e = &evidence[to];
    if (e->parent != TLI_NO_INDEX && e->parent != leap->from)
        e->many = true;
    e->parent = leap->from;
    if (leap->conditional || leap->target != f->address)
        e->strong = true;
}

/* One that jumps into the middle of the function that jumps to it. */
static void weigh_back(const struct tli_module *m, struct evidence *evidence, const struct tli_leap *leap, uint32_t to)
{
    if (evidence[leap->from].parent == to && leap->target != m->module->functions[to].address)
        evidence[leap->from].strong = true;
}

static bool gather(struct tli_module *m, struct evidence *evidence)
{
    bool any = false;
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < m->leap_count; i++) {
            uint32_t to = function_around(m->module, m->leaps[i].target);
            if (to == TLI_NO_INDEX || to == m->leaps[i].from)
                continue;
            if (pass == 0 && is_candidate(m, to))
                weigh(m, evidence, &m->leaps[i], to);
            else if (pass == 1 && is_candidate(m, m->leaps[i].from))
                weigh_back(m, evidence, &m->leaps[i], to);
        }
    for (size_t i = 0; i < m->module->function_count; i++)
        any |= evidence[i].strong && !evidence[i].many;
    return any;
}

/* Takes the cold ones out of the functions. */
static void move_out(struct tli_module *m, const struct evidence *evidence)
{
    struct tl_module *module = m->module;
    size_t kept = 0;
    for (size_t i = 0; i < module->function_count; i++) {
        const struct tl_plan_function *f = &module->functions[i];
        if (evidence[i].strong && !evidence[i].many) {
            TLI_PUSH(m, m->colds, m->cold_count, m->cold_capacity,
                     (struct tli_cold){f->address, f->address + f->size, TLI_NO_INDEX, TLI_NO_INDEX, false});
        } else {
            module->functions[kept] = *f;
            m->facts[kept++] = m->facts[i];
        }
    }
    module->function_count = kept;
    tli_colds_sort(m);
}

static void forget_walk(struct tli_module *m)
{
    m->exit_count = m->leap_count = m->ref_count = 0;
    for (size_t i = 0; i < m->module->function_count; i++)
        m->facts[i].cold = TLI_NO_INDEX;
    for (size_t i = 0; i < m->cold_count; i++) {
        m->colds[i].owner = m->colds[i].next = TLI_NO_INDEX;
        m->colds[i].shared = false;
    }
    for (size_t i = 0; i < m->region_count; i++)
        memset(m->regions[i].starts, 0, (size_t)((m->regions[i].end - m->regions[i].start) / 64 + 1) * 8);
}

bool tli_colds_merge(struct tli_module *m)
{
    struct evidence *evidence = calloc(m->module->function_count + 1, sizeof *evidence);
    if (!evidence) {
        m->out_of_memory = true;
        return false;
    }
    for (size_t i = 0; i < m->module->function_count; i++)
        evidence[i].parent = TLI_NO_INDEX;
    bool found = gather(m, evidence);
    if (found) {
        move_out(m, evidence);
        forget_walk(m);
    }
    free(evidence);
    return !found || (!m->out_of_memory && tli_flow_all(m));
}
