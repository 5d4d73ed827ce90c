/* SPDX-License-Identifier: MIT
 *
 * The port of tests that run real code: those of ftrace here, of probes in tests/core; and the code that ftrace's
 * trace.
 */
#ifndef TL_TESTS_ARCH_PORT_H
#define TL_TESTS_ARCH_PORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <trapline/ftrace.h>

extern bool port_no_place; /* there is no executable memory to be had */
extern unsigned port_serialisations, port_traps;
extern uintptr_t port_trap_path; /* one address that belongs to it, or 0 */
extern _Thread_local unsigned port_context;
extern _Thread_local struct tl_trace_thread port_thread;

void port_open(void);        /* the process */
void port_thread_open(void); /* each further thread */

/* ftrace_code.S. Loads all registers but the stack pointer, and the flags, from in, calls function, stores them in
 * out: general registers in the order of their encoding, then the flags. */
#define PROBE_WORDS (sizeof(uintptr_t) == 8 ? 17 : 9)
void ftrace_probe(const uintptr_t *in, uintptr_t *out, void (*function)(void));

/* Sites in all forms: a nop of the canonical form, another nop of five bytes, five nops, a call of __fentry__, an endbr
 * in front; no site at all; and one that ends in a jump to another. */
void code_nop(void), code_other_nop(void), code_five_nops(void), code_fentry(void), code_endbr(void), code_none(void);
int code_tail(int n), code_tail_target(int n);
extern const uint8_t code_endbr_site[];

#endif
