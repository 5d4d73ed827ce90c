/* SPDX-License-Identifier: MIT
 *
 * What gdb is shown, with all CPUs held: their registers, memory, breakpoints. Between the kgdb files only; the rest of
 * the kernel includes kgdb.h. Called by the one CPU that talks to gdb, unless a function says otherwise.
 */
#ifndef KERNEL_KGDB_TARGET_H
#define KERNEL_KGDB_TARGET_H

#include <kernel/kgdb_packet.h>

struct pt_regs;

/* ---- kgdb_stop.c: the CPUs ---- */

enum kgdb_action { KGDB_HOLD, KGDB_GO, KGDB_STEP };

unsigned kgdb_cpu_count(void);

/* Where the CPU was interrupted; NULL: it did not answer. */
struct pt_regs *kgdb_cpu_regs(unsigned cpu);

/* ---- kgdb_stub.c: the conversation ---- */

struct kgdb_report {
    unsigned cpu;
    unsigned signal;
    const char *reason; /* gdb's stop reason, "swbreak:;" or "watch:1234;", or empty */
};

/* Tells gdb of the stop, if it waits for one, and does what it says until it lets a CPU run; says which in
 * actions[kgdb_cpu_count()]. */
void kgdb_talk(const struct kgdb_report *report, enum kgdb_action *actions);

/* True between gdb's first packet and its detaching. Any context. */
bool kgdb_attached(void);

/* The gdb that was there is not: what comes is the beginning of a conversation. */
void kgdb_forget(void);

/* ---- kgdb_registers.c ---- */

/* All registers of the CPU as gdb's g packet has them; what is not known is xx. */
void kgdb_registers_put(struct kgdb_packet *packet, unsigned cpu);
bool kgdb_registers_take(const char **at, unsigned cpu);

/* One of them, by gdb's number. False: there is none, or it cannot be written. */
bool kgdb_register_put(struct kgdb_packet *packet, unsigned cpu, unsigned number);
bool kgdb_register_take(const char **at, unsigned cpu, unsigned number);

/* The same registers for gdb to read, as XML. */
void kgdb_registers_describe(struct kgdb_packet *packet);

/* ---- kgdb_memory.c ---- */

/* Copies size bytes, gdb's own breakpoints taken out. Returns how many could be read. */
size_t kgdb_memory_read(uintptr_t address, void *to, size_t size);

/* False: not mapped, not writable, or text while somebody holds the text lock. Part may be written then. */
bool kgdb_memory_write(uintptr_t address, const void *from, size_t size);

/* ---- kgdb_break.c ---- */

/* Sets or takes out a breakpoint. False: no text, the trap path, inside something patched, or the table is full. While
 * somebody holds the text lock it is only noted, and settled later. */
bool kgdb_break_set(uintptr_t address);
bool kgdb_break_clear(uintptr_t address);
void kgdb_break_clear_all(void);

/* Makes the text what gdb wants, if the text lock is free. From the timer as well. */
void kgdb_break_settle(void);

enum kgdb_break {
    KGDB_BREAK_NONE, /* not ours */
    KGDB_BREAK_HIT,  /* a breakpoint of gdb's */
    KGDB_BREAK_LATE, /* it was one, and is none any more: what stands there now is to be run */
};

/* Whose the int3 at address is. From a trap on any CPU. */
enum kgdb_break kgdb_break_at(uintptr_t address);

/* Of the size bytes read from, or about to be written to, address: those under a breakpoint are swapped with what the
 * breakpoint keeps. */
void kgdb_break_show_original(uintptr_t address, uint8_t *bytes, size_t size);
void kgdb_break_keep_original(uintptr_t address, uint8_t *bytes, size_t size);

/* ---- kgdb_watch.c: hardware breakpoints and watchpoints ---- */

/* type: gdb's digit in Z1 to Z4. False: all four are used, or the CPU has none of this kind. */
bool kgdb_watch_set(char type, uintptr_t address, uintptr_t size);
bool kgdb_watch_clear(char type, uintptr_t address, uintptr_t size);
void kgdb_watch_clear_all(void);

/* Of the CPU that calls: while it runs, and while it is held. */
void kgdb_watch_on(void);
void kgdb_watch_off(void);

/* After a debug exception: gdb's reason, or NULL; the CPU's note of it is taken away. late: it is a hit of what gdb has
 * taken back since, and nothing else. Interrupts off. */
const char *kgdb_watch_hit(bool *late);

#endif
