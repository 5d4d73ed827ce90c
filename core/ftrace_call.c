/* SPDX-License-Identifier: MIT
 *
 * What the trampolines call: tells those who registered, and keeps a callback's own calls from being told. The hot
 * path; nothing here carries a site. Any context. Who is registered is ftrace.c's matter.
 */
#include <core/epoch.h>
#include <core/exit.h>
#include <core/ftrace.h>
#include <regs.h>
#include <trapline/port.h>

_Static_assert(sizeof(struct tli_ftrace_slot) == 1 << TL_FTRACE_SLOT_SHIFT, "ftrace.S");
_Static_assert(sizeof(struct tl_regs) == TL_FTRACE_REGS_BYTES, "ftrace.S");

struct tli_ftrace_slot tli_ftrace_slots[TL_FTRACE_SLOTS];
_Atomic(struct tl_ftrace_ops *) tli_ftrace_first;
struct tli_ftrace_counters tli_ftrace_counters;

/* Callbacks that run, on lines of their own: traced functions run on all cores at once. */
#define LINES 16
static struct line {
    _Alignas(64) struct tli_epoch epoch;
} lines[LINES];

TLI_TRACER static struct tli_epoch *epoch_of(const struct tl_trace_thread *thread)
{
    uintptr_t number = (uintptr_t)thread / 64; /* at the same place of each thread's stack, maybe */
    return &lines[(number ^ number >> 9) % LINES].epoch;
}

void tli_ftrace_wait(void)
{
    for (unsigned i = 0; i < LINES; i++)
        tli_epoch_wait(&lines[i].epoch);
}

/* The bits of inside are this thread's own: an interrupt takes another context's bit, and gives it back. */
TLI_TRACER static bool guard(struct tl_trace_thread *thread, uint32_t bit)
{
    uint32_t inside = atomic_load_explicit(&thread->inside, memory_order_relaxed); /* relaxed: see above */
    if (inside & bit) {
        /* relaxed: a counter */
        atomic_fetch_add_explicit(&tli_ftrace_counters.recursed, 1, memory_order_relaxed);
        return false;
    }
    atomic_store_explicit(&thread->inside, inside | bit, memory_order_relaxed); /* relaxed: see above */
    /* [F3] acquire, for the compiler: what follows runs with the bit set. Pairs with unguard(), in this thread. */
    atomic_signal_fence(memory_order_acquire);
    return true;
}

TLI_TRACER static void unguard(struct tl_trace_thread *thread, uint32_t bit)
{
    /* [F3] release, for the compiler: see guard(). */
    atomic_signal_fence(memory_order_release);
    uint32_t inside = atomic_load_explicit(&thread->inside, memory_order_relaxed); /* relaxed: see guard() */
    atomic_store_explicit(&thread->inside, inside & ~bit, memory_order_relaxed);   /* relaxed: see guard() */
}

TLI_TRACER static bool wants(struct tl_ftrace_ops *ops, size_t record)
{
    /* [F2] acquire: the set is seen filled. [E1] and sequentially consistent: see tli_epoch_enter(). Pairs with the
     * store in want() of ftrace.c. */
    uint32_t *wanted = atomic_load_explicit(&ops->wanted, memory_order_seq_cst);
    return record != TLI_NO_RECORD && tli_ftrace_set_has(wanted, record);
}

TLI_TRACER static struct tl_ftrace_ops *after(_Atomic(struct tl_ftrace_ops *) *link)
{
    /* [F1] acquire: the ops is seen filled. [E1] and sequentially consistent: see tli_epoch_enter(). Pairs with the
     * stores in link_ops() and remove_ops() of ftrace.c. */
    return atomic_load_explicit(link, memory_order_seq_cst);
}

/* A hooked call has returned, or, without a value, never will. */
TLI_TRACER static void returned(struct tl_trace_thread *thread, const struct tl_ftrace_call *call, uintptr_t *value)
{
    uint32_t bit = 1u << tl_port_context();
    if (!value || !guard(thread, bit))
        return;
    struct tli_epoch *epoch = epoch_of(thread);
    unsigned cookie = tli_epoch_enter(epoch);
    /* By the list, not by the pointer: the ops may have gone since the call was entered, and come again. */
    for (struct tl_ftrace_ops *ops = after(&tli_ftrace_first); ops; ops = after(&ops->next))
        if (ops == call->ops && ops->generation == call->generation)
            ops->returned(call, value);
    tli_epoch_leave(epoch, cookie);
    unguard(thread, bit);
}

TLI_TRACER static bool hook(struct tl_ftrace_ops *ops, struct tl_trace_thread *thread, uintptr_t site,
                            uintptr_t *parent)
{
    const struct tl_ftrace_call who = {.function = site, .ops = ops, .generation = ops->generation, .tell = returned};
    return tli_exit_hook(thread, parent, &who);
}

TLI_TRACER static void tell(struct tl_ftrace_ops *ops, struct tl_trace_thread *thread, uintptr_t site,
                            uintptr_t *parent, struct tl_regs *regs)
{
    if (!(ops->flags & TL_FTRACE_REGS))
        regs = 0;
    uintptr_t returns_to = tl_ftrace_return_address(thread, parent);
    if (ops->returned && !hook(ops, thread, site, parent))
        return;
    if (!ops->entered)
        return;
    uintptr_t ip = regs ? regs->ip : 0;
    ops->entered(site, returns_to, ops, regs);
    if (regs && !(ops->flags & TL_FTRACE_IP))
        regs->ip = ip;
}

/* Everyone who wants it. True: one of them needs registers, and there are none; then nobody was told. */
TLI_TRACER static bool tell_all(struct tl_trace_thread *thread, uintptr_t site, uintptr_t *parent, struct tl_regs *regs)
{
    size_t record = tli_ftrace_find(site);
    for (struct tl_ftrace_ops *ops = after(&tli_ftrace_first); ops && !regs; ops = after(&ops->next))
        if (ops->flags & TL_FTRACE_REGS && wants(ops, record))
            return true;
    for (struct tl_ftrace_ops *ops = after(&tli_ftrace_first); ops; ops = after(&ops->next))
        if ((regs || !(ops->flags & TL_FTRACE_REGS)) && wants(ops, record))
            tell(ops, thread, site, parent, regs);
    return false;
}

/* The only one who wants it, unless the thread was asleep on its way here, and something has changed meanwhile. */
TLI_TRACER static bool tell_only(struct tli_ftrace_slot *slot, struct tl_trace_thread *thread, uintptr_t site,
                                 uintptr_t *parent, struct tl_regs *regs)
{
    struct tl_ftrace_ops *ops = slot ? after(&slot->ops) : 0;
    if (!ops || (!regs && ops->flags & TL_FTRACE_REGS))
        return false;
    /* relaxed: set before the threads in question are told of anything else */
    if (atomic_load_explicit(&slot->checked, memory_order_relaxed) && !wants(ops, tli_ftrace_find(site)))
        return false;
    tell(ops, thread, site, parent, regs);
    return true;
}

TLI_TRACER bool tli_ftrace_call(uintptr_t site, uintptr_t *parent, struct tl_regs *regs, struct tli_ftrace_slot *slot)
{
    struct tl_trace_thread *thread = tl_port_trace_thread();
    uint32_t bit = 1u << tl_port_context();
    if (!thread || !guard(thread, bit))
        return false;
    struct tli_epoch *epoch = epoch_of(thread);
    unsigned cookie = tli_epoch_enter(epoch);
    bool again = !tell_only(slot, thread, site, parent, regs) && tell_all(thread, site, parent, regs);
    tli_epoch_leave(epoch, cookie);
    unguard(thread, bit);
    return again;
}
