/* SPDX-License-Identifier: MIT
 *
 * The debugger's door: gdb on the second serial port ("target remote" to where QEMU leads it). It holds all CPUs, shows
 * and changes registers and memory, sets breakpoints, steps. The places in the kernel that tell it of events are here;
 * the conversation is in kgdb_stub.c. Nothing of it can carry a site: it is linked into the trap path's part of the
 * text.
 */
#ifndef KERNEL_KGDB_H
#define KERNEL_KGDB_H

#include <stdbool.h>
#include <stdint.h>

struct pt_regs;

#if !defined(KERNEL_KGDB) || KERNEL_KGDB /* its own files are compiled for all builds that have it */

/* Boot. False: there is no second serial port, and nothing below ever happens. */
bool kgdb_begin(void);

/* An int3 at ip - 1 that the engine did not want; interrupts off. True: it was gdb's, and the CPU has been held until
 * gdb let it run on. */
bool kgdb_int3(struct pt_regs *regs);

/* An int3 of the engine's has been given its meaning. Ends here a step of gdb's that ran into it. */
void kgdb_emulated(struct pt_regs *regs);

/* True if gdb's breakpoint stands at address: the engine must not take its trap for its own. Trap path. */
bool kgdb_breakpoint_at(uintptr_t address);

/* True if gdb wants a breakpoint in any of the size bytes at address. */
bool kgdb_breakpoint_in(uintptr_t address, uintptr_t size);

/* A debug exception (#DB). True: gdb's. */
bool kgdb_debug(struct pt_regs *regs);

/* An NMI. True: it was sent by another CPU that talks to gdb, and this one has been held. */
bool kgdb_nmi(struct pt_regs *regs);

/* The timer of one CPU: does gdb want to talk? Interrupts off. */
void kgdb_poll(struct pt_regs *regs);

/* The kernel is about to end: gdb, if it is there, may look first. */
void kgdb_panic(struct pt_regs *regs);

/* Around each poke, the text lock held. gdb's breakpoints are out of the text in between. */
void kgdb_breaks_hide(void);
void kgdb_breaks_show(void);

#else

static inline bool kgdb_begin(void)
{
    return false;
}
static inline void kgdb_emulated(struct pt_regs *regs)
{
    (void)regs;
}
static inline bool kgdb_breakpoint_at(uintptr_t address)
{
    (void)address;
    return false;
}
static inline bool kgdb_breakpoint_in(uintptr_t address, uintptr_t size)
{
    (void)address, (void)size;
    return false;
}
static inline void kgdb_panic(struct pt_regs *regs)
{
    (void)regs;
}
static inline void kgdb_breaks_hide(void)
{
}
static inline void kgdb_breaks_show(void)
{
}

#endif

#endif
