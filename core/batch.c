/* SPDX-License-Identifier: MIT
 *
 * The public door of the poke: checks what is asked for, gives each address a site with its new meaning, and has the
 * batch poked. The steps are in poke.c. Thread context, any width.
 */
#include <core/batch.h>
#include <core/poke.h>
#include <core/slab.h>
#include <regs.h>
#include <trapline/port.h>

#define INT3 0xcc

static const uint8_t nop2[2] = {0x66, 0x90};
static const uint8_t nop5[5] = {0x0f, 0x1f, 0x44, 0x00, 0x00};

static enum tl_status encode_branch(uint8_t *to, const struct tl_poke *poke, uint8_t opcode)
{
    intptr_t distance = (intptr_t)(poke->target - (poke->address + poke->size));
    intptr_t reach = poke->size == 2 ? INT8_MAX : INT32_MAX;
    if (distance > reach || distance < -reach - 1)
        return TL_TOO_FAR;
    to[0] = opcode;
    for (unsigned i = 1; i < poke->size; i++)
        to[i] = (uint8_t)(distance >> 8 * (i - 1));
    return TL_OK;
}

enum tl_status tl_poke_encode(uint8_t *to, const struct tl_poke *poke)
{
    bool two = poke->size == 2, five = poke->size == 5;
    switch (poke->what) {
    case TL_POKE_NOP:
        for (unsigned i = 0; (two || five) && i < poke->size; i++)
            to[i] = two ? nop2[i] : nop5[i];
        return two || five ? TL_OK : TL_BAD_ARGUMENT;
    case TL_POKE_CALL:
        return five ? encode_branch(to, poke, 0xe8) : TL_BAD_ARGUMENT;
    case TL_POKE_JMP:
        return two || five ? encode_branch(to, poke, two ? 0xeb : 0xe9) : TL_BAD_ARGUMENT;
    case TL_POKE_INT3:
        to[0] = INT3;
        return poke->size == 1 ? TL_OK : TL_BAD_ARGUMENT;
    default:
        return TL_BAD_ARGUMENT;
    }
}

static enum tli_site_state state_of(const struct tli_site *site)
{
    /* relaxed: only the poke side writes it */
    return TLI_SITE_MEANING(atomic_load_explicit(&site->state, memory_order_relaxed));
}

/* The site that was made for this address by an earlier poke, and can serve this one, or NULL. */
static struct tli_site *known(const struct tl_poke *poke)
{
    struct tli_site *site = tli_site_any(poke->address);
    return site && site->plain && (site->size == poke->size || state_of(site) == TLI_SITE_GONE) ? site : 0;
}

static bool is_one_instruction(const struct tl_poke *poke)
{
    struct tl_insn insn;
    return tl_insn_decode(&insn, poke->expected, poke->size, TL_ARCH_MODE) == TL_OK && insn.length == poke->size;
}

static enum tl_status check_text(const struct tl_poke *poke)
{
    uint8_t found[TL_POKE_MAX_BYTES];
    bool back = poke->what == TL_POKE_BACK;
    if (tl_port_text_read(poke->address, found, poke->size) != TL_OK)
        return TL_NO_TEXT;
    for (unsigned i = 0; i < poke->size; i++)
        if (found[i] != (back ? INT3 : poke->expected[i]))
            return TL_TEXT_DIFFERS;
    if (poke->size > 1)
        return is_one_instruction(poke) ? TL_OK : TL_NO_START;
    return !back && found[0] == INT3 ? TL_OVERLAP : TL_OK;
}

/* before: the poke in front of it in the batch, or NULL. */
static enum tl_status check(const struct tl_poke *poke, const struct tl_poke *before)
{
    uint8_t bytes[TL_POKE_MAX_BYTES];
    bool back = poke->what == TL_POKE_BACK;
    enum tl_status status = back ? (poke->size == 1 ? TL_OK : TL_BAD_ARGUMENT) : tl_poke_encode(bytes, poke);
    if (status != TL_OK)
        return status;
    if (before && poke->address < before->address)
        return TL_BAD_ARGUMENT;
    if (before && poke->address < before->address + before->size)
        return TL_OVERLAP;
    if (tl_port_trap_path(poke->address, poke->size))
        return TL_TRAP_PATH;
    const struct tli_site *site = known(poke);
    bool stands = site && state_of(site) != TLI_SITE_GONE;
    if (back && !stands)
        return TL_BAD_ARGUMENT;
    if (!stands && tli_site_overlapping(poke->address, poke->size))
        return TL_OVERLAP;
    return check_text(poke);
}

/* A record for each poke whose address has none; known ones are found again by address. */
static enum tl_status make_sites(const struct tl_poke *pokes, size_t count, struct tli_site **sites)
{
    size_t fresh = 0, next = 0;
    for (size_t i = 0; i < count; i++)
        fresh += !known(&pokes[i]);
    struct tli_site *made = fresh ? tli_slab_take(fresh * sizeof(*made)) : 0;
    if (fresh && !made)
        return TL_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        if (next == fresh || known(&pokes[i]))
            continue;
        struct tli_site *site = &made[next];
        site->address = pokes[i].address;
        site->size = pokes[i].size;
        site->starts = 1;
        site->plain = 1;
        atomic_store_explicit(&site->state, TLI_SITE_GONE, memory_order_relaxed); /* relaxed: nobody sees it yet */
        sites[next++] = site;
    }
    enum tl_status status = tli_site_publish(sites, fresh);
    for (size_t i = 0; status == TL_OK && i < count; i++)
        sites[i] = known(&pokes[i]);
    return status;
}

static void set_state(struct tli_site *site, enum tli_site_state meaning, unsigned second)
{
    /* [S2] release: the target is filled, and for GONE the bytes are in the text. Pairs with the acquire in
     * tli_trap(). */
    atomic_store_explicit(&site->state, (uint8_t)(meaning | second), memory_order_release);
}

static unsigned second_of(const struct tli_site *site)
{
    return atomic_load_explicit(&site->state, memory_order_relaxed) & TLI_SITE_SECOND; /* relaxed: as above */
}

/* The new bytes and the new meaning. The target that traps may be reading is left alone. */
static void prepare(struct tli_site *site, const struct tl_poke *poke)
{
    static const uint8_t meaning[] = {
        [TL_POKE_NOP] = TLI_SITE_NOP,   [TL_POKE_CALL] = TLI_SITE_CALL, [TL_POKE_JMP] = TLI_SITE_JMP,
        [TL_POKE_INT3] = TLI_SITE_INT3, [TL_POKE_BACK] = TLI_SITE_INT3,
    };
    unsigned second = second_of(site) ^ TLI_SITE_SECOND;
    if (poke->what == TL_POKE_BACK) {
        site->new_bytes[0] = site->old_bytes[0];
        site->old_bytes[0] = INT3;
    } else {
        for (unsigned i = 0; i < poke->size; i++)
            site->old_bytes[i] = poke->expected[i];
        (void)tl_poke_encode(site->new_bytes, poke); /* checked */
    }
    site->size = poke->size; /* another one only where nobody is inside who saw a meaning */
    site->target[second ? 1 : 0] = poke->target;
    set_state(site, (enum tli_site_state)meaning[poke->what], second);
}

static enum tl_status poke_checked(const struct tl_poke *pokes, size_t count)
{
    size_t room = count * sizeof(struct tli_site *);
    struct tli_site **sites = tl_port_memory(room);
    enum tl_status status = sites ? make_sites(pokes, count, sites) : TL_NO_MEMORY;
    if (status == TL_OK) {
        for (size_t i = 0; i < count; i++)
            prepare(sites[i], &pokes[i]);
        tli_site_wait(); /* who has seen the old meaning, or GONE, is done before an int3 stands */
        tli_poke_write(sites, count, TLI_POKE_ARM);
        /* A site that holds nobody's branch is free for others; a late trap runs what is there. */
        for (size_t i = 0; i < count; i++)
            if (pokes[i].what == TL_POKE_NOP || pokes[i].what == TL_POKE_BACK)
                set_state(sites[i], TLI_SITE_GONE, second_of(sites[i]));
        tli_site_wait();
    }
    if (sites)
        tl_port_memory_free(sites, room);
    return status;
}

enum tl_status tli_batch_poke(const struct tl_poke *pokes, size_t count, size_t *culprit)
{
    enum tl_status status = TL_OK;
    size_t i = 0;
    while (i < count && (status = check(&pokes[i], i ? &pokes[i - 1] : 0)) == TL_OK)
        i++;
    if (status == TL_OK && count)
        status = poke_checked(pokes, count);
    if (status != TL_OK && culprit)
        *culprit = i;
    return status;
}

enum tl_status tl_poke(const struct tl_poke *pokes, size_t count, size_t *culprit)
{
    tl_port_text_lock();
    enum tl_status status = tli_batch_poke(pokes, count, culprit);
    tl_port_text_unlock();
    return status;
}

static bool holds_nops(const uint8_t *bytes, size_t size)
{
    struct tl_insn insn;
    for (size_t at = 0; at < size; at += insn.length)
        if (tl_insn_decode(&insn, bytes + at, size - at, TL_ARCH_MODE) != TL_OK || insn.category != TL_INSN_NOP)
            return false;
    return true;
}

static enum tl_status join_nops(uintptr_t address)
{
    uint8_t found[sizeof(nop5)];
    if (tl_port_trap_path(address, sizeof(nop5)))
        return TL_TRAP_PATH;
    if (tli_site_overlapping(address, sizeof(nop5)))
        return TL_OVERLAP;
    if (tl_port_text_read(address, found, sizeof(found)) != TL_OK)
        return TL_NO_TEXT;
    if (!holds_nops(found, sizeof(found)))
        return TL_TEXT_DIFFERS;
    return tl_port_text_write(address, nop5, sizeof(nop5));
}

enum tl_status tl_poke_join_nops(uintptr_t address)
{
    tl_port_text_lock();
    enum tl_status status = join_nops(address);
    tl_port_serialize();
    tl_port_text_unlock();
    return status;
}
