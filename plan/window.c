/* SPDX-License-Identifier: MIT
 *
 * Windows: which whole instructions a site takes. Knows what may be displaced and what must not be hit in the
 * middle; does not know why a site is wanted (plan.c).
 *
 * The first five bytes of a window are overwritten: a known branch to one of bytes 1 to 4 would trap each time, so it
 * rules the window out. Bytes from the fifth on stay: who arrives there by a branch runs the original code, and would
 * miss the record of an exit, so in front of an exit no known branch may arrive there; where an unknown one may, the
 * exit itself gets an int3 besides (tli_window_leaks()).
 *
 * Where there is no such window, the second choice is a short one (TL_TACTIC_SHORT): one to four bytes, with the bytes
 * behind it left as they are and read as the upper part of the jump's displacement. They decide where the stub lies.
 * The third choice is a jump that known branches lead into: who falls through gains, who branches traps as before.
 */
#include <plan/decode.h>
#include <plan/window.h>
#include <string.h>

#define INNER_NONE 99
#define NEAR_TOP 0x10 /* 256 MB */
#define LOWEST_PLACE 0x1000000

/* The exit of the function at address, or NULL. */
static const struct tli_exit *exit_at(const struct tli_module *m, uint32_t function, uint64_t address)
{
    const struct tli_facts *facts = &m->facts[function];
    size_t low = facts->exit_first, high = low + facts->exit_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (m->exits[middle].address == address)
            return &m->exits[middle];
        if (m->exits[middle].address < address)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

static bool any_bit(const uint64_t *map, const struct tli_region *region, uint64_t start, uint64_t end)
{
    for (uint64_t at = start; at < end && at < region->end; at++)
        if (tli_bit(map, at - region->start))
            return true;
    return false;
}

/* An instruction that must run where it stands: a thread may be asleep in a system call, with its place known to
 * libc's cancellation; a trap must be seen at its own address. */
static bool must_stay(const struct tli_insn *insn)
{
    return insn->class == TLI_SYSCALL || insn->class == TLI_XBEGIN || insn->class == TLI_STOP ||
           insn->class == TLI_INT3;
}

static bool decode_at(const struct tli_region *region, uint64_t address, uint64_t end, struct tli_insn *insn)
{
    if (end > region->end)
        end = region->end;
    return address < end &&
           tli_decode(insn, region->bytes + (address - region->start), (size_t)(end - address), address);
}

/* Adds one instruction; flags an exit; refuses what this kind of window must not hold. */
static bool add(const struct tli_request *q, struct tl_wire_site *site, uint64_t at, const struct tli_insn *insn)
{
    const struct tli_exit *exit = exit_at(q->m, q->function, at);
    if (site->insns == TL_SITE_MAX_INSNS || site->size + insn->length > TL_SITE_MAX_BYTES)
        return false;
    if (exit && q->kind == TL_SITE_LINK)
        return false;
    if (exit && exit->kind == TLI_EXIT_LOOP && q->kind == TL_SITE_BODY)
        return false; /* only a REDIRECT window's branch is led past the record */
    if (exit && exit->kind != TLI_EXIT_LOOP) {
        if (q->kind == TL_SITE_REDIRECT)
            return false;
        site->exits |= (uint16_t)(1u << site->insns);
    }
    site->insns++;
    site->size = (uint8_t)(site->size + insn->length);
    return true;
}

static bool is_padding(const struct tli_insn *insn)
{
    return insn->class == TLI_NOP || insn->class == TLI_INT3;
}

/* What stands at address may be the next instruction of the window: proven code of this part, or padding that nobody
 * reaches. */
static bool acceptable(const struct tli_request *q, const struct tli_region *region, const struct tli_insn *insn,
                       uint64_t at, bool first)
{
    bool inside = at < q->end && at + insn->length <= q->end;
    bool proven = first || tli_bit(region->starts, at - region->start);
    if (inside && proven)
        return !must_stay(insn);
    return !proven && is_padding(insn) && !any_bit(region->targets, region, at, at + 1);
}

static void finish(const struct tli_request *q, const struct tli_region *region, uint8_t tactic,
                   struct tl_wire_site *site)
{
    unsigned known = tactic == TL_TACTIC_SHORT ? TL_JUMP_BYTES : site->size;
    site->kind = q->kind;
    site->function = q->function;
    site->tactic = tactic;
    memcpy(site->bytes, region->bytes + (site->address - region->start), known);
}

/* Does somebody arrive inside the instruction at .. end, among the bytes before limit, which are overwritten: there is
 * no int3 for him, and no copy. */
static bool is_split(const struct tli_region *region, uint64_t at, uint64_t end, uint64_t limit)
{
    return any_bit(region->targets, region, at + 1, end < limit ? end : limit);
}

/* Takes instructions from site->address on that may be taken, until a jump and the instruction at through have room;
 * for a short window less than a jump, and none that a known branch leads to but the first. True: the instruction at
 * through is among them. */
static bool gather(const struct tli_request *q, const struct tli_region *region, uint64_t through, bool is_short,
                   struct tl_wire_site *site)
{
    const struct tli_section *section = tli_section_at(q->m, site->address);
    uint64_t address = site->address, at = address;
    for (; section && (at < address + TL_JUMP_BYTES || at <= through); at = address + site->size) {
        struct tli_insn insn;
        if ((is_short && at != address && tli_bit(region->targets, at - region->start)) ||
            !decode_at(region, at, section->end, &insn) || !acceptable(q, region, &insn, at, at == address) ||
            any_bit(region->claimed, region, at, at + insn.length) ||
            is_split(region, at, at + insn.length, address + TL_JUMP_BYTES) ||
            (is_short && at != address && site->size + insn.length >= TL_JUMP_BYTES) || !add(q, site, at, &insn))
            break;
    }
    return at > through;
}

bool tli_window_jump(const struct tli_request *q, uint64_t address, uint64_t through, struct tl_wire_site *site)
{
    const struct tli_region *region = tli_region_at(q->m, address);
    *site = (struct tl_wire_site){.address = address};
    if (!region || !gather(q, region, through, false, site) || site->size < TL_JUMP_BYTES ||
        any_bit(region->targets, region, address + 1, address + TL_JUMP_BYTES))
        return false;
    finish(q, region, TL_TACTIC_JUMP, site);
    return true;
}

/* Can a stub lie where a jump with this top byte in its displacement leads? Not near above, where the heap grows, and
 * not below the first addresses. The agent will see whether the place is free. */
static bool is_place(const struct tli_request *q, uint64_t address, uint8_t top)
{
    int64_t highest = (int64_t)address + TL_JUMP_BYTES + (int64_t)(int8_t)top * (1 << 24) + 0xffffff;
    return top >= NEAR_TOP && (q->m->module->position_independent || highest > LOWEST_PLACE);
}

static bool short_at(const struct tli_request *q, const struct tli_region *region, uint64_t address, uint64_t through,
                     struct tl_wire_site *site)
{
    *site = (struct tl_wire_site){.address = address};
    if (address + TL_JUMP_BYTES > region->end || !gather(q, region, through, true, site) ||
        site->size >= TL_JUMP_BYTES || any_bit(region->targets, region, address + 1, address + site->size) ||
        any_bit(region->written, region, address + site->size, address + TL_JUMP_BYTES) ||
        !is_place(q, address, region->bytes[address + TL_JUMP_BYTES - 1 - region->start]))
        return false;
    finish(q, region, TL_TACTIC_SHORT, site);
    return true;
}

bool tli_window_trap(const struct tli_request *q, uint64_t address, struct tl_wire_site *site)
{
    const struct tli_region *region = tli_region_at(q->m, address);
    struct tli_insn insn;
    *site = (struct tl_wire_site){.address = address};
    if (!region || !decode_at(region, address, q->end, &insn) || must_stay(&insn) ||
        any_bit(region->claimed, region, address, address + insn.length) || !add(q, site, address, &insn))
        return false;
    finish(q, region, TL_TACTIC_TRAP, site);
    return true;
}

bool tli_window_into(const struct tli_request *q, uint64_t address, uint64_t through, struct tl_wire_site *site)
{
    const struct tli_region *region = tli_region_at(q->m, address);
    *site = (struct tl_wire_site){.address = address};
    if (!region || !gather(q, region, through, false, site) || site->size < TL_JUMP_BYTES ||
        any_bit(region->targets, region, address + TL_JUMP_BYTES, through + 1))
        return false;
    finish(q, region, TL_TACTIC_JUMP, site);
    return true;
}

static unsigned inner_starts(const struct tl_wire_site *site)
{
    unsigned count = 0, offset = 0;
    for (unsigned i = 0; i < site->insns; i++) {
        struct tli_insn insn;
        count += offset > 0 && offset < TL_JUMP_BYTES;
        if (!tli_decode(&insn, site->bytes + offset, site->size - offset, site->address + offset))
            break;
        offset += insn.length;
    }
    return count;
}

uint64_t tli_window_before(const struct tli_request *q, uint64_t address)
{
    const struct tli_region *region = tli_region_at(q->m, address);
    for (uint64_t at = address - 1; region && at >= q->start && at + 15 >= address && at < address; at--) {
        struct tli_insn insn;
        if (tli_bit(region->starts, at - region->start) && decode_at(region, at, q->end, &insn) &&
            at + insn.length == address)
            return insn.class == TLI_JUMP || insn.class == TLI_JUMP_INDIRECT || insn.class == TLI_RET ? 0 : at;
    }
    return 0;
}

bool tli_window_leaks(const struct tli_request *q, uint64_t start, uint64_t exit)
{
    const struct tli_region *region = tli_region_at(q->m, start);
    return region && exit >= start + TL_JUMP_BYTES &&
           (!q->certain || any_bit(region->targets, region, start + TL_JUMP_BYTES, exit + 1));
}

/* Fewer instruction starts inside the jump leave the agent more places for the stub. */
bool tli_window_over(const struct tli_request *q, uint64_t address, struct tl_wire_site *best)
{
    const struct tli_region *region = tli_region_at(q->m, address);
    unsigned fewest = INNER_NONE;
    for (uint64_t at = address; region && at && address - at < TL_SITE_MAX_BYTES; at = tli_window_before(q, at)) {
        struct tl_wire_site site;
        if (any_bit(region->claimed, region, at, at + 1))
            break;
        /* beyond the bytes that are overwritten nobody may arrive between the window's start and the exit */
        if (address >= at + TL_JUMP_BYTES && any_bit(region->targets, region, at + TL_JUMP_BYTES, address + 1))
            break;
        if (tli_window_jump(q, at, address, &site)) {
            unsigned inner = inner_starts(&site) + (tli_window_leaks(q, at, address) ? TL_JUMP_BYTES : 0);
            if (inner < fewest) {
                fewest = inner;
                *best = site;
            }
            if (inner == 0)
                break;
        }
        if (tli_bit(region->targets, at - region->start))
            break;
    }
    return fewest != INNER_NONE;
}

bool tli_window_best(const struct tli_request *q, uint64_t address, struct tl_wire_site *site)
{
    const struct tli_region *region = tli_region_at(q->m, address);
    if (!region || !tli_bit(region->starts, address - region->start))
        return false;
    bool jumps = q->m->module->force < TL_TACTIC_SHORT;
    return (jumps && tli_window_over(q, address, site)) || tli_window_trap(q, address, site);
}

/* The more bytes of its own, the more places for the stub. */
bool tli_window_short(const struct tli_request *q, uint64_t address, struct tl_wire_site *best)
{
    const struct tli_region *region = tli_region_at(q->m, address);
    *best = (struct tl_wire_site){0};
    for (uint64_t at = address; region && at && at + TL_JUMP_BYTES > address; at = tli_window_before(q, at)) {
        struct tl_wire_site site;
        if (any_bit(region->claimed, region, at, at + 1))
            break;
        if (short_at(q, region, at, address, &site) && site.size > best->size)
            *best = site;
        if (q->kind == TL_SITE_ENTRY || tli_bit(region->targets, at - region->start))
            break;
    }
    return best->size != 0;
}

/* A branch in the window could lead around in it, and trap each time. */
static bool is_straight(const struct tli_insn *insn)
{
    return insn->class == TLI_OTHER || insn->class == TLI_NOP;
}

bool tli_window_entered(const struct tli_request *q, uint64_t address, struct tl_wire_site *site)
{
    const struct tli_region *region = tli_region_at(q->m, address);
    uint64_t at = address;
    while (region && (at = tli_window_before(q, at)) != 0 && address - at < TL_SITE_MAX_BYTES) {
        struct tli_insn insn;
        *site = (struct tl_wire_site){.address = at};
        if (!decode_at(region, at, q->end, &insn) || !is_straight(&insn))
            break;
        if (gather(q, region, address, false, site) && site->size >= TL_JUMP_BYTES) {
            finish(q, region, TL_TACTIC_JUMP, site);
            return true;
        }
    }
    return false;
}

void tli_window_release(struct tli_module *m, const struct tl_wire_site *site)
{
    struct tli_region *region = tli_region_at(m, site->address);
    for (unsigned i = 0; region && i < site->size && site->address + i < region->end; i++) {
        tli_bit_clear(region->claimed, site->address + i - region->start);
        tli_bit_clear(region->written, site->address + i - region->start);
    }
}

void tli_window_claim(struct tli_module *m, const struct tl_wire_site *site)
{
    struct tli_region *region = tli_region_at(m, site->address);
    unsigned known = site->tactic == TL_TACTIC_SHORT ? TL_JUMP_BYTES : site->size;
    unsigned written = site->tactic == TL_TACTIC_TRAP ? 1 : site->size < TL_JUMP_BYTES ? site->size : TL_JUMP_BYTES;
    for (unsigned i = 0; region && i < known && site->address + i < region->end; i++) {
        tli_bit_set(region->claimed, site->address + i - region->start);
        if (i < written)
            tli_bit_set(region->written, site->address + i - region->start);
    }
}
