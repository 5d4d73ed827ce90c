/* SPDX-License-Identifier: MIT
 *
 * Return probes: a probe at a function's entry that hooks the return of the call (exit.h). A call that is going on
 * outlives its probe, so it leads to an owner, which lives for ever and is used again when no call leads to it.
 */
#include <core/epoch.h>
#include <core/exit.h>
#include <core/lock.h>
#include <core/probe.h>
#include <core/slab.h>
#include <trapline/port.h>

struct tli_return_owner {
    _Atomic(struct tl_return_probe *) probe; /* NULL: its calls return untold */
    _Atomic uint32_t active;                 /* calls that lead here */
    struct tli_return_owner *next;
};

static atomic_flag busy = ATOMIC_FLAG_INIT; /* for the owners */
static struct tli_return_owner *owners;
static struct tli_epoch epoch; /* who reads an owner's probe */

static TLI_TRACER void count_missed(struct tl_return_probe *probe)
{
    atomic_fetch_add_explicit(&probe->probe.missed, 1, memory_order_relaxed); /* relaxed: a counter */
}

static TLI_TRACER void drop(struct tli_return_owner *owner)
{
    /* [Q4] release: nothing of the owner is used after. Pairs with the acquire in owner_take(). */
    atomic_fetch_sub_explicit(&owner->active, 1, memory_order_release);
}

static TLI_TRACER void returned(struct tl_trace_thread *thread, const struct tl_ftrace_call *call, uintptr_t *value)
{
    struct tli_return_owner *owner = call->owner;
    unsigned context = tl_port_context(), cookie = tli_epoch_enter(&epoch);
    /* [E1] sequentially consistent: see tli_epoch_enter(). Pairs with the store in
     * tl_return_probe_unregister(). */
    struct tl_return_probe *probe = atomic_load_explicit(&owner->probe, memory_order_seq_cst);
    if (probe && value && tli_probe_begin(thread, context)) {
        probe->returned(probe, call, value);
        tli_probe_end(thread, context);
    } else if (probe) {
        count_missed(probe);
    }
    tli_epoch_leave(&epoch, cookie);
    drop(owner);
}

static TLI_TRACER bool entered(struct tl_probe *at, struct tl_regs *regs)
{
    struct tl_return_probe *probe = (struct tl_return_probe *)at;
    struct tli_return_owner *owner = probe->owner;
    const struct tl_ftrace_call who = {.function = at->address, .owner = owner, .tell = returned};
    uint32_t active = atomic_fetch_add_explicit(&owner->active, 1, memory_order_relaxed); /* relaxed: a counter */
    bool room = active < probe->limit, wants = room && (!probe->entered || probe->entered(probe, regs));
    if (wants && tli_exit_hook(tl_port_trace_thread(), (uintptr_t *)(uintptr_t)regs->gpr[TL_REG_SP], &who))
        return false;
    if (wants || !room)
        count_missed(probe);
    drop(owner);
    return false;
}

/* One that nobody uses, nor any call leads to. */
static struct tli_return_owner *owner_take(struct tl_return_probe *probe)
{
    tli_lock(&busy);
    struct tli_return_owner *owner = owners;
    /* relaxed: only holders of the lock, and probes on their way out, write it; [Q4] acquire: see drop() */
    while (owner && (atomic_load_explicit(&owner->probe, memory_order_relaxed) ||
                     atomic_load_explicit(&owner->active, memory_order_acquire)))
        owner = owner->next;
    if (!owner) {
        tl_port_text_lock(); /* the slab's */
        owner = tli_slab_take(sizeof(*owner));
        tl_port_text_unlock();
        if (owner) {
            owner->next = owners;
            owners = owner;
        }
    }
    if (owner) /* relaxed: no call leads to it yet */
        atomic_store_explicit(&owner->probe, probe, memory_order_relaxed);
    tli_unlock(&busy);
    return owner;
}

static void owner_give(struct tli_return_owner *owner)
{
    /* [E1] sequentially consistent: see tli_epoch_enter(). Pairs with the load in returned(). */
    atomic_store_explicit(&owner->probe, 0, memory_order_seq_cst);
    tli_epoch_wait(&epoch);
}

static bool is_entry(uintptr_t address)
{
    uintptr_t begin;
    size_t size;
    uint8_t bytes[4];
    struct tl_insn insn;
    if (!tli_probe_text.function(address, &begin, &size) || address == begin)
        return true; /* outside of functions: to be refused by name */
    return address == begin + sizeof(bytes) && tl_port_text_read(begin, bytes, sizeof(bytes)) == TL_OK &&
           tl_insn_decode(&insn, bytes, sizeof(bytes), TL_ARCH_MODE) == TL_OK && insn.category == TL_INSN_ENDBR;
}

enum tl_status tl_return_probe_register(struct tl_return_probe *probe)
{
    if (!probe->returned || probe->limit == 0 || probe->probe.flags & TL_PROBE_IP || probe->owner ||
        !tli_probe_text.function || !is_entry(probe->probe.address))
        return TL_BAD_ARGUMENT;
    probe->owner = owner_take(probe);
    if (!probe->owner)
        return TL_NO_MEMORY;
    probe->probe.before = entered;
    enum tl_status status = tl_probe_register(&probe->probe);
    if (status != TL_OK) {
        owner_give(probe->owner);
        probe->owner = 0;
    }
    return status;
}

enum tl_status tl_return_probe_unregister(struct tl_return_probe *probe)
{
    enum tl_status status = tl_probe_unregister(&probe->probe);
    if (status == TL_OK) {
        owner_give(probe->owner);
        probe->owner = 0;
    }
    return status;
}
