/* SPDX-License-Identifier: MIT
 *
 * Who is registered for which functions, and what each site therefore calls: nothing, the trampoline of the only one
 * who wants it, or the one that goes through the list. Every change is one batch of the poke. Thread context, one
 * change at a time; calls go on meanwhile.
 */
#include <core/ftrace.h>
#include <core/lock.h>
#include <core/section.h>
#include <core/trap.h>
#include <trapline/poke.h>
#include <trapline/port.h>

static atomic_flag busy = ATOMIC_FLAG_INIT;
static _Atomic uint32_t modifying; /* sites are being poked */
static uint32_t batches, generations;
static uintptr_t refused;

TLI_TRAP bool tli_ftrace_modifying(void)
{
    /* relaxed: who sees an int3 of ours a moment too early or late is still served, by the next in order */
    return atomic_load_explicit(&modifying, memory_order_relaxed);
}

TLI_TRAP bool tli_ftrace_int3(struct tl_regs **regs, uintptr_t address)
{
    return tli_ftrace_modifying() && tli_ftrace_find(address) != TLI_NO_RECORD && tli_trap(regs, address);
}

static struct tl_ftrace_ops *next_of(_Atomic(struct tl_ftrace_ops *) *link)
{
    return atomic_load_explicit(link, memory_order_relaxed); /* relaxed: only a change writes it */
}

static uint32_t *wanted_of(const struct tl_ftrace_ops *ops)
{
    return atomic_load_explicit(&ops->wanted, memory_order_relaxed); /* relaxed: only a change writes it */
}

/* The trampoline of the ops in this slot (from 0). */
static uintptr_t direct(unsigned slot, bool regs)
{
    const uint8_t *begin = regs ? tl_ftrace_direct_regs : tl_ftrace_direct;
    const uint8_t *end = regs ? tl_ftrace_direct_end : tl_ftrace_direct_regs;
    return (uintptr_t)begin + slot * ((uintptr_t)(end - begin) / TL_FTRACE_SLOTS);
}

/* Where the site of a record has to lead; 0: nowhere. */
static uintptr_t target_of(size_t record)
{
    struct tl_ftrace_ops *only = 0;
    unsigned users = 0;
    uint32_t flags = 0;
    for (struct tl_ftrace_ops *ops = next_of(&tli_ftrace_first); ops; ops = next_of(&ops->next)) {
        if (ops->state != TLI_FTRACE_REGISTERED || !tli_ftrace_set_has(wanted_of(ops), record))
            continue;
        only = ops;
        users++;
        flags |= ops->flags;
    }
    bool regs = flags & TL_FTRACE_REGS;
    if (users == 0)
        return 0;
    if (users == 1 && only->slot)
        return direct(only->slot - 1u, regs);
    return (uintptr_t)(regs ? tl_ftrace_list_regs : tl_ftrace_list);
}

static struct tl_poke poke_for(uintptr_t site, uintptr_t target)
{
    return (struct tl_poke){site, target, target ? TL_POKE_CALL : TL_POKE_NOP, TL_FTRACE_SITE_BYTES, {0}};
}

/* Pokes every site whose target has changed: one batch. */
static enum tl_status update(void)
{
    struct tli_ftrace_record *record = tli_ftrace_records.record;
    size_t count = 0, next = 0, culprit = 0;
    for (size_t i = 0; i < tli_ftrace_records.count; i++)
        count += target_of(i) != record[i].target;
    if (count == 0)
        return TL_OK;
    struct tl_poke *pokes = tl_port_memory(count * sizeof(*pokes));
    if (!pokes)
        return TL_NO_MEMORY;
    enum tl_status status = TL_OK;
    for (size_t i = 0; i < tli_ftrace_records.count && status == TL_OK; i++) {
        uintptr_t target = target_of(i);
        if (target == record[i].target)
            continue;
        struct tl_poke before = poke_for(record[i].site, record[i].target);
        pokes[next] = poke_for(record[i].site, target);
        status = tl_poke_encode(pokes[next++].expected, &before);
    }
    if (status == TL_OK) {
        atomic_store_explicit(&modifying, 1, memory_order_relaxed); /* relaxed: see tli_ftrace_modifying() */
        status = tl_poke(pokes, count, &culprit);
        atomic_store_explicit(&modifying, 0, memory_order_relaxed); /* relaxed: see tli_ftrace_modifying() */
    }
    if (status == TL_OK) {
        batches++;
        for (size_t i = 0; i < count; i++)
            record[tli_ftrace_find(pokes[i].address)].target = pokes[i].what == TL_POKE_CALL ? pokes[i].target : 0;
    } else {
        refused = culprit < count ? pokes[culprit].address : 0;
    }
    tl_port_memory_free(pokes, count * sizeof(*pokes));
    return status;
}

/* A wanted set of ops is published; who is inside may still read the one before. Returns that. */
static uint32_t *want(struct tl_ftrace_ops *ops, uint32_t *wanted)
{
    uint32_t *before = wanted_of(ops);
    /* [F2] release: the set is filled. [E1] and sequentially consistent: see tli_epoch_enter(). Pairs with the load in
     * wants() of ftrace_call.c. */
    atomic_store_explicit(&ops->wanted, wanted, memory_order_seq_cst);
    return before;
}

static void slot_fill(struct tl_ftrace_ops *ops)
{
    ops->slot = 0;
    for (unsigned i = 0; i < TL_FTRACE_SLOTS && !ops->slot; i++) {
        /* relaxed: only a change writes it */
        if (atomic_load_explicit(&tli_ftrace_slots[i].ops, memory_order_relaxed))
            continue;
        ops->slot = (uint8_t)(i + 1);
        /* [F1] release: the ops is filled. Pairs with the load in after() of ftrace_call.c. */
        atomic_store_explicit(&tli_ftrace_slots[i].ops, ops, memory_order_release);
    }
}

/* From now on a thread may be on its way to the slot that ops, or the next one in the slot, does not want. */
static void slot_check(const struct tl_ftrace_ops *ops)
{
    if (ops->slot) /* relaxed: a poke, and its serialisations, follow or went before */
        atomic_store_explicit(&tli_ftrace_slots[ops->slot - 1].checked, 1, memory_order_relaxed);
}

/* The link that holds ops, or the last one: NULL at the end of the list. */
static _Atomic(struct tl_ftrace_ops *) *link_of(const struct tl_ftrace_ops *ops)
{
    _Atomic(struct tl_ftrace_ops *) *link = &tli_ftrace_first;
    while (next_of(link) && next_of(link) != ops)
        link = &next_of(link)->next;
    return link;
}

static void link_ops(struct tl_ftrace_ops *ops)
{
    atomic_store_explicit(&ops->next, 0, memory_order_relaxed); /* relaxed: published below */
    /* [F1] release: the ops is filled. Pairs with the load in after() of ftrace_call.c. */
    atomic_store_explicit(link_of(ops), ops, memory_order_release);
}

/* Out of the list and its slot, and nobody is inside any more. Its site's calls have been turned elsewhere. */
static void remove_ops(struct tl_ftrace_ops *ops)
{
    slot_check(ops);
    /* [E1] sequentially consistent, this and the next: see tli_epoch_enter(). Pairs with after() of ftrace_call.c. */
    atomic_store_explicit(link_of(ops), next_of(&ops->next), memory_order_seq_cst);
    if (ops->slot)
        atomic_store_explicit(&tli_ftrace_slots[ops->slot - 1].ops, 0, memory_order_seq_cst);
    tli_ftrace_wait();
    tli_ftrace_set_free(want(ops, 0));
    ops->slot = 0;
    ops->state = TLI_FTRACE_IDLE;
}

/* Whether ops may want these functions: one replacement each. */
static enum tl_status check(const struct tl_ftrace_ops *ops, const uint32_t *wanted)
{
    if (!(ops->flags & TL_FTRACE_IP))
        return TL_OK;
    if (!(ops->flags & TL_FTRACE_REGS) || !ops->list[TL_FTRACE_FILTER])
        return TL_BAD_ARGUMENT;
    for (struct tl_ftrace_ops *other = next_of(&tli_ftrace_first); other; other = next_of(&other->next))
        for (size_t i = 0; other != ops && other->flags & TL_FTRACE_IP && i < tli_ftrace_records.count; i++)
            if (tli_ftrace_set_has(wanted, i) && tli_ftrace_set_has(wanted_of(other), i))
                return TL_BUSY;
    return TL_OK;
}

static enum tl_status register_locked(struct tl_ftrace_ops *ops)
{
    if (ops->state != TLI_FTRACE_IDLE)
        return TL_BUSY;
    uint32_t *wanted = tli_ftrace_set_wanted(ops);
    if (!wanted)
        return TL_NO_MEMORY;
    enum tl_status status = check(ops, wanted);
    if (status != TL_OK) {
        tli_ftrace_set_free(wanted);
        return status;
    }
    ops->generation = ++generations;
    ops->state = TLI_FTRACE_REGISTERED;
    (void)want(ops, wanted);
    slot_fill(ops);
    link_ops(ops);
    status = update();
    if (status != TL_OK)
        remove_ops(ops);
    return status;
}

enum tl_status tl_ftrace_register(struct tl_ftrace_ops *ops)
{
    if (!ops->entered && !ops->returned)
        return TL_BAD_ARGUMENT;
    tli_lock(&busy);
    enum tl_status status = register_locked(ops);
    tli_unlock(&busy);
    return status;
}

enum tl_status tl_ftrace_unregister(struct tl_ftrace_ops *ops)
{
    enum tl_status status = TL_BAD_ARGUMENT;
    tli_lock(&busy);
    if (ops->state == TLI_FTRACE_REGISTERED) {
        ops->state = TLI_FTRACE_LEAVING;
        status = update();
        if (status == TL_OK)
            remove_ops(ops);
        else
            ops->state = TLI_FTRACE_REGISTERED;
    }
    tli_unlock(&busy);
    return status;
}

/* The lists of a registered ops have changed. */
static enum tl_status rewant(struct tl_ftrace_ops *ops)
{
    uint32_t *wanted = tli_ftrace_set_wanted(ops);
    if (!wanted)
        return TL_NO_MEMORY;
    enum tl_status status = check(ops, wanted);
    if (status == TL_OK) {
        slot_check(ops);
        uint32_t *before = want(ops, wanted);
        status = update();
        wanted = status == TL_OK ? before : want(ops, before);
        tli_ftrace_wait();
    }
    tli_ftrace_set_free(wanted);
    return status;
}

/* Puts a list in place of another, which goes; on a refusal the new one goes. */
static enum tl_status replace(struct tl_ftrace_ops *ops, enum tl_ftrace_list list, uint32_t *fresh)
{
    uint32_t *before = ops->list[list];
    ops->list[list] = fresh;
    enum tl_status status = ops->state == TLI_FTRACE_REGISTERED ? rewant(ops) : TL_OK;
    if (status != TL_OK)
        ops->list[list] = before;
    tli_ftrace_set_free(status == TL_OK ? before : fresh);
    return status;
}

static uint32_t *copy_of(const uint32_t *set, enum tl_ftrace_how how)
{
    uint32_t *copy = tli_ftrace_set_make();
    for (size_t i = 0; copy && set && how == TL_FTRACE_ADD && i < tli_ftrace_records.count / 32 + 1; i++)
        copy[i] = set[i];
    return copy;
}

enum tl_status tl_ftrace_choose(struct tl_ftrace_ops *ops, enum tl_ftrace_list list, const char *globs,
                                enum tl_ftrace_how how)
{
    tli_lock(&busy);
    enum tl_status status = TL_OK;
    uint32_t *fresh = 0;
    if (*globs || how == TL_FTRACE_ADD) {
        fresh = copy_of(ops->list[list], how);
        status = fresh ? tli_ftrace_set_choose(fresh, globs) : TL_NO_MEMORY;
    }
    if (status == TL_OK)
        status = replace(ops, list, fresh);
    else
        tli_ftrace_set_free(fresh);
    tli_unlock(&busy);
    return status;
}

enum tl_status tl_ftrace_choose_address(struct tl_ftrace_ops *ops, enum tl_ftrace_list list, uintptr_t address,
                                        enum tl_ftrace_how how)
{
    uintptr_t site = tl_ftrace_site_of(address);
    if (!site)
        return TL_NO_TEXT;
    tli_lock(&busy);
    size_t record = tli_ftrace_find(site);
    uint32_t *fresh = copy_of(ops->list[list], how);
    enum tl_status status = TL_NO_MEMORY;
    if (fresh) {
        fresh[record / 32] |= 1u << record % 32;
        status = replace(ops, list, fresh);
    }
    tli_unlock(&busy);
    return status;
}

enum tl_status tl_ftrace_forget(struct tl_ftrace_ops *ops)
{
    tli_lock(&busy);
    enum tl_status status = ops->state == TLI_FTRACE_IDLE ? TL_OK : TL_BUSY;
    for (unsigned i = 0; status == TL_OK && i < 2; i++) {
        tli_ftrace_set_free(ops->list[i]);
        ops->list[i] = 0;
    }
    tli_unlock(&busy);
    return status;
}

void tl_ftrace_count_all(struct tl_ftrace_counts *counts)
{
    tli_lock(&busy);
    /* relaxed, all three: counters */
    counts->recursed = atomic_load_explicit(&tli_ftrace_counters.recursed, memory_order_relaxed);
    counts->lost = atomic_load_explicit(&tli_ftrace_counters.lost, memory_order_relaxed);
    counts->stale = atomic_load_explicit(&tli_ftrace_counters.stale, memory_order_relaxed);
    counts->batches = batches;
    counts->left_out = tli_ftrace_records.left_out;
    counts->refused = refused;
    tli_unlock(&busy);
}
