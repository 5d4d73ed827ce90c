/* SPDX-License-Identifier: MIT
 *
 * Probes: handlers before and after any instruction, and at the return of any function. Under the instruction stands a
 * breakpoint, or a jump where there is room for one (docs/probe.md). Several probes may share an address. Freestanding.
 *
 * A refused call has changed nothing. Calls that say "thread context" may wait for each other and for running handlers,
 * so they must not be made from a handler.
 */
#ifndef TRAPLINE_PROBE_H
#define TRAPLINE_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <trapline/ftrace.h>
#include <trapline/status.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TL_PROBE_SHARED 16 /* probes on one address */

struct tl_probe;

/* Runs when the instruction is about to be executed; regs->ip is its address. May change all registers but the stack
 * pointer, and ip only with TL_PROBE_IP. In whatever context the instruction is in, NMI included, mostly from a
 * breakpoint with interrupts off: takes no lock that others hold with probes possible, does not sleep. Code that it
 * calls is not told to probes: it runs as ever, and they count it as missed. True, with TL_PROBE_IP: the thread goes on
 * at regs->ip, the instruction is not executed, and those behind this one are not called. */
typedef bool tl_probe_before(struct tl_probe *probe, struct tl_regs *regs);

/* Runs when it has been executed, in the same way; regs->ip is where the thread goes on. */
typedef void tl_probe_after(struct tl_probe *probe, struct tl_regs *regs);

enum {
    TL_PROBE_IP = 1 << 0,       /* before may change ip */
    TL_PROBE_NO_JUMP = 1 << 1,  /* always a breakpoint */
    TL_PROBE_DISABLED = 1 << 2, /* starts disabled */
};

/* The first five are the user's, constant while registered; the rest is the engine's, zero at first. */
struct tl_probe {
    uintptr_t address;
    tl_probe_before *before; /* may be NULL if after is not */
    tl_probe_after *after;
    uint32_t flags;
    void *data;

    TL_ATOMIC(uint32_t) missed; /* how often it was not told; any context may read it */
    bool disabled;
    struct tli_probe_point *point;
    struct tl_probe *next;
};

/* What the engine asks of the program that is probed. Thread context. */
struct tl_probe_text {
    /* The function that address lies in: instructions from begin on, size bytes. False: in none. */
    bool (*function)(uintptr_t address, uintptr_t *begin, size_t *size);
    /* Why nothing may be probed in the size bytes at address, or TL_OK. TL_TRAP_PATH: a breakpoint runs through there
     * on its way to tl_probe_int3(); TL_BUSY: a debugger's breakpoint is there. */
    enum tl_status (*refuse)(uintptr_t address, size_t size);
};

/* Once, before anything else here. TL_BUSY: it is open. */
enum tl_status tl_probe_open(const struct tl_probe_text *text);

/* On return, every core that executes the instruction tells the probe, unless it is disabled. Thread context.
 *
 *   TL_BAD_ARGUMENT  no handler, unknown flags, registered already, or not open
 *   TL_NO_TEXT       the address lies in no function, or cannot be read
 *   TL_NO_START      no instruction begins there
 *   TL_TRAP_PATH     breakpoints themselves run through there
 *   TL_BUSY          a debugger's breakpoint is there; or on an ftrace site, with TL_PROBE_IP, somebody else who may
 *                    change ip, or probes that may not
 *   TL_OVERLAP       another site, or a place that reads a static key, holds the byte
 *   TL_CANNOT_MOVE   the instruction can be neither emulated nor executed elsewhere
 *   TL_NO_ROOM       TL_PROBE_SHARED are there
 *   TL_NO_MEMORY     none, or none near enough
 *   TL_TEXT_DIFFERS  somebody else is writing there */
enum tl_status tl_probe_register(struct tl_probe *probe);

/* On return it is not being called, nobody is between its before and its after, and its memory is the caller's. Thread
 * context. TL_BAD_ARGUMENT: is not registered. */
enum tl_status tl_probe_unregister(struct tl_probe *probe);

/* Stays registered, with or without being told. As register and unregister. TL_BAD_ARGUMENT: is not registered; or what
 * arming again refuses. */
enum tl_status tl_probe_disable(struct tl_probe *probe);
enum tl_status tl_probe_enable(struct tl_probe *probe);

/* What stands under a registered probe now. Any context. */
enum tl_probe_how { TL_PROBE_BY_NOTHING, TL_PROBE_BY_INT3, TL_PROBE_BY_JUMP, TL_PROBE_BY_FTRACE };
enum tl_probe_how tl_probe_how(const struct tl_probe *probe);

/* ---- returns ---- */

struct tl_return_probe;

/* At a function's entry, as tl_probe_before. False: this call's return is not wanted. */
typedef bool tl_return_entered(struct tl_return_probe *probe, struct tl_regs *regs);

/* When the function has returned, before its caller goes on. value: the two registers of a return value, low one first;
 * may be changed. */
typedef void tl_return_returned(struct tl_return_probe *probe, const struct tl_ftrace_call *call, uintptr_t *value);

/* User's: probe.address, the first byte of a function, probe.flags (not TL_PROBE_IP), and the four behind. probe.missed
 * counts the calls whose return was not told: limit of them were going on, the thread's stack of hooked calls was full,
 * or a handler was running. */
struct tl_return_probe {
    struct tl_probe probe;
    tl_return_entered *entered; /* or NULL */
    tl_return_returned *returned;
    uint32_t limit; /* calls at a time, at least 1 */
    void *data;

    struct tli_return_owner *owner; /* the engine's */
};

/* As tl_probe_register(); TL_BAD_ARGUMENT besides: not a function's first byte (nor the one behind its endbr). */
enum tl_status tl_return_probe_register(struct tl_return_probe *probe);

/* As tl_probe_unregister(). Calls that are going on return untold. */
enum tl_status tl_return_probe_unregister(struct tl_return_probe *probe);

/* ---- for the port ---- */

/* An int3 at address that nobody before has wanted; context: what it has interrupted, see tl_port_context(). True: the
 * registers say where to go on. Runs nothing that carries a site or a probe before it knows whose it is. */
bool tl_probe_int3(struct tl_regs **regs, uintptr_t address, unsigned context);

/* A fault of the interrupted code, before anybody looks at its registers: if it came from the copy of a probed
 * instruction, ip becomes the instruction's own address, and its probes are not told of an end. */
void tl_probe_fault(struct tl_regs *regs);

#ifdef __cplusplus
}
#endif

#endif
