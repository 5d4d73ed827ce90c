/* SPDX-License-Identifier: MIT
 *
 * gdb's breakpoints: an int3 over the first byte of an instruction. They step aside while the engine pokes, so that it
 * finds and leaves the text as if there were none, and come back when it has done. Whose a trap is: kgdb_break_at().
 *
 * What gdb wants and what stands in the text are two things: the first changes with all CPUs held, one of which may
 * hold the text lock; the second changes under the lock only. settle() makes them agree as soon as the lock is free.
 *
 * Operations against each other:
 *
 *              look up (trap)   set, clear           settle, hide, show
 *   look up    safe             safe                 safe [K1]
 *   set                         all CPUs held        all CPUs held, or nothing of set's
 *   settle                                           the text lock
 */
#include <core/section.h>
#include <core/site.h>
#include <kernel/kgdb.h>
#include <kernel/kgdb_target.h>
#include <kernel/symbols.h>
#include <kernel/text_lock.h>
#include <stdatomic.h>
#include <trapline/port.h>

enum { BREAKS = 64, INT3 = 0xcc };

static struct gdb_break {
    uintptr_t address; /* 0: never used. Kept when it is gone: a CPU may have fetched its int3 before */
    uint8_t original;
    bool wanted;         /* by gdb */
    atomic_bool planted; /* in the text */
} breaks[BREAKS];
static unsigned next_victim; /* of the ones that are gone, when all are used */

/* [K1] acquire: original is known. Pairs with the release in plant(). */
static inline __attribute__((always_inline)) bool is_planted(const struct gdb_break *b)
{
    return atomic_load_explicit(&b->planted, memory_order_acquire);
}

TLI_TRAP static struct gdb_break *find(uintptr_t address)
{
    for (struct gdb_break *b = breaks; b < breaks + BREAKS; b++)
        if (b->address == address)
            return b;
    return NULL;
}

TLI_TRAP enum kgdb_break kgdb_break_at(uintptr_t address)
{
    struct gdb_break *b = find(address);
    if (!b)
        return KGDB_BREAK_NONE;
    if (is_planted(b))
        return b->wanted ? KGDB_BREAK_HIT : KGDB_BREAK_LATE;
    return tl_port_text_byte(address) == INT3 ? KGDB_BREAK_NONE : KGDB_BREAK_LATE;
}

static void plant(struct gdb_break *b)
{
    const uint8_t int3 = INT3;
    if (tl_port_text_read(b->address, &b->original, 1) != TL_OK)
        return;
    /* [K1] release: original is known. Before the write: who runs into it finds it planted. */
    atomic_store_explicit(&b->planted, true, memory_order_release);
    tl_port_text_write(b->address, &int3, 1);
}

static void unplant(struct gdb_break *b)
{
    tl_port_text_write(b->address, &b->original, 1);
    /* [K1] release: who finds it not planted finds the text as it was. Pairs with the acquire in is_planted(). */
    atomic_store_explicit(&b->planted, false, memory_order_release);
}

/* The breakpoint at address, or one that is not used, for it. NULL: all are used. */
static struct gdb_break *slot_for(uintptr_t address)
{
    struct gdb_break *same = find(address), *unused = find(0);
    for (unsigned i = 0; !same && !unused && i < BREAKS; i++) {
        struct gdb_break *b = &breaks[next_victim++ % BREAKS];
        if (!b->wanted && !is_planted(b))
            unused = b;
    }
    return same ? same : unused;
}

/* gdb may have a breakpoint at the head of something patched, which is an instruction, but not inside it. */
static bool inside_patched(uintptr_t address)
{
    return tli_site_overlapping(address, 1) && !tli_site_any(address);
}

bool kgdb_breakpoint_in(uintptr_t address, uintptr_t size)
{
    for (struct gdb_break *b = breaks; b < breaks + BREAKS; b++)
        if (b->address - address < size && b->wanted)
            return true;
    return false;
}

/* True if word is one of the words in list, each of which has a blank behind it. */
static bool is_listed(const char *list, const char *word)
{
    while (*list) {
        size_t i = 0;
        while (word[i] && list[i] == word[i])
            i++;
        if (!word[i] && list[i] == ' ')
            return true;
        while (*list++ != ' ')
            ;
    }
    return false;
}

/* What the debugger itself runs through, outside its own files: what these call, and the tracer, as they are traced
 * like the rest of the kernel. */
static bool used_here(uintptr_t address)
{
    extern const uint8_t kernel_tracer_begin[], kernel_tracer_end[];
    static const char names[] =
        "tl_port_text_write tl_port_text_read ring0_is_text ring0_window_open ring0_window_close "
        "paging_entry paging_root entry_of load cpu_send_nmi cpu_count apic_send "
        "symbol_of symbol_get text_lock_try text_lock_give tl_port_text_unlock "
        "tl_port_interrupts_off tl_port_interrupts_restore tl_port_clock tl_port_context "
        "tl_port_trace_thread __fentry__ tl_ftrace_direct tl_ftrace_direct_regs "
        "tl_ftrace_list tl_ftrace_list_regs tl_exit_trampoline ";
    struct symbol symbol;
    return (address >= (uintptr_t)kernel_tracer_begin && address < (uintptr_t)kernel_tracer_end) ||
           (symbol_of(address, &symbol) && is_listed(names, symbol.name));
}

bool kgdb_break_set(uintptr_t address)
{
    uint8_t byte;
    struct gdb_break *b = slot_for(address);
    if (!b || tl_port_trap_path(address, 1) || used_here(address) || inside_patched(address) ||
        tl_port_text_read(address, &byte, 1) != TL_OK)
        return false;
    b->address = address;
    b->wanted = true;
    kgdb_break_settle();
    return true;
}

bool kgdb_break_clear(uintptr_t address)
{
    struct gdb_break *b = find(address);
    if (!b)
        return false;
    b->wanted = false;
    kgdb_break_settle();
    return true;
}

void kgdb_break_clear_all(void)
{
    for (struct gdb_break *b = breaks; b < breaks + BREAKS; b++)
        b->wanted = false;
    kgdb_break_settle();
}

void kgdb_breaks_hide(void)
{
    for (struct gdb_break *b = breaks; b < breaks + BREAKS; b++)
        if (is_planted(b))
            unplant(b);
}

void kgdb_breaks_show(void)
{
    for (struct gdb_break *b = breaks; b < breaks + BREAKS; b++)
        if (b->wanted && !is_planted(b) && !inside_patched(b->address))
            plant(b);
        else if (!b->wanted && is_planted(b))
            unplant(b);
}

void kgdb_break_settle(void)
{
    if (!text_lock_try())
        return; /* whoever holds it calls kgdb_breaks_show(), or the timer comes back to it */
    kgdb_breaks_show();
    text_lock_give();
}

void kgdb_break_show_original(uintptr_t address, uint8_t *bytes, size_t size)
{
    for (struct gdb_break *b = breaks; b < breaks + BREAKS; b++)
        if (is_planted(b) && b->address - address < size)
            bytes[b->address - address] = b->original;
}

void kgdb_break_keep_original(uintptr_t address, uint8_t *bytes, size_t size)
{
    for (struct gdb_break *b = breaks; b < breaks + BREAKS; b++)
        if (is_planted(b) && b->address - address < size) {
            b->original = bytes[b->address - address];
            bytes[b->address - address] = INT3;
        }
}
