/* SPDX-License-Identifier: MIT
 *
 * The sites of the selected functions: an entry each, the branches back to it that are no calls, and the exits. Guards
 * are there first, then all entries, then the rest; whoever comes later and finds bytes taken gives way. Last, what
 * would be an int3 is looked at again: it may still do with less room. Called by tracer/ and cli/.
 */
#include <plan/decode.h>
#include <plan/links.h>
#include <plan/window.h>
#include <stdlib.h>
#include <string.h>

#define HELD_BACK 8

static const char *why_no_entry(struct tli_module *m, const struct tl_plan_function *f)
{
    const struct tli_region *region = tli_region_at(m, f->address);
    struct tli_insn insn;
    if (!region || !tli_decode(&insn, region->bytes + (f->address - region->start), (size_t)(region->end - f->address),
                               f->address))
        return "no instruction at its entry";
    if (tli_bit(region->claimed, f->address - region->start))
        return "its first bytes belong to another site";
    return "its first instruction must stay where it is";
}

/* A function that begins with a guarded system call (execve in a C library) is recorded by the guard. */
static bool record_in_guard(struct tl_module *module, uint32_t index, uint64_t start)
{
    for (size_t i = 0; i < module->guard_count; i++) {
        if (module->guards[i].address != start)
            continue;
        module->guards[i].function = index + 1;
        module->functions[index].entry = TL_TACTIC_JUMP;
        module->functions[index].why = "a guarded system call: exits not traced";
        return true;
    }
    return false;
}

/* Does the window hold nothing but what a compiler leaves to be patched: no-ops, or XRay's jump over them. */
static bool is_sled(const struct tl_wire_site *site)
{
    struct tli_insn insn;
    uint64_t end = site->address + site->size;
    for (uint64_t at = site->address; at < end; at += insn.length) {
        if (!tli_decode(&insn, site->bytes + (at - site->address), end - at, at))
            return false;
        if (insn.class != TLI_NOP && !(at == site->address && insn.class == TLI_JUMP && insn.target == end))
            return false;
    }
    return true;
}

/* An endbr64 stays where it is, and a loop that begins behind it is told from a call by TLI_EXIT_LOOP. Where only the
 * endbr64 can be had, an int3 on it will do. */
static void plan_entry(struct tli_module *m, uint32_t index)
{
    struct tl_plan_function *f = &m->module->functions[index];
    struct tli_request q = tli_request_for(m, index, TL_SITE_ENTRY, f->address);
    const struct tli_region *region = tli_region_at(m, f->address);
    struct tl_wire_site site;
    struct tli_insn first;
    uint64_t start = f->address;
    if (region && tli_decode(&first, region->bytes + (start - region->start), (size_t)f->size, start) &&
        first.class == TLI_ENDBR)
        start += first.length;
    uint8_t force = m->module->force;
    bool found = start < q.end && ((force < TL_TACTIC_SHORT && tli_window_jump(&q, start, start, &site)) ||
                                   tli_window_trap(&q, start, &site));
    if (!found && start != f->address)
        found = tli_window_trap(&q, f->address, &site);
    f->entry = TL_TACTIC_NONE;
    if (!found) {
        if (!record_in_guard(m->module, index, start))
            f->why = why_no_entry(m, f);
        return;
    }
    if (m->facts[index].doubts & TLI_DOUBT_ALL_EXITS)
        site.exits = 0;
    if (site.tactic == TL_TACTIC_JUMP && force != TL_TACTIC_JUMP && is_sled(&site))
        site.tactic = TL_TACTIC_SLED;
    f->entry = site.tactic;
    tli_window_push(&q, &site);
}

/* The window of this function that holds the exit already. Exits come in order of address, so it is among the last. */
static const struct tl_wire_site *holder(const struct tl_module *module, size_t first, uint32_t function,
                                         uint64_t address)
{
    for (size_t i = module->site_count; i > first && i + HELD_BACK > module->site_count; i--) {
        const struct tl_wire_site *site = &module->sites[i - 1];
        if (site->function == function && address >= site->address && address < site->address + site->size)
            return site;
    }
    return NULL;
}

static void plan_loops(struct tli_module *m, uint32_t index, const struct tl_wire_site *entry)
{
    const struct tli_facts *facts = &m->facts[index];
    for (uint32_t i = 0; i < facts->exit_count; i++) {
        const struct tli_exit *loop = &m->exits[facts->exit_first + i];
        struct tl_wire_site site;
        if (loop->kind != TLI_EXIT_LOOP ||
            (loop->address >= entry->address && loop->address < entry->address + entry->size))
            continue;
        struct tli_request q = tli_request_for(m, index, TL_SITE_REDIRECT, loop->address);
        if (tli_window_best(&q, loop->address, &site))
            tli_window_push(&q, &site);
    }
}

/* How many exits of one function have a site, and how many can have none. */
struct tally {
    unsigned patched, missing;
};

static void plan_exits(struct tli_module *m, uint32_t index, const struct tl_wire_site *entry, struct tally *tally)
{
    struct tli_facts *facts = &m->facts[index];
    struct tl_module *module = m->module;
    size_t first = module->site_count;
    const struct tl_wire_site entry_site = *entry;
    for (uint32_t i = 0; i < facts->exit_count; i++) {
        const struct tli_exit *exit = &m->exits[facts->exit_first + i];
        const struct tli_cold *cold = facts->doubts & TLI_DOUBT_SHARED ? tli_cold_at(m, exit->address) : NULL;
        struct tl_wire_site site;
        const struct tl_wire_site *held = holder(module, first, index, exit->address);
        if (exit->kind == TLI_EXIT_LOOP)
            continue;
        if (exit->address >= entry_site.address && exit->address < entry_site.address + entry_site.size)
            held = &entry_site;
        struct tli_request q = tli_request_for(m, index, TL_SITE_BODY, exit->address);
        if (!held && ((cold && cold->shared) || !tli_window_best(&q, exit->address, &site))) {
            tally->missing++;
            continue;
        }
        tally->patched++;
        facts->trapped += (held ? held : &site)->tactic == TL_TACTIC_TRAP;
        if (!held)
            tli_window_push(&q, &site);
    }
}

static const char *why_of(const struct tli_facts *facts, const struct tally *tally)
{
    static const struct {
        unsigned doubt;
        const char *why;
    } reasons[] = {
        {TLI_DOUBT_BUDGET, "not looked into: the file has too much overlapping code"},
        {TLI_DOUBT_INVALID, "leads to bytes that are no instruction"},
        {TLI_DOUBT_OVERLAP, "has instructions that overlap"},
        {TLI_DOUBT_INNER, "calls its own inner parts"},
        {TLI_DOUBT_INDIRECT, "indirect jump not understood"},
        {TLI_DOUBT_SHARED, "shares a cold part with another function"},
        {TLI_DOUBT_FALLS, "runs on into what follows it"},
        {TLI_DOUBT_BYTES, "holds bytes not proven to be code"},
    };
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if (facts->doubts & reasons[i].doubt)
            return reasons[i].why;
    if (tally->missing)
        return "an exit shares bytes with another site";
    return tally->patched == 0 ? "never returns" : "";
}

static void plan_rest(struct tli_module *m, uint32_t index, size_t entry)
{
    struct tl_plan_function *f = &m->module->functions[index];
    const struct tli_facts *facts = &m->facts[index];
    struct tally tally = {0};
    struct tl_wire_site entry_site = m->module->sites[entry];
    plan_loops(m, index, &entry_site);
    if (!(facts->doubts & TLI_DOUBT_ALL_EXITS))
        plan_exits(m, index, &entry_site, &tally);
    f->why = why_of(facts, &tally);
    f->exits = tally.patched ? TL_EXITS_SITE : TL_EXITS_NONE;
}

/* Is this int3 one of tli_window_push()'s, in the window of a jump that comes after it. */
static bool is_second(const struct tl_module *module, size_t index)
{
    uint64_t address = module->sites[index].address;
    for (size_t i = index + 1; i < module->site_count && i <= index + TL_SITE_MAX_INSNS; i++) {
        const struct tl_wire_site *next = &module->sites[i];
        if (next->tactic == TL_TACTIC_JUMP && address >= next->address && address < next->address + next->size)
            return true;
    }
    return false;
}

/* What stands where the int3 at index stood is a jump now. */
static void improved(struct tli_module *m, const struct tl_wire_site *trap, uint8_t tactic)
{
    m->facts[trap->function].trapped -= trap->exits & 1;
    if (trap->kind == TL_SITE_ENTRY)
        m->module->functions[trap->function].entry = tactic;
}

/* Where there was no room for a jump but what stands behind can stay: a short one; or a jump that branches are led
 * past; or a jump for those who fall through. */
static void improve(struct tli_links *links, size_t index)
{
    struct tli_module *m = links->m;
    struct tl_module *module = m->module;
    const struct tl_wire_site trap = module->sites[index];
    bool doubted = m->facts[trap.function].doubts & TLI_DOUBT_ALL_EXITS;
    bool jumps = module->force < TL_TACTIC_SHORT && !doubted;
    struct tli_request q = tli_request_for(m, trap.function, trap.kind, trap.address);
    struct tl_wire_site site;
    struct tli_insn insn;
    if (!tli_decode(&insn, trap.bytes, trap.size, trap.address) || insn.class == TLI_ENDBR)
        return;
    tli_window_release(m, &trap);
    if (tli_window_short(&q, trap.address, &site)) {
        improved(m, &trap, TL_TACTIC_SHORT);
        if (doubted)
            site.exits = 0;
        module->sites[index] = site;
        tli_window_claim(m, &site);
    } else if (jumps && tli_links_window(links, &q, trap.address, &site)) {
        improved(m, &trap, TL_TACTIC_JUMP);
        module->sites[index] = module->sites[--module->site_count];
    } else if (trap.kind != TL_SITE_ENTRY && tli_window_entered(&q, trap.address, &site)) {
        module->sites[index] = module->sites[--module->site_count];
        tli_window_push(&q, &site);
        tli_links_add(links, &site);
    } else {
        tli_window_claim(m, &trap);
    }
}

static int by_address(const void *a, const void *b)
{
    const struct tl_wire_site *x = a, *y = b;
    return x->address < y->address ? -1 : x->address > y->address;
}

static void number_sites(struct tl_module *module)
{
    if (module->site_count)
        qsort(module->sites, module->site_count, sizeof *module->sites, by_address);
    for (size_t i = 0; i < module->site_count; i++) {
        struct tl_plan_function *f = &module->functions[module->sites[i].function];
        if (f->site_count++ == 0)
            f->site_first = (uint32_t)i;
    }
}

static void begin(struct tli_module *m)
{
    struct tl_module *module = m->module;
    module->site_count = 0;
    for (size_t i = 0; i < m->region_count; i++) {
        size_t map_bytes = (size_t)((m->regions[i].end - m->regions[i].start) / 64 + 1) * 8;
        memset(m->regions[i].claimed, 0, map_bytes);
        memset(m->regions[i].written, 0, map_bytes);
    }
    for (size_t i = 0; i < module->guard_count; i++) {
        module->guards[i].function = 0;
        tli_window_claim(m, &module->guards[i]);
    }
    for (size_t i = 0; i < m->nogo_count; i++) {
        struct tli_region *region = tli_region_at(m, m->nogo[i].start);
        for (uint64_t at = m->nogo[i].start; region && at < m->nogo[i].end && at < region->end; at++)
            tli_bit_set(region->claimed, at - region->start);
    }
    for (size_t i = 0; i < module->function_count; i++) {
        struct tl_plan_function *f = &module->functions[i];
        f->entry = TL_TACTIC_NONE;
        f->exits = TL_EXITS_NONE;
        f->why = "";
        f->site_first = f->site_count = 0;
        m->facts[i].trapped = 0;
    }
}

bool tl_module_plan(struct tl_module *module)
{
    struct tli_module *m = module->internal;
    begin(m);
    for (size_t i = 0; i < module->function_count; i++)
        if (module->functions[i].selected)
            plan_entry(m, (uint32_t)i);
    size_t entries = module->site_count;
    for (size_t i = 0; i < entries && !m->out_of_memory; i++)
        plan_rest(m, module->sites[i].function, i);
    struct tli_links links = {.m = m};
    bool improves = module->force != TL_TACTIC_JUMP && module->force != TL_TACTIC_TRAP;
    for (size_t i = module->site_count; improves && i-- > 0;)
        if (module->sites[i].tactic == TL_TACTIC_TRAP && !is_second(module, i))
            improve(&links, i);
    tli_links_release(&links);
    for (size_t i = 0; i < module->function_count; i++)
        if (m->facts[i].trapped)
            module->functions[i].exits = TL_EXITS_TRAP;
    number_sites(module);
    return !m->out_of_memory;
}
