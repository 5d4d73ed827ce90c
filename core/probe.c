/* SPDX-License-Identifier: MIT
 *
 * Who is told at which address: registering, enabling, and what has to stand in the text therefore. The text itself is
 * probe_text.c's matter, hits are probe_hit.c's. Thread context, one change at a time; hits go on meanwhile.
 */
#include <core/lock.h>
#include <core/probe.h>
#include <trapline/port.h>

static atomic_flag busy = ATOMIC_FLAG_INIT;

enum { FLAGS = TL_PROBE_IP | TL_PROBE_NO_JUMP | TL_PROBE_DISABLED };

/* The spare copy becomes those that are to be told; nobody is left who tells others. */
static void publish(struct tli_probe_point *point)
{
    struct tli_probe_set *set = &point->set[tli_epoch_spare_copy(&point->epoch)];
    set->count = 0;
    set->after = false;
    for (struct tl_probe *probe = point->probes; probe; probe = probe->next)
        if (!probe->disabled) {
            set->probe[set->count++] = probe;
            set->after |= probe->after != 0;
        }
    tli_epoch_turn(&point->epoch);
}

static enum tl_probe_how wanted(const struct tli_probe_point *point)
{
    bool any = false, jump = true;
    for (const struct tl_probe *probe = point->probes; probe; probe = probe->next)
        if (!probe->disabled) {
            any = true;
            jump = jump && !probe->after && !(probe->flags & (TL_PROBE_IP | TL_PROBE_NO_JUMP));
        }
    if (!any)
        return TL_PROBE_BY_NOTHING;
    if (point->insn.length == 0)
        return TL_PROBE_BY_FTRACE;
    return jump ? TL_PROBE_BY_JUMP : TL_PROBE_BY_INT3;
}

/* What is told, then what stands there; but a jump that would not tell all goes first. */
static enum tl_status update(struct tli_probe_point *point)
{
    enum tl_probe_how how = wanted(point);
    enum tl_status status = TL_OK;
    if (tli_probe_how(point) == TL_PROBE_BY_JUMP && how == TL_PROBE_BY_INT3)
        status = tli_probe_arm(point, how);
    if (status != TL_OK)
        return status;
    publish(point);
    return tli_probe_arm(point, how);
}

/* A jump before point that reaches over it gives way while point has probes, and comes back without. What cannot be
 * written stays as it is: it was right before. */
static void update_neighbours(const struct tli_probe_point *point)
{
    for (unsigned i = 1; i < TLI_PROBE_WINDOW_MAX; i++) {
        struct tli_probe_point *other = tli_probe_point_at(point->site.address - i);
        if (!other || !other->window || i >= other->window || wanted(other) != TL_PROBE_BY_JUMP)
            continue;
        (void)tli_probe_arm(other, point->probes ? TL_PROBE_BY_INT3 : TL_PROBE_BY_JUMP);
    }
}

static struct tl_probe **link_of(struct tli_probe_point *point, const struct tl_probe *probe)
{
    struct tl_probe **link = &point->probes;
    while (*link && *link != probe)
        link = &(*link)->next;
    return link;
}

/* Whether another one may join. */
static enum tl_status check(const struct tli_probe_point *point, const struct tl_probe *probe)
{
    unsigned count = 0;
    for (const struct tl_probe *other = point->probes; other; other = other->next)
        count++;
    if (count == TL_PROBE_SHARED)
        return TL_NO_ROOM;
    /* What ftrace lets the point do is settled by its first probe. */
    bool more = point->probes && probe->flags & TL_PROBE_IP && !(point->probes->flags & TL_PROBE_IP);
    return point->insn.length == 0 && more ? TL_BUSY : TL_OK;
}

static void remove_probe(struct tl_probe *probe)
{
    struct tli_probe_point *point = probe->point;
    *link_of(point, probe) = probe->next;
    (void)update(point); /* it is told no more; a text that is not as it was left is left alone */
    update_neighbours(point);
    probe->point = 0;
    probe->next = 0;
}

static enum tl_status register_locked(struct tl_probe *probe)
{
    struct tli_probe_point *point;
    if (!tli_probe_text.function || probe->point)
        return TL_BAD_ARGUMENT;
    enum tl_status status = tli_probe_point_for(probe->address, &point);
    if (status == TL_OK)
        status = check(point, probe);
    if (status != TL_OK)
        return status;
    probe->point = point;
    probe->next = 0;
    probe->disabled = probe->flags & TL_PROBE_DISABLED;
    *link_of(point, 0) = probe;
    update_neighbours(point);
    status = update(point);
    if (status != TL_OK)
        remove_probe(probe);
    return status;
}

enum tl_status tl_probe_open(const struct tl_probe_text *text)
{
    if (tli_probe_text.function)
        return TL_BUSY;
    tli_probe_text = *text;
    return TL_OK;
}

enum tl_status tl_probe_register(struct tl_probe *probe)
{
    if ((!probe->before && !probe->after) || probe->flags & ~(uint32_t)FLAGS)
        return TL_BAD_ARGUMENT;
    tli_lock(&busy);
    enum tl_status status = register_locked(probe);
    tli_unlock(&busy);
    return status;
}

enum tl_status tl_probe_unregister(struct tl_probe *probe)
{
    tli_lock(&busy);
    bool registered = probe->point;
    if (registered)
        remove_probe(probe);
    tli_unlock(&busy);
    return registered ? TL_OK : TL_BAD_ARGUMENT;
}

static enum tl_status set_disabled(struct tl_probe *probe, bool disabled)
{
    enum tl_status status = TL_OK;
    tli_lock(&busy);
    if (!probe->point) {
        status = TL_BAD_ARGUMENT;
    } else if (probe->disabled != disabled) {
        probe->disabled = disabled;
        status = update(probe->point);
        if (status != TL_OK && !disabled) {
            probe->disabled = true;
            publish(probe->point);
        }
    }
    tli_unlock(&busy);
    return status;
}

enum tl_status tl_probe_disable(struct tl_probe *probe)
{
    return set_disabled(probe, true);
}

enum tl_status tl_probe_enable(struct tl_probe *probe)
{
    return set_disabled(probe, false);
}

enum tl_probe_how tl_probe_how(const struct tl_probe *probe)
{
    return probe->point ? tli_probe_how(probe->point) : TL_PROBE_BY_NOTHING;
}
