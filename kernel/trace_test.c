/* SPDX-License-Identifier: MIT
 *
 * Tests of the tracers: what their buffers hold after a few known calls, and how it is printed (tests/kernel/ftrace.sh
 * reads that). ftrace itself is tested in ftrace_test.c.
 */
#include <kernel/smp.h>
#include <kernel/symbols.h>
#include <kernel/test.h>
#include <kernel/trace.h>
#include <trapline/ftrace.h>

#define OPAQUE __asm__ volatile("" : : : "memory") /* a call is a call, and comes back */

int trace_prey_leaf(int n);
int trace_prey_inner(int n);
int trace_prey_outer(int n);

__attribute__((noinline)) int trace_prey_leaf(int n)
{
    OPAQUE;
    return n + 1;
}

__attribute__((noinline)) int trace_prey_inner(int n)
{
    int sum = trace_prey_leaf(n) + trace_prey_leaf(n + 1);
    OPAQUE;
    return sum;
}

__attribute__((noinline)) int trace_prey_outer(int n)
{
    int sum = trace_prey_inner(n) + trace_prey_leaf(n);
    OPAQUE;
    return sum;
}

static struct trace_event events[16];

static bool is(const struct trace_event *event, enum trace_kind kind, int (*function)(int), unsigned depth)
{
    return event->kind == kind && event->function == tl_ftrace_site_of((uintptr_t)function) && event->depth == depth;
}

static bool is_from(const struct trace_event *event, int (*function)(int), uintptr_t caller)
{
    struct symbol symbol;
    return is(event, TRACE_CALL, function, 0) && symbol_of(event->parent - 1, &symbol) && symbol.address == caller;
}

static const char *the_graph_is_nested(void)
{
    TEST_CHECK(trace_graph("nothing_of_that_name") == TL_BAD_ARGUMENT);
    TEST_CHECK(trace_graph("trace_prey_*") == TL_OK);
    bool busy = trace_functions("trace_prey_*") == TL_BUSY;
    int sum = trace_prey_outer(1);
    TEST_CHECK(trace_off() == TL_OK && busy && sum == 7);
    TEST_CHECK(trace_read(cpu_id(), events, 16) == 10 && trace_lost(cpu_id()) == 0);
    TEST_CHECK(is(&events[0], TRACE_ENTRY, trace_prey_outer, 0) && is(&events[9], TRACE_EXIT, trace_prey_outer, 0));
    TEST_CHECK(is(&events[1], TRACE_ENTRY, trace_prey_inner, 1) && is(&events[6], TRACE_EXIT, trace_prey_inner, 1));
    TEST_CHECK(is(&events[2], TRACE_ENTRY, trace_prey_leaf, 2) && is(&events[3], TRACE_EXIT, trace_prey_leaf, 2));
    TEST_CHECK(is(&events[4], TRACE_ENTRY, trace_prey_leaf, 2) && is(&events[5], TRACE_EXIT, trace_prey_leaf, 2));
    TEST_CHECK(is(&events[7], TRACE_ENTRY, trace_prey_leaf, 1) && is(&events[8], TRACE_EXIT, trace_prey_leaf, 1));
    TEST_CHECK(events[3].time > 0 && events[6].time > events[3].time + events[5].time);
    TEST_CHECK(events[9].time > events[6].time + events[8].time);
    trace_print();
    return NULL;
}
KERNEL_TEST(the_graph_is_nested);

static const char *the_function_tracer_knows_callers(void)
{
    TEST_CHECK(trace_functions("trace_prey_* !*inner") == TL_OK);
    int sum = trace_prey_outer(1);
    TEST_CHECK(trace_off() == TL_OK && trace_off() == TL_BAD_ARGUMENT && sum == 7);
    TEST_CHECK(trace_read(cpu_id(), events, 16) == 4);
    TEST_CHECK(is_from(&events[0], trace_prey_outer, (uintptr_t)the_function_tracer_knows_callers));
    TEST_CHECK(is_from(&events[1], trace_prey_leaf, (uintptr_t)trace_prey_inner));
    TEST_CHECK(is_from(&events[2], trace_prey_leaf, (uintptr_t)trace_prey_inner));
    TEST_CHECK(is_from(&events[3], trace_prey_leaf, (uintptr_t)trace_prey_outer));
    TEST_CHECK(events[0].time < events[1].time && events[2].time < events[3].time);
    trace_print();
    return NULL;
}
KERNEL_TEST(the_function_tracer_knows_callers);

static const char *the_buffer_keeps_the_newest(void)
{
    TEST_CHECK(trace_functions("trace_prey_leaf trace_prey_inner") == TL_OK);
    for (int i = 0; i < 5000; i++)
        (void)trace_prey_leaf(i);
    (void)trace_prey_inner(1);
    TEST_CHECK(trace_off() == TL_OK);
    TEST_CHECK(trace_read(cpu_id(), events, 3) == 3 && trace_lost(cpu_id()) == 5003 - 1024);
    TEST_CHECK(is(&events[0], TRACE_CALL, trace_prey_inner, 0) && is(&events[2], TRACE_CALL, trace_prey_leaf, 0));
    return NULL;
}
KERNEL_TEST(the_buffer_keeps_the_newest);
