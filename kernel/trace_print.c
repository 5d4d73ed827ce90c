/* SPDX-License-Identifier: MIT
 *
 * What the tracers have seen, on the console, and the console's command for them. CPU after CPU, each in its order.
 */
#include <kernel/console.h>
#include <kernel/shell.h>
#include <kernel/smp.h>
#include <kernel/status.h>
#include <kernel/symbols.h>
#include <kernel/trace.h>
#include <trapline/ftrace.h>

#define PRINTED 1024u /* the newest events of one CPU */
#define GLOBS_BYTES 256u

static struct trace_event events[PRINTED];

static const char *name(uintptr_t address)
{
    struct symbol symbol;
    return symbol_of(address, &symbol) ? symbol.name : "?";
}

/* Divides by ten, 16 bits at a time, as i386 cannot divide 64 without a library. Returns the rest. */
static unsigned take_digit(uint64_t *number)
{
    uint32_t rest = 0;
    uint64_t quotient = 0;
    for (int shift = 48; shift >= 0; shift -= 16) {
        uint32_t part = rest << 16 | (uint16_t)(*number >> shift);
        quotient = quotient << 16 | part / 10;
        rest = part % 10;
    }
    *number = quotient;
    return rest;
}

/* A number in a column of that width: cycles, or a thread. */
static void print_number(uint64_t number, unsigned width)
{
    char text[24], *at = text + sizeof(text);
    *--at = 0;
    do
        *--at = (char)('0' + take_digit(&number));
    while (number != 0);
    while (at > text && (unsigned)(text + sizeof(text) - 1 - at) < width)
        *--at = ' ';
    console_print("%s", at);
}

static void print_indent(unsigned depth)
{
    for (unsigned i = 0; i < depth; i++)
        console_print("  ");
}

/* The columns in front of a line; no duration: 0. */
static void print_head(unsigned cpu, const struct trace_event *event, uint64_t duration)
{
    console_print(" %u) ", cpu);
    print_number(event->thread, 3);
    if (duration)
        print_number(duration, 10);
    else
        console_print("          ");
    console_print(" |  ");
}

/* The function tracer: who was called by whom, and when, in cycles since the CPU's first event. */
static void print_call(unsigned cpu, const struct trace_event *event)
{
    print_head(cpu, event, event->time - events[0].time + 1);
    console_print("%s <- %s\n", name(event->function), name(event->parent - 1));
}

/* The graph tracer: a call without calls inside is one line. Returns how many events the line has used. */
static size_t print_nested(unsigned cpu, const struct trace_event *event, size_t left)
{
    const struct trace_event *next = event + 1;
    bool leaf = event->kind == TRACE_ENTRY && left > 1 && next->kind == TRACE_EXIT && next->thread == event->thread &&
                next->function == event->function && next->depth == event->depth;
    print_head(cpu, event, leaf ? next->time : event->kind == TRACE_EXIT ? event->time : 0);
    print_indent(event->depth);
    if (leaf)
        console_print("%s();\n", name(event->function));
    else if (event->kind == TRACE_ENTRY)
        console_print("%s() {\n", name(event->function));
    else
        console_print("} /* %s */\n", name(event->function));
    return leaf ? 2 : 1;
}

void trace_print(void)
{
    console_print("# CPU THREAD CYCLES   FUNCTION\n");
    for (unsigned cpu = 0; cpu < cpu_count(); cpu++) {
        size_t count = trace_read(cpu, events, PRINTED);
        if (trace_lost(cpu))
            console_print("# CPU %u: %u older events are gone\n", cpu, trace_lost(cpu));
        for (size_t i = 0; i < count;) {
            if (events[i].kind == TRACE_CALL)
                print_call(cpu, &events[i++]);
            else
                i += print_nested(cpu, &events[i], count - i);
        }
    }
}

static void print_counts(void)
{
    struct tl_ftrace_counts counts;
    tl_ftrace_count_all(&counts);
    console_print("%u functions, %u records left out, %u batches\n", (unsigned)tl_ftrace_count(), counts.left_out,
                  counts.batches);
    console_print("%u recursions, %u returns lost, %u stale\n", counts.recursed, counts.lost, counts.stale);
}

static void print_refusal(enum tl_status status)
{
    struct tl_ftrace_counts counts;
    tl_ftrace_count_all(&counts);
    console_print("refused: %s\n", status == TL_BUSY           ? "a tracer is on"
                                   : status == TL_BAD_ARGUMENT ? "no function of that name, or no tracer is on"
                                                               : status_text(status));
    if (status == TL_TEXT_DIFFERS || status == TL_OVERLAP)
        console_print("  in %s\n", name(counts.refused));
}

static bool trace_command(size_t count, char **words)
{
    char globs[GLOBS_BYTES];
    size_t size = 0;
    for (size_t i = 2; i < count; i++)
        for (const char *at = words[i]; size < GLOBS_BYTES - 1; at++) {
            globs[size++] = *at ? *at : ' ';
            if (*at == 0)
                break;
        }
    globs[size] = 0;
    char verb = count > 1 ? words[1][0] : 's';
    enum tl_status status = TL_OK;
    if (verb == 'f')
        status = trace_functions(globs);
    else if (verb == 'g')
        status = trace_graph(globs);
    else if (verb == 'o')
        status = trace_off();
    else if (verb == 'c')
        print_counts();
    else
        trace_print();
    if (status != TL_OK)
        print_refusal(status);
    return status == TL_OK;
}
SHELL_COMMAND(trace, "functions GLOB...|graph GLOB...|off|show|counts: traces the kernel's functions", trace_command);
