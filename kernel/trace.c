/* SPDX-License-Identifier: MIT
 *
 * The tracers and their buffers. See trace.h. Printing is in trace_print.c.
 */
#include <kernel/smp.h>
#include <kernel/trace.h>
#include <stdatomic.h>
#include <trapline/ftrace.h>
#include <trapline/port.h>

#define EVENTS 1024u /* of one CPU; a power of two */

/* next counts all events ever. A callback takes a number and fills its place; one that is interrupted, or moved to
 * another CPU, in between keeps its number. */
static struct buffer {
    _Atomic uint32_t next;
    struct trace_event event[EVENTS];
} buffers[CPU_MAX];

static struct trace_event *take(void)
{
    struct buffer *buffer = &buffers[cpu_id()];
    /* relaxed: read when nobody writes any more */
    return &buffer->event[atomic_fetch_add_explicit(&buffer->next, 1, memory_order_relaxed) % EVENTS];
}

static void on_call(uintptr_t site, uintptr_t parent, struct tl_ftrace_ops *ops, struct tl_regs *regs)
{
    (void)ops, (void)regs;
    *take() = (struct trace_event){tl_port_clock(), site, parent, tl_port_thread_id(), 0, TRACE_CALL};
}

static void on_entry(uintptr_t site, uintptr_t parent, struct tl_ftrace_ops *ops, struct tl_regs *regs)
{
    (void)parent, (void)ops, (void)regs;
    /* relaxed: this thread's own; the call itself is hooked already */
    uint32_t depth = atomic_load_explicit(&tl_port_trace_thread()->depth, memory_order_relaxed) - 1;
    *take() = (struct trace_event){tl_port_clock(), site, 0, tl_port_thread_id(), (uint16_t)depth, TRACE_ENTRY};
}

static void on_return(const struct tl_ftrace_call *call, uintptr_t *value)
{
    (void)value;
    *take() = (struct trace_event){tl_port_clock() - call->entered, call->function, 0, tl_port_thread_id(),
                                   (uint16_t)call->depth,           TRACE_EXIT};
}

static struct tl_ftrace_ops functions = {.entered = on_call};
static struct tl_ftrace_ops graph = {.entered = on_entry, .returned = on_return};
static struct tl_ftrace_ops *current;

static enum tl_status trace(struct tl_ftrace_ops *ops, const char *globs)
{
    if (current)
        return TL_BUSY;
    enum tl_status status = tl_ftrace_choose(ops, TL_FTRACE_FILTER, globs, TL_FTRACE_REPLACE);
    if (status != TL_OK)
        return status;
    for (unsigned cpu = 0; cpu < CPU_MAX; cpu++)
        atomic_store_explicit(&buffers[cpu].next, 0, memory_order_relaxed); /* relaxed: nobody traces */
    status = tl_ftrace_register(ops);
    if (status == TL_OK)
        current = ops;
    return status;
}

enum tl_status trace_functions(const char *globs)
{
    return trace(&functions, globs);
}

enum tl_status trace_graph(const char *globs)
{
    return trace(&graph, globs);
}

enum tl_status trace_off(void)
{
    enum tl_status status = current ? tl_ftrace_unregister(current) : TL_BAD_ARGUMENT;
    if (status == TL_OK)
        current = 0;
    return status;
}

size_t trace_read(unsigned cpu, struct trace_event *events, size_t room)
{
    uint32_t next = atomic_load_explicit(&buffers[cpu].next, memory_order_relaxed); /* relaxed: nobody traces */
    uint32_t have = next < EVENTS ? next : EVENTS;
    size_t count = have < room ? have : room;
    for (size_t i = 0; i < count; i++)
        events[i] = buffers[cpu].event[(next - count + i) % EVENTS];
    return count;
}

uint32_t trace_lost(unsigned cpu)
{
    uint32_t next = atomic_load_explicit(&buffers[cpu].next, memory_order_relaxed); /* relaxed: nobody traces */
    return next < EVENTS ? 0 : next - EVENTS;
}
