/* SPDX-License-Identifier: MIT
 *
 * Between the files of ftrace: the table of sites, the sets of functions, and what the trampolines call. For users
 * there is <trapline/ftrace.h>.
 *
 * Operations against each other:
 *
 *                 call            change          open
 *   call          safe            safe [F1] [F2]  before it
 *   change                        ftrace's lock   before it
 *
 * A call may be nested in a call of another context, and in a change. A change is register, unregister, choose, forget.
 */
#ifndef TL_CORE_FTRACE_H
#define TL_CORE_FTRACE_H

#include <ftrace.h>
#include <stdatomic.h>
#include <trapline/ftrace.h>

/* What runs from a trampoline before recursion is noticed, and the little after it: nothing here carries a site, else a
 * site would lead to itself. Functions that are called under the guard may. */
#define TLI_TRACER __attribute__((section(".text.tracer"), noinline)) TL_NOTRACE

/* One for each function that can be traced, ascending by site. */
struct tli_ftrace_record {
    uintptr_t site;
    uintptr_t target; /* what its call leads to, 0: it holds a nop. Ftrace's lock */
};

struct tli_ftrace_records {
    size_t count;
    struct tli_ftrace_record *record;
    const char *(*name)(uintptr_t);
    uint32_t left_out;
};
extern struct tli_ftrace_records tli_ftrace_records; /* constant once it is open */

#define TLI_NO_RECORD ((size_t)-1)

/* ftrace_table.c. The record of a site. Any context. */
size_t tli_ftrace_find(uintptr_t site);

/* ftrace_set.c. Sets of functions, one bit each; memory of the port. Ftrace's lock. */
static inline bool tli_ftrace_set_has(const uint32_t *set, size_t index)
{
    return set && (set[index / 32] >> index % 32 & 1);
}
uint32_t *tli_ftrace_set_make(void);
void tli_ftrace_set_free(uint32_t *set);
/* What the lists of ops come to; NULL: no memory. */
uint32_t *tli_ftrace_set_wanted(const struct tl_ftrace_ops *ops);
/* Changes set by a text of globs. */
enum tl_status tli_ftrace_set_choose(uint32_t *set, const char *globs);

/* ftrace_call.c. The registered ops, in the order of their calls; each with a slot of its own, as long as there are. */
struct tli_ftrace_slot {
    _Atomic(struct tl_ftrace_ops *) ops;
    _Atomic(uintptr_t) checked; /* a thread may be asleep on its way here for whom ops was not meant: look */
};
extern struct tli_ftrace_slot tli_ftrace_slots[TL_FTRACE_SLOTS];
extern _Atomic(struct tl_ftrace_ops *) tli_ftrace_first;

enum { TLI_FTRACE_IDLE, TLI_FTRACE_REGISTERED, TLI_FTRACE_LEAVING };

/* Returns when every callback that was running has returned. Thread context. */
void tli_ftrace_wait(void);

/* For the trampolines: tells everyone who wants the function at site, or only the one in slot. True: somebody needs
 * registers that the trampoline has not got, come again with them. Only for a thread that was asleep in the trampoline
 * while somebody else registered; without it its call would reach neither who was there nor who is. */
bool tli_ftrace_call(uintptr_t site, uintptr_t *parent, struct tl_regs *regs, struct tli_ftrace_slot *slot);

/* Counted by whoever sees them. */
struct tli_ftrace_counters {
    _Atomic uint32_t recursed, lost, stale;
};
extern struct tli_ftrace_counters tli_ftrace_counters;

/* ftrace.c. Trap side. Whether sites of functions are being changed; and then the first in order of a breakpoint, for
 * theirs; see tli_trap(). */
bool tli_ftrace_modifying(void);
bool tli_ftrace_int3(struct tl_regs **regs, uintptr_t address);

/* arch/x86/.../ftrace.S */
extern const uint8_t tl_ftrace_list[], tl_ftrace_list_regs[], tl_ftrace_direct[], tl_ftrace_direct_regs[],
    tl_ftrace_direct_end[];

#endif
