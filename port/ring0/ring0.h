/* SPDX-License-Identifier: MIT
 *
 * The ring-0 port's two doors: what the kernel around it calls, and what it asks of that kernel. The rest of the port
 * is <trapline/port.h>; docs/porting.md says which of those functions live here and which the kernel writes.
 */
#ifndef PORT_RING0_RING0_H
#define PORT_RING0_RING0_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pt_regs;

/* ---- offered to the kernel ---- */

/* Fills the interrupt table and loads it on this CPU; vectors in user_vectors (zero-terminated) may be raised from ring
 * 3. Interrupts off, once on each CPU. */
void ring0_idt_load(uint16_t code_selector, const uint8_t *user_vectors);

/* The interrupt that ring0_send_serialize() asked for has arrived on this CPU. Interrupts off. */
void ring0_serialize_here(void);

/* Between the port's files: what was written since the last serialisation is written once more. */
void ring0_text_settle(void);

/* ---- asked of the kernel: a missing one is a link error ---- */

/* Every trap but int3, in the order of vectors; called by entry.S with interrupts off. May change the registers. */
void ring0_trap(struct pt_regs *regs);

/* int3: see kernel/32/int3.c and kernel/64/int3.c. On i386 do_kernel_int3 is for traps from kernel mode and *regs may
 * come back moved, do_int3 for those from user mode; on x86-64 do_int3 is for all. Section .text.trap. */
void do_int3(struct pt_regs *regs, long error_code);
void do_kernel_int3(struct pt_regs **regs);

/* CPUs are 0 to ring0_cpu_count() - 1, and all of them serve interrupts. Any context. */
#define RING0_CPU_MAX 4
unsigned ring0_cpu(void);
unsigned ring0_cpu_count(void);

/* Makes cpu, not the current one, call ring0_serialize_here() soon. */
void ring0_send_serialize(unsigned cpu);

/* True if all size bytes at address are mapped executable. */
bool ring0_is_text(uintptr_t address, size_t size);

/* Makes size bytes of text at address, within one page, writable at the address that it returns, for this CPU alone and
 * nobody else, until closed; NULL: not executable memory. Interrupts are off in between. */
void *ring0_window_open(uintptr_t address, size_t size);
void ring0_window_close(void);

/* The bounds of section .text.trap, from the linker script; entry.S lies in it. */
extern const uint8_t ring0_trap_begin[], ring0_trap_end[];

#endif
