/* SPDX-License-Identifier: MIT
 *
 * What stands under a probe: the text's own byte, an int3, a jump, or what ftrace puts on its own sites; and the way
 * from one to the other, on which no hit is lost. Thread context, probe's lock.
 *
 * An int3 becomes a jump and back without being taken out in between: its byte is what the poke finds, or leaves, at
 * the head. Who meets it is told by tl_probe_int3() or by the detour, by one of them.
 */
#include <core/poke.h>
#include <core/probe.h>
#include <core/slab.h>
#include <trapline/port.h>

#define INT3 0xcc
#define JMP 0xe9

static void set_how(struct tli_probe_point *point, enum tl_probe_how how)
{
    /* [Q2] release: see tli_probe_how(). */
    atomic_store_explicit(&point->how, (uint8_t)how, memory_order_release);
}

static void set_state(struct tli_probe_point *point, enum tli_site_state state)
{
    /* [S2] release: the stub is filled, the bytes are in the text. Pairs with the acquire in tli_trap(). */
    atomic_store_explicit(&point->site.state, (uint8_t)state, memory_order_release);
}

static void jump_bytes(const struct tli_probe_point *point, uint8_t *to)
{
    uint32_t distance = (uint32_t)(point->site.stub - (point->site.address + TLI_SITE_BYTES));
    to[0] = JMP;
    for (unsigned i = 1; i < TLI_SITE_BYTES; i++)
        to[i] = (uint8_t)(distance >> 8 * (i - 1));
}

/* The site as what is written between the two: as old, in any direction, the lower one of them. */
static void describe(struct tli_probe_point *point, enum tl_probe_how low, enum tl_probe_how high)
{
    struct tli_site *site = &point->site;
    for (unsigned i = 0; i < TLI_SITE_BYTES; i++)
        site->old_bytes[i] = point->bytes[i];
    if (low == TL_PROBE_BY_INT3)
        site->old_bytes[0] = INT3;
    site->new_bytes[0] = INT3;
    if (high == TL_PROBE_BY_JUMP)
        jump_bytes(point, site->new_bytes);
    site->size = high == TL_PROBE_BY_JUMP ? TLI_SITE_BYTES : 1;
}

static enum tl_status put(struct tli_probe_point *point, enum tl_probe_how from, enum tl_probe_how how)
{
    struct tli_site *site = &point->site;
    describe(point, from, how);
    if (!tli_poke_verify(site, TLI_POKE_ARM)) {
        describe(point, from, from);
        return TL_TEXT_DIFFERS;
    }
    set_how(point, how); /* before the byte is there: whoever meets it finds a point that takes it */
    set_state(point, how == TL_PROBE_BY_JUMP ? TLI_SITE_STANDING : TLI_SITE_INT3);
    tli_site_wait(); /* who has seen the site gone is done */
    tli_poke_write(&site, 1, TLI_POKE_ARM);
    return TL_OK;
}

static enum tl_status take_out(struct tli_probe_point *point, enum tl_probe_how from, enum tl_probe_how how)
{
    struct tli_site *site = &point->site;
    describe(point, how, from);
    if (!tli_poke_verify(site, TLI_POKE_DISARM))
        return TL_TEXT_DIFFERS;
    if (from == TL_PROBE_BY_JUMP && how == TL_PROBE_BY_NOTHING)
        set_state(point, TLI_SITE_LEAVING);
    tli_site_wait();
    tli_poke_write(&site, 1, TLI_POKE_DISARM); /* leaves it gone */
    site->size = 1;
    set_how(point, how);
    if (how == TL_PROBE_BY_INT3)
        set_state(point, TLI_SITE_INT3); /* in between, too, the int3 has come to tl_probe_int3() */
    return TL_OK;
}

/* In the table of sites: it may never have been, or somebody else has had its place since. */
static enum tl_status enter_table(struct tli_probe_point *point)
{
    struct tli_site *site = &point->site;
    if (tli_site_overlapping(site->address, 1))
        return TL_OVERLAP;
    return tli_site_any(site->address) == site ? TL_OK : tli_site_publish(&site, 1);
}

static enum tl_status arm_text(struct tli_probe_point *point, enum tl_probe_how how)
{
    enum tl_probe_how from = tli_probe_how(point);
    if (how == TL_PROBE_BY_JUMP && from != how && !tli_probe_jump_ready(point))
        how = TL_PROBE_BY_INT3;
    if (from == how)
        return TL_OK;
    if (how < from)
        return take_out(point, from, how);
    enum tl_status status = from == TL_PROBE_BY_NOTHING ? enter_table(point) : TL_OK;
    return status == TL_OK ? put(point, from, how) : status;
}

static struct tl_ftrace_ops *make_ops(void)
{
    tl_port_text_lock(); /* the slab's */
    struct tl_ftrace_ops *ops = tli_slab_take(sizeof(*ops));
    tl_port_text_unlock();
    return ops;
}

static enum tl_status arm_ftrace(struct tli_probe_point *point, enum tl_probe_how how)
{
    struct tl_ftrace_ops *ops = point->ops;
    enum tl_status status = TL_OK;
    if (how == tli_probe_how(point))
        return TL_OK;
    if (how == TL_PROBE_BY_NOTHING) {
        status = tl_ftrace_unregister(ops);
    } else {
        if (!ops)
            point->ops = ops = make_ops();
        if (!ops)
            return TL_NO_MEMORY;
        ops->entered = tli_probe_ftrace_entered;
        ops->flags = TL_FTRACE_REGS | (point->probes->flags & TL_PROBE_IP ? TL_FTRACE_IP : 0);
        ops->data = point;
        status = tl_ftrace_choose_address(ops, TL_FTRACE_FILTER, point->site.address, TL_FTRACE_REPLACE);
        if (status == TL_OK)
            status = tl_ftrace_register(ops);
    }
    if (status == TL_OK)
        set_how(point, how);
    return status;
}

enum tl_status tli_probe_arm(struct tli_probe_point *point, enum tl_probe_how how)
{
    if (how == TL_PROBE_BY_FTRACE || tli_probe_how(point) == TL_PROBE_BY_FTRACE)
        return arm_ftrace(point, how);
    tl_port_text_lock();
    enum tl_status status = arm_text(point, how);
    tl_port_text_unlock();
    return status;
}
