/* SPDX-License-Identifier: MIT
 *
 * Hooked returns: the return address of a call is replaced by a trampoline's and kept on a stack of the thread's own,
 * beside it. For the entries of ftrace and of return probes; whom a return is told is their matter.
 */
#ifndef TL_CORE_EXIT_H
#define TL_CORE_EXIT_H

#include <stdbool.h>
#include <stdint.h>
#include <trapline/ftrace.h>

/* Hooks the return of a call, whose return address lies at *slot; who says whose it is: function, ops, generation,
 * owner, tell. False: no room, counted as lost. In the thread's context, any depth of interrupts. A slot may be hooked
 * twice: by two who want it, or because a function ended in a jump to another one. */
bool tli_exit_hook(struct tl_trace_thread *thread, uintptr_t *slot, const struct tl_ftrace_call *who);

/* For the trampoline: a hooked call has returned; puts at *slot where it goes on. value: its return registers. */
void tli_exit_return(uintptr_t *slot, uintptr_t *value);

/* arch/x86/.../ftrace.S */
extern const uint8_t tl_exit_trampoline[];

#endif
