/* SPDX-License-Identifier: MIT
 *
 * The walk for guards alone: of a module whose functions are not traced only the runs that are guarded matter, some
 * dozens in a libc, and whether anybody arrives in the middle of one. So only the functions are walked from which a
 * short branch can get there, and all bytes are searched for a long one. Called by module.c.
 */
#include <plan/flow.h>
#include <stdlib.h>
#include <string.h>

#define REACH 128 /* of a branch by one byte */
#define LINE 64   /* bytes of text that one bit of the map of candidates stands for */

/* Whether a short branch gets from there into the candidate. */
static bool is_near(const struct tl_wire_site *guard, uint64_t start, uint64_t end)
{
    return start < guard->address + guard->size + REACH && end + REACH > guard->address;
}

/* The first function that ends behind address. */
static size_t first_behind(const struct tl_module *module, uint64_t address)
{
    size_t low = 0, high = module->function_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct tl_plan_function *function = &module->functions[middle];
        if (function->address + function->size > address)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static void mark_around(const struct tl_module *module, uint64_t start, uint64_t end, uint8_t *near)
{
    for (size_t i = first_behind(module, start - REACH); i < module->function_count; i++) {
        if (module->functions[i].address >= end + REACH)
            break;
        near[i] = 1;
    }
}

/* The parts that functions have elsewhere are walked with their owners, which are known once they are: whoever leads
 * into such a part near a guard is found as who leads into a guard. */
static bool near_guard(const struct tl_module *module, uint64_t start, uint64_t end)
{
    for (size_t g = 0; g < module->guard_count; g++)
        if (is_near(&module->guards[g], start, end))
            return true;
    return false;
}

static bool inside_near_cold(const struct tli_module *m, uint64_t address)
{
    for (size_t c = 0; c < m->cold_count; c++)
        if (address >= m->colds[c].start && address < m->colds[c].end)
            return near_guard(m->module, m->colds[c].start, m->colds[c].end);
    return false;
}

/* Marks the functions from which a short branch can get into a candidate, or into a cold part near one. */
static void mark_near(const struct tli_module *m, uint8_t *near)
{
    const struct tl_module *module = m->module;
    for (size_t g = 0; g < module->guard_count; g++)
        mark_around(module, module->guards[g].address, module->guards[g].address + module->guards[g].size, near);
    for (size_t c = 0; c < m->cold_count; c++)
        if (near_guard(module, m->colds[c].start, m->colds[c].end))
            mark_around(module, m->colds[c].start, m->colds[c].end, near);
}

static bool inside_guard(const struct tl_module *module, uint64_t target)
{
    for (size_t g = 0; g < module->guard_count; g++)
        if (target > module->guards[g].address && target < module->guards[g].address + TL_JUMP_BYTES)
            return true;
    return false;
}

/* One bit for each LINE bytes of the region: a branch there is of interest. */
static void set_lines(uint64_t *lines, const struct tli_region *region, uint64_t start, uint64_t end)
{
    for (uint64_t at = start < region->start ? region->start : start; at < end && at < region->end; at++)
        lines[(at - region->start) / LINE / 64] |= UINT64_C(1) << ((at - region->start) / LINE % 64);
}

/* Whether bytes[i] may be where the distance begins in a call, a jmp, a jcc, an xbegin, or a lea. */
static bool follows_opcode(const uint8_t *bytes, uint64_t i)
{
    uint8_t before = i > 1 ? bytes[i - 2] : 0, last = i > 0 ? bytes[i - 1] : 0;
    return last == 0xe8 || last == 0xe9 || (before == 0x0f && (last & 0xf0) == 0x80) ||
           (before == 0xc7 && last == 0xf8) || (before == 0x8d && (last & 0xc7) == 0x05);
}

/* Marks the functions with bytes anywhere that, taken for a branch, lead into the middle of a candidate, or into a cold
 * part near one. False: bytes that are no function's do. */
static bool mark_far(const struct tli_module *m, const struct tli_region *region, uint8_t *near)
{
    const struct tl_module *module = m->module;
    uint64_t size = region->end - region->start, *lines = calloc(size / LINE / 64 + 1, 8);
    bool known = lines != NULL;
    for (size_t g = 0; lines && g < module->guard_count; g++)
        set_lines(lines, region, module->guards[g].address, module->guards[g].address + TL_JUMP_BYTES);
    for (size_t c = 0; lines && c < m->cold_count; c++)
        if (near_guard(module, m->colds[c].start, m->colds[c].end))
            set_lines(lines, region, m->colds[c].start, m->colds[c].end);
    for (uint64_t i = 0; known && i + 4 <= size; i++) {
        int32_t distance;
        memcpy(&distance, region->bytes + i, 4);
        uint64_t to = i + 4 + (uint64_t)(int64_t)distance, from = region->start + i;
        if (to >= size || !(lines[to / LINE / 64] >> (to / LINE % 64) & 1) || !follows_opcode(region->bytes, i))
            continue;
        if (!inside_guard(module, region->start + to) && !inside_near_cold(m, region->start + to))
            continue;
        size_t function = first_behind(module, from);
        if (function == module->function_count || module->functions[function].address > from)
            known = false;
        else
            near[function] = 1;
    }
    free(lines);
    return known;
}

bool tli_flow_near_guards(struct tli_module *m)
{
    struct tl_module *module = m->module;
    struct tli_flow f = {.m = m, .budget = tli_flow_budget(m), .round = 1};
    uint8_t *near = calloc(module->function_count + 1, 1);
    f.pads = calloc(TLI_PADS_MAX, 8);
    bool enough = near && f.pads;
    tli_guards_candidates(m);
    if (enough)
        mark_near(m, near);
    for (size_t i = 0; enough && i < m->region_count; i++)
        enough = mark_far(m, &m->regions[i], near);
    for (uint32_t i = 0; enough && i < module->function_count; i++)
        if (near[i])
            tli_flow_function(&f, i);
    tli_flow_later_rounds(&f);
    tli_flow_release(&f);
    free(near);
    return enough && !m->out_of_memory;
}
