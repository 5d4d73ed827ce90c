/* SPDX-License-Identifier: MIT
 *
 * The kernel's two tracers over core/ftrace: which functions were called by whom, and how calls nest and how long they
 * take. Each CPU has a buffer that keeps the newest; it is read on the console once the tracer is off.
 */
#ifndef KERNEL_TRACE_H
#define KERNEL_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <trapline/status.h>

enum trace_kind { TRACE_CALL, TRACE_ENTRY, TRACE_EXIT };

struct trace_event {
    uint64_t time; /* tl_port_clock(); of an EXIT the call's duration */
    uintptr_t function;
    uintptr_t parent; /* of a CALL */
    uint32_t thread;
    uint16_t depth; /* of ENTRY and EXIT */
    uint16_t kind;  /* enum trace_kind */
};

/* Threads, not interrupts. One tracer at a time: TL_BUSY. globs as in tl_ftrace_choose(), "" for all functions; the
 * buffers are emptied first. */
enum tl_status trace_functions(const char *globs);
enum tl_status trace_graph(const char *globs);
enum tl_status trace_off(void);

/* The newest events of a CPU, oldest first, up to room of them. Only while the tracer is off. */
size_t trace_read(unsigned cpu, struct trace_event *events, size_t room);
uint32_t trace_lost(unsigned cpu); /* overwritten */

/* Prints what all CPUs have. trace_print.c. */
void trace_print(void);

#endif
