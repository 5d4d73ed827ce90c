/* SPDX-License-Identifier: MIT
 *
 * Links: where the branches in stubs lead. A branch in the text finds an int3 where another site's jump has overwritten
 * the instruction that it leads to; its copy in a stub goes to that instruction's copy instead, in the other stub. When
 * all sites of a batch have their stubs, these links are known, and the stubs that have some are built again. A stub of
 * a session before serves again only if its links are those of now: threads may be in it, so they cannot be changed.
 */
#include <agent/agent.h>
#include <agent/batch.h>
#include <regs.h>
#include <trapline/port.h>

/* The jump of the batch that overwrites the instruction at address, not its first one, or NULL. */
static const struct tli_site *jump_over(const struct tli_batch *batch, uintptr_t address)
{
    size_t low = 0, high = batch->sorted;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (batch->sites[middle]->address < address)
            low = middle + 1;
        else
            high = middle;
    }
    const struct tli_site *site = low ? batch->sites[low - 1] : 0;
    bool inside = site && address - site->address < site->size && (site->starts >> (address - site->address) & 1);
    return inside && !site->guard && site->new_bytes[0] == TLI_JMP ? site : 0;
}

unsigned tli_links_find(const struct tli_batch *batch, const struct tl_wire_site *spec, bool inner,
                        struct tli_stub_target *target)
{
    const struct tli_site *entry = spec->kind == TL_SITE_GUARD ? 0 : *tli_batch_entry(batch, spec->function);
    unsigned found = 0, at = 0;
    struct tl_insn insn;
    for (unsigned i = 0; i < spec->insns; i++, at += insn.length) {
        if (tl_insn_decode(&insn, spec->bytes + at, spec->size - at, TL_ARCH_MODE) != TL_OK)
            break;
        uintptr_t to = tli_branch_target(&insn, (uintptr_t)spec->address + at);
        target->link[i] = 0;
        if (insn.rel_size == 0 || insn.category == TL_INSN_CALL_REL || (spec->exits >> i & 1))
            continue;
        const struct tli_site *other = inner && to - spec->address >= spec->size ? jump_over(batch, to) : 0;
        if (entry && to == entry->address)
            target->link[i] = entry->stub + entry->label[0];
        else if (other)
            target->link[i] = other->stub + other->label[to - other->address];
        found += target->link[i] != 0 && other;
    }
    return found;
}

/* What the site was made from. */
static struct tl_wire_site spec_of(const struct tli_site *site)
{
    const struct tli_stub_shape *shape = site->shape;
    struct tl_wire_site spec;
    spec.address = site->address;
    spec.function = shape->function;
    spec.kind = shape->kind;
    spec.tactic = site->size < TLI_SITE_BYTES ? TL_TACTIC_SHORT : TL_TACTIC_JUMP;
    if (site->new_bytes[0] == TLI_INT3)
        spec.tactic = TL_TACTIC_TRAP;
    spec.size = shape->window;
    spec.insns = shape->insns;
    spec.exits = shape->exits;
    for (unsigned i = 0; i < TL_SITE_MAX_BYTES; i++)
        spec.bytes[i] = i < TLI_SITE_BYTES ? site->old_bytes[i] : shape->bytes[i];
    return spec;
}

/* The stub that build() has made. */
static uint8_t bytes[TLI_STUB_MAX_BYTES];

/* The stub as it should be, with all links, or, if one is out of reach, with those to the entry. */
static enum tl_status build(const struct tli_batch *batch, struct tli_site *site)
{
    const struct tl_wire_site spec = spec_of(site);
    enum tl_status status = TL_NO_MEMORY;
    struct tli_stub_target target;
    tli_batch_target(&target);
    target.work = (enum tli_stub_work)site->shape->work;
    for (int inner = 1; inner >= 0 && status == TL_NO_MEMORY; inner--) {
        struct tli_code code = {.bytes = bytes, .address = site->stub, .room = TLI_STUB_MAX_BYTES};
        (void)tli_links_find(batch, &spec, inner, &target);
        status = tli_stub_build(&code, &spec, &target, site, site->shape);
    }
    return status;
}

/* Is that what there is. */
static bool stands(const struct tli_site *site)
{
    for (uint32_t i = 0; i < site->shape->size; i++)
        if (((const uint8_t *)site->stub)[i] != bytes[i])
            return false;
    return true;
}

/* Does a branch of the site lead into another one's bytes. */
static bool leads_on(const struct tli_batch *batch, const struct tli_site *site)
{
    struct tli_stub_target target;
    if (site->guard || site->shape->branches == 0)
        return false;
    const struct tl_wire_site spec = spec_of(site);
    return tli_links_find(batch, &spec, true, &target) != 0;
}

/* Marks the old stubs of the batch that have other links than they should. */
static bool find_stale(const struct tli_batch *batch)
{
    bool found = false;
    for (size_t i = 0; i < batch->count; i++) {
        struct tli_site *site = batch->sites[i];
        struct tli_stub_shape *shape = site->shape;
        shape->stale = !shape->fresh && (shape->linked != 0 || leads_on(batch, site)) &&
                       (build(batch, site) != TL_OK || !stands(site));
        found |= shape->stale;
    }
    return found;
}

/* Says of what was asked for that it is not to be had. */
static void refuse(struct tl_wire_site *sites, uint32_t count, const struct tl_wire_site *spec)
{
    for (uint32_t i = 0; i < count; i++)
        if (spec->address - sites[i].address < sites[i].size && sites[i].status == TL_OK) {
            sites[i].status = spec->status;
            sites[i].tactic = TL_TACTIC_NONE;
        }
}

/* Gives new stubs to the sites whose old ones are stale. What led to these is stale then, too, so until none is. */
static void renew(struct tli_batch *batch, struct tl_wire_site *sites, uint32_t count)
{
    batch->anew = true;
    while (find_stale(batch)) {
        size_t before = batch->count, kept = 0;
        for (size_t i = 0; i < before; i++) {
            if (!batch->sites[i]->shape->stale)
                continue;
            struct tl_wire_site spec = spec_of(batch->sites[i]);
            tli_batch_add(batch, &spec);
            if (spec.status != TL_OK)
                refuse(sites, count, &spec);
        }
        for (size_t i = 0; i < batch->count; i++)
            if (!batch->sites[i]->shape->stale)
                batch->sites[kept++] = batch->sites[i];
        batch->count = batch->sorted = kept;
        tli_batch_sort(batch->sites, kept);
    }
}

/* The batch's sites from number middle on are few, and go where they belong among the others, which are in order. */
static void merge(struct tli_batch *batch, size_t middle)
{
    size_t added = batch->count - middle, left = middle, to = batch->count;
    struct tli_site **few = batch->sites + batch->room - added; /* there is room for twice as many as asked for */
    tli_batch_sort(batch->sites + middle, added);
    for (size_t i = 0; i < added; i++)
        few[i] = batch->sites[middle + i];
    while (added)
        batch->sites[--to] =
            left && batch->sites[left - 1]->address > few[added - 1]->address ? batch->sites[--left] : few[--added];
    batch->sorted = batch->count;
}

void tli_links_add(struct tli_batch *batch, struct tl_wire_site *sites, uint32_t count)
{
    struct tli_stub_target target;
    tli_batch_sort(batch->sites, batch->count);
    batch->sorted = batch->count;
    for (uint32_t i = 0; i < count; i++) {
        if (sites[i].kind != TL_SITE_LINK)
            continue;
        sites[i].status = TL_OK;
        if (tli_links_find(batch, &sites[i], true, &target) != 0)
            tli_batch_add(batch, &sites[i]);
        else
            sites[i].tactic = TL_TACTIC_NONE;
    }
    merge(batch, batch->sorted);
    renew(batch, sites, count);
    for (size_t i = 0; i < batch->fresh_count; i++) {
        struct tli_site *site = batch->fresh[i];
        if (leads_on(batch, site) && build(batch, site) == TL_OK)
            (void)tl_port_text_write(site->stub, bytes, site->shape->size);
    }
}
