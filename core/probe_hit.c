/* SPDX-License-Identifier: MIT
 *
 * What happens where a probe stands: handlers are called, and the instruction has its effect. Nothing is kept in
 * between: which int3 it is says everything, so a thread may be interrupted, preempted or probed again at any of its
 * steps. Nothing here carries a site or a probe. Any context. Who is told is probe.c's matter.
 */
#include <core/emulate.h>
#include <core/probe.h>
#include <probe.h>
#include <trapline/port.h>

_Static_assert(sizeof(struct tl_regs) == TL_PROBE_REGS_BYTES, "probe.S");

#define BUCKETS 512u
#define INT3 0xcc

enum { EXCEPTION = TL_FTRACE_CONTEXTS - 1 }; /* tl_port_context() */

/* Points by their address, and by their slot's; newest first. */
static _Atomic(struct tli_probe_point *) points[BUCKETS], slots[BUCKETS];

TLI_TRACER static unsigned bucket_of(uintptr_t address)
{
    return (uint32_t)address * 2654435761u >> 23;
}

TLI_TRACER static uintptr_t slot_at(uintptr_t address)
{
    return address & ~(uintptr_t)(TLI_PROBE_SLOT_BYTES - 1);
}

TLI_TRACER static struct tli_probe_point *follow(_Atomic(struct tli_probe_point *) *link)
{
    /* [Q1] acquire: the point is filled. Pairs with the release in tli_probe_point_publish(). */
    return atomic_load_explicit(link, memory_order_acquire);
}

TLI_TRACER struct tli_probe_point *tli_probe_point_at(uintptr_t address)
{
    struct tli_probe_point *point = follow(&points[bucket_of(address)]);
    while (point && point->site.address != address)
        point = follow(&point->next);
    return point;
}

/* The point whose slot holds address, or NULL. */
TLI_TRACER static struct tli_probe_point *point_of_slot(uintptr_t address)
{
    struct tli_probe_point *point = follow(&slots[bucket_of(slot_at(address))]);
    while (point && point->slot != slot_at(address))
        point = follow(&point->next_slot);
    return point;
}

static void push(_Atomic(struct tli_probe_point *) *head, struct tli_probe_point *point,
                 _Atomic(struct tli_probe_point *) *link)
{
    /* relaxed, both: only the holder of probe's lock writes them; published below */
    atomic_store_explicit(link, atomic_load_explicit(head, memory_order_relaxed), memory_order_relaxed);
    atomic_store_explicit(head, point, memory_order_release); /* [Q1] release: see follow() */
}

void tli_probe_point_publish(struct tli_probe_point *point)
{
    push(&points[bucket_of(point->site.address)], point, &point->next);
    if (point->slot)
        push(&slots[bucket_of(point->slot)], point, &point->next_slot);
}

/* The bits are this thread's own: an interrupt takes another one, and gives it back. What runs in an exception could be
 * a handler's own code, so there any handler counts. */
TLI_TRACER bool tli_probe_begin(struct tl_trace_thread *thread, unsigned context)
{
    if (!thread)
        return false;
    uint32_t inside = atomic_load_explicit(&thread->probing, memory_order_relaxed); /* relaxed: see above */
    if (inside & (context == EXCEPTION ? ~0u : 1u << context))
        return false;
    atomic_store_explicit(&thread->probing, inside | 1u << context, memory_order_relaxed); /* relaxed: see above */
    /* [Q3] acquire, for the compiler: what follows runs with the bit set. Pairs with tli_probe_end(), in this thread.
     */
    atomic_signal_fence(memory_order_acquire);
    return true;
}

TLI_TRACER void tli_probe_end(struct tl_trace_thread *thread, unsigned context)
{
    /* [Q3] release, for the compiler: see tli_probe_begin(). */
    atomic_signal_fence(memory_order_release);
    uint32_t inside = atomic_load_explicit(&thread->probing, memory_order_relaxed); /* relaxed: see tli_probe_begin() */
    /* relaxed: see tli_probe_begin() */
    atomic_store_explicit(&thread->probing, inside & ~(1u << context), memory_order_relaxed);
}

enum told { MISSED, TOLD, MOVED };

/* detour: from there only those are told whom a jump can serve. Others have registered after the thread came there, and
 * would not be told of the end. */
TLI_TRACER static enum told tell_before(const struct tli_probe_set *set, struct tl_regs *regs, unsigned context,
                                        bool detour)
{
    struct tl_trace_thread *thread = tl_port_trace_thread();
    uintptr_t ip = regs->ip;
    bool moved = false, may = set->count && tli_probe_begin(thread, context);
    for (unsigned i = 0; i < set->count && !moved; i++) {
        struct tl_probe *probe = set->probe[i];
        if (detour && (probe->after || probe->flags & TL_PROBE_IP))
            continue;
        if (!may) /* relaxed: a counter */
            atomic_fetch_add_explicit(&probe->missed, 1, memory_order_relaxed);
        else if (probe->before)
            moved = probe->before(probe, regs) && probe->flags & TL_PROBE_IP;
        if (!moved)
            regs->ip = ip;
    }
    if (may)
        tli_probe_end(thread, context);
    return moved ? MOVED : may ? TOLD : MISSED;
}

TLI_TRACER static void tell_after(const struct tli_probe_set *set, struct tl_regs *regs, unsigned context)
{
    struct tl_trace_thread *thread = tl_port_trace_thread();
    uintptr_t ip = regs->ip;
    bool may = tli_probe_begin(thread, context);
    for (unsigned i = 0; i < set->count && may; i++)
        if (set->probe[i]->after)
            set->probe[i]->after(set->probe[i], regs);
    regs->ip = ip;
    if (may)
        tli_probe_end(thread, context);
}

/* The int3 of a probe. */
TLI_TRACER static void hit(struct tli_probe_point *point, struct tl_regs **regs, unsigned context)
{
    unsigned copy = tli_epoch_enter_copy(&point->epoch);
    const struct tli_probe_set *set = &point->set[copy];
    (*regs)->ip = point->site.address;
    enum told told = tell_before(set, *regs, context, false);
    bool after = told == TOLD && set->after;
    if (told != MOVED && point->slot) {
        (*regs)->ip = point->slot + (after ? copy * TLI_PROBE_COPY_BYTES : TLI_PROBE_BACK);
        if (after)
            return; /* stays inside, until the int3 behind the copy */
    } else if (told != MOVED) {
        tli_emulate(regs, &point->insn, point->bytes, point->site.address);
        if (after)
            tell_after(set, *regs, context);
    }
    tli_epoch_leave(&point->epoch, copy);
}

/* The int3 behind a copy. */
TLI_TRACER static bool executed(struct tli_probe_point *point, struct tl_regs *regs, uintptr_t address,
                                unsigned context)
{
    unsigned offset = (unsigned)(address - point->slot), copy = offset / TLI_PROBE_COPY_BYTES;
    if (offset >= TLI_PROBE_BACK || offset % TLI_PROBE_COPY_BYTES != point->insn.length)
        return false;
    regs->ip = point->site.address + point->insn.length;
    tell_after(&point->set[copy], regs, context);
    tli_epoch_leave(&point->epoch, copy);
    return true;
}

TLI_TRACER bool tl_probe_int3(struct tl_regs **regs, uintptr_t address, unsigned context)
{
    struct tli_probe_point *point = tli_probe_point_at(address);
    if (!point) {
        point = point_of_slot(address);
        return point && executed(point, *regs, address, context);
    }
    enum tl_probe_how how = tli_probe_how(point);
    if (how == TL_PROBE_BY_INT3 || how == TL_PROBE_BY_JUMP) {
        hit(point, regs, context);
        return true;
    }
    if (tl_port_text_byte(address) == INT3)
        return false;      /* somebody else's */
    (*regs)->ip = address; /* a late one, fetched before it was taken out */
    return true;
}

TLI_TRACER void tli_probe_detour(struct tli_probe_point *point, struct tl_regs *regs)
{
    unsigned copy = tli_epoch_enter_copy(&point->epoch);
    regs->ip = point->site.address;
    tell_before(&point->set[copy], regs, tl_port_context(), true);
    tli_epoch_leave(&point->epoch, copy);
}

TLI_TRACER void tli_probe_ftrace_entered(uintptr_t site, uintptr_t parent, struct tl_ftrace_ops *ops,
                                         struct tl_regs *regs)
{
    struct tli_probe_point *point = ops->data;
    (void)parent;
    unsigned copy = tli_epoch_enter_copy(&point->epoch), context = tl_port_context();
    uintptr_t behind = regs->ip;
    regs->ip = site;
    enum told told = tell_before(&point->set[copy], regs, context, false);
    if (told != MOVED)
        regs->ip = behind;
    if (told == TOLD && point->set[copy].after)
        tell_after(&point->set[copy], regs, context);
    tli_epoch_leave(&point->epoch, copy);
}

/* The instruction of the window whose copy begins at ip. */
TLI_TRACER static bool leave_detour(const struct tli_probe_point *point, struct tl_regs *regs)
{
    uintptr_t offset = regs->ip - point->site.stub;
    if (!point->window || offset >= point->detour_bytes)
        return false;
    for (unsigned i = 0; i < TLI_SITE_BYTES; i++)
        if (point->site.starts >> i & 1 && point->site.label[i] == offset) {
            regs->ip = point->site.address + i;
            return true;
        }
    return false;
}

TLI_TRACER void tl_probe_fault(struct tl_regs *regs)
{
    struct tli_probe_point *point = point_of_slot(regs->ip);
    if (point) {
        unsigned offset = (unsigned)(regs->ip - point->slot);
        regs->ip = point->site.address;
        if (offset < TLI_PROBE_BACK)
            tli_epoch_leave(&point->epoch, offset / TLI_PROBE_COPY_BYTES);
        return;
    }
    for (unsigned i = 0; i < BUCKETS; i++)
        for (point = follow(&points[i]); point; point = follow(&point->next))
            if (leave_detour(point, regs))
                return;
}
