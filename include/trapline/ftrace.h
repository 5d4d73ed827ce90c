/* SPDX-License-Identifier: MIT
 *
 * ftrace: callbacks at the entry, and at the return, of functions that were compiled with a place for it: five bytes of
 * nops (-fpatchable-function-entry=5) or a call of __fentry__ (-mfentry -mrecord-mcount). Which functions is chosen by
 * name; any number of callbacks may share one. A function that nobody wants costs its nop. Freestanding.
 *
 * Turning functions on or off is one batch of the poke, three serialisations, however many they are. A refused call has
 * changed nothing. Calls that say "thread context" may wait for each other, and must not be made from a callback.
 */
#ifndef TRAPLINE_FTRACE_H
#define TRAPLINE_FTRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <trapline/status.h>

#ifdef __cplusplus
#define TL_ATOMIC(type) type /* the same layout; only the engine reads and writes it */
extern "C" {
#else
#define TL_ATOMIC(type) _Atomic(type)
#endif

/* For functions that are never to be traced: those that run before recursion is noticed, such as the two of the port.
 */
#define TL_NOTRACE __attribute__((no_instrument_function, patchable_function_entry(0, 0)))

#define TL_FTRACE_CONTEXTS 4 /* thread, interrupt, NMI, breakpoint or other exception: see tl_port_context() */
#define TL_FTRACE_DEPTH 64   /* hooked returns of one thread at a time; deeper ones are counted as lost */

struct tl_regs;
struct tl_ftrace_ops;
struct tl_trace_thread;

/* One call that was hooked, as its return sees it. */
struct tl_ftrace_call {
    uintptr_t function;        /* its site */
    uintptr_t returns_to;      /* its caller */
    uintptr_t slot;            /* where its return address lay */
    uint64_t entered;          /* tl_port_clock() at the entry */
    struct tl_ftrace_ops *ops; /* who hooked it; NULL: a return probe */
    uint32_t generation;       /* of ops, when it was entered */
    uint32_t depth;            /* hooked calls of the thread that it is inside of */

    /* The engine's: whose call it is, and how it is told. value is NULL if it never returned. */
    void *owner;
    void (*tell)(struct tl_trace_thread *thread, const struct tl_ftrace_call *call, uintptr_t *value);
};

/* What each thread needs; zeroed when the thread is made. The port finds it: tl_port_trace_thread(). */
struct tl_trace_thread {
    TL_ATOMIC(uint32_t) inside;  /* bit c: a callback runs in context c */
    TL_ATOMIC(uint32_t) probing; /* bit c: a probe's handler runs, called from context c */
    TL_ATOMIC(uint32_t) depth;
    struct tl_ftrace_call calls[TL_FTRACE_DEPTH];
};

/* Runs at the entry of a function: site is the address of its five bytes, parent the address that it returns to. In any
 * context that calls traced functions, NMI included; functions that the callback calls are not traced. May not sleep
 * longer than an unregistration may wait. regs: NULL unless asked for. */
typedef void tl_ftrace_entered(uintptr_t site, uintptr_t parent, struct tl_ftrace_ops *ops, struct tl_regs *regs);

/* Runs when the function has returned, before its caller goes on. value: the two registers of a return value, low one
 * first; may be changed. */
typedef void tl_ftrace_returned(const struct tl_ftrace_call *call, uintptr_t *value);

enum {
    /* The callback gets all registers as they are at the entry; ip is where the function goes on (behind its site), the
     * stack pointer points to the return address. It may change flags and all but the stack pointer. */
    TL_FTRACE_REGS = 1 << 0,
    /* With REGS: the callback may change ip: the function is replaced. One of these a function at most (TL_BUSY), and
     * only with a filter (TL_BAD_ARGUMENT). */
    TL_FTRACE_IP = 1 << 1,
};

/* Who wants to be called. The first four are the user's, constant while registered; the rest is the engine's, zero at
 * first. */
struct tl_ftrace_ops {
    tl_ftrace_entered *entered;   /* may be NULL if returned is not */
    tl_ftrace_returned *returned; /* or NULL. With it, entered is called only for calls whose return could be hooked */
    uint32_t flags;
    void *data;

    TL_ATOMIC(struct tl_ftrace_ops *) next;
    TL_ATOMIC(uint32_t *) wanted; /* bit i: function i of the table */
    uint32_t *list[2];            /* by enum tl_ftrace_list; NULL: nothing was ever chosen */
    uint32_t generation;          /* the number of its registration, among all */
    uint8_t slot;                 /* 1 + its direct trampoline, 0: none */
    uint8_t state;
};

/* Where records are, as the linker has collected them: begin <= record < end, each the address of a site. */
struct tl_ftrace_table {
    const uintptr_t *begin, *end;
};

/* Once, before other cores run and before anything else here: makes one nop of each site's five bytes. name: the name
 * of the function that an address lies in, or NULL. Left out, and counted: duplicates, the trap path, and what holds
 * neither nops nor a call. TL_NO_MEMORY, TL_NO_TEXT, TL_BUSY (twice). */
enum tl_status tl_ftrace_open(const struct tl_ftrace_table *tables, size_t count, const char *(*name)(uintptr_t));

/* Functions in the table, and the sites of them, ascending. Any context. */
size_t tl_ftrace_count(void);
uintptr_t tl_ftrace_site(size_t index);

/* The site of the function that begins at address, or that has its site there; 0: it has none. Any context. */
uintptr_t tl_ftrace_site_of(uintptr_t address);

enum tl_ftrace_list {
    TL_FTRACE_FILTER,  /* only these; without a filter, all */
    TL_FTRACE_NOTRACE, /* but never these */
};

enum tl_ftrace_how { TL_FTRACE_REPLACE, TL_FTRACE_ADD };

/* Chooses functions by names: globs (* ? [a-z] [!a-z], \ before a character that means itself), separated by blanks;
 * one after a ! takes out again. Takes effect at once on a registered ops; what is chosen both times is called all the
 * while. An empty text with REPLACE forgets the list. Thread context. TL_BAD_ARGUMENT: a glob without ! that fits no
 * function; TL_NO_MEMORY; for a registered one whatever tl_ftrace_register() returns. */
enum tl_status tl_ftrace_choose(struct tl_ftrace_ops *ops, enum tl_ftrace_list list, const char *globs,
                                enum tl_ftrace_how how);

/* The same for one function by address. TL_NO_TEXT: it has no site. */
enum tl_status tl_ftrace_choose_address(struct tl_ftrace_ops *ops, enum tl_ftrace_list list, uintptr_t address,
                                        enum tl_ftrace_how how);

/* On return every core calls it. Thread context. TL_BUSY: registered, or another TL_FTRACE_IP is on one of the
 * functions; TL_BAD_ARGUMENT: see the flags; or what tl_poke() returns, then tl_ftrace_counts.refused says where. */
enum tl_status tl_ftrace_register(struct tl_ftrace_ops *ops);

/* On return it is not being called and never will be, not for hooked returns either. Thread context. TL_BAD_ARGUMENT:
 * is not registered; or what tl_poke() returns: then it still is. */
enum tl_status tl_ftrace_unregister(struct tl_ftrace_ops *ops);

/* Gives back the memory of its lists. Thread context; not while registered: TL_BUSY. */
enum tl_status tl_ftrace_forget(struct tl_ftrace_ops *ops);

/* What an unwinder must know: the return address that it has found at slot, or, if that is a hooked one, the real one.
 * Of a thread that does not run, or the current one. */
uintptr_t tl_ftrace_return_address(const struct tl_trace_thread *thread, const uintptr_t *slot);

/* When a thread ends inside of hooked calls: they will never return. By the thread itself, at its end. */
void tl_trace_thread_end(struct tl_trace_thread *thread);

struct tl_ftrace_counts {
    uint32_t batches;  /* of pokes */
    uint32_t recursed; /* calls not told because a callback was running in the same context */
    uint32_t lost;     /* returns not hooked because the thread's stack was full */
    uint32_t stale;    /* hooked calls that never returned: left by a jump over them */
    uint32_t left_out; /* records that are no sites */
    uintptr_t refused; /* the site that the last refused batch stumbled over */
};

void tl_ftrace_count_all(struct tl_ftrace_counts *counts);

#ifdef __cplusplus
}
#endif

#endif
