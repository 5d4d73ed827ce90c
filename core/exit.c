/* SPDX-License-Identifier: MIT
 *
 * Hooked returns. See exit.h. A thread's stack of calls is written by that thread alone, and by interrupts on top of
 * it, which leave it as they found it.
 */
#include <core/exit.h>
#include <core/ftrace.h>
#include <trapline/port.h>

static inline uint32_t depth_of(const struct tl_trace_thread *thread)
{
    return atomic_load_explicit(&thread->depth, memory_order_relaxed); /* relaxed: this thread's own */
}

/* relaxed: this thread's own. The fences: an interrupt sees the entry taken before it is filled, and left after it is
 * read; else it would use the same one. */
static inline void set_depth(struct tl_trace_thread *thread, uint32_t depth)
{
    /* [X1] seq_cst, for the compiler: what was read of the entry is read. Pairs with tli_exit_return() in an interrupt.
     */
    atomic_signal_fence(memory_order_seq_cst);
    atomic_store_explicit(&thread->depth, depth, memory_order_relaxed);
    /* [X1] seq_cst, for the compiler: what is filled now is filled after. Pairs with tli_exit_hook() in an interrupt.
     */
    atomic_signal_fence(memory_order_seq_cst);
}

TLI_TRACER bool tli_exit_hook(struct tl_trace_thread *thread, uintptr_t *slot, const struct tl_ftrace_call *who)
{
    uint32_t depth = depth_of(thread);
    if (depth == TL_FTRACE_DEPTH) {
        /* relaxed: a counter */
        atomic_fetch_add_explicit(&tli_ftrace_counters.lost, 1, memory_order_relaxed);
        return false;
    }
    set_depth(thread, depth + 1);
    struct tl_ftrace_call *call = &thread->calls[depth];
    call->function = who->function;
    call->returns_to = *slot;
    call->slot = (uintptr_t)slot;
    call->entered = tl_port_clock();
    call->ops = who->ops;
    call->generation = who->generation;
    call->depth = depth;
    call->owner = who->owner;
    call->tell = who->tell;
    /* [X2] release, for the compiler: the entry is complete before the return address leads to it. Pairs with the
     * trampoline, in this thread. */
    atomic_signal_fence(memory_order_release);
    *slot = (uintptr_t)tl_exit_trampoline;
    return true;
}

/* The calls from number i on never returned. */
TLI_TRACER static void drop(struct tl_trace_thread *thread, uint32_t i, uint32_t top)
{
    for (uint32_t k = i; k < top; k++)
        thread->calls[k].tell(thread, &thread->calls[k], 0);
    if (i != top) /* relaxed: a counter */
        atomic_fetch_add_explicit(&tli_ftrace_counters.stale, top - i, memory_order_relaxed);
}

/* The call that returns. Those above it never did: they were jumped over. By the address of the return address, since
 * interrupts may run on stacks of their own, in no order. */
TLI_TRACER static struct tl_ftrace_call take(struct tl_trace_thread *thread, uintptr_t slot)
{
    uint32_t top = depth_of(thread), i = top;
    while (i > 0 && slot - thread->calls[i - 1].slot > TL_FTRACE_RETURN_POP)
        i--;
    if (i == 0)
        tl_port_panic("core/exit.c: a hooked return that nobody has hooked");
    drop(thread, i, top);
    struct tl_ftrace_call call = thread->calls[i - 1];
    /* [X2] acquire, for the compiler: see tli_exit_hook(); the copy is made before the entry is given up. */
    atomic_signal_fence(memory_order_acquire);
    set_depth(thread, i - 1);
    return call;
}

TLI_TRACER void tli_exit_return(uintptr_t *slot, uintptr_t *value)
{
    struct tl_trace_thread *thread = tl_port_trace_thread();
    struct tl_ftrace_call call = take(thread, (uintptr_t)slot);
    *slot = call.returns_to; /* so that an unwinder in a callback finds it */
    call.tell(thread, &call, value);
}

/* No site: its own return would be among those that are given up. */
TLI_TRACER void tl_trace_thread_end(struct tl_trace_thread *thread)
{
    drop(thread, 0, depth_of(thread));
    set_depth(thread, 0);
}

TLI_TRACER uintptr_t tl_ftrace_return_address(const struct tl_trace_thread *thread, const uintptr_t *slot)
{
    uintptr_t found = *slot;
    for (uint32_t i = thread ? depth_of(thread) : 0; i > 0 && found == (uintptr_t)tl_exit_trampoline; i--)
        if (thread->calls[i - 1].slot == (uintptr_t)slot)
            found = thread->calls[i - 1].returns_to;
    return found;
}
