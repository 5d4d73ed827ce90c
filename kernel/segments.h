/* SPDX-License-Identifier: MIT
 *
 * Segments, the same for all CPUs but for the task state, which holds the stack for traps from ring 3. Written in
 * kernel/32/segments.c and kernel/64/segments.c.
 */
#ifndef KERNEL_SEGMENTS_H
#define KERNEL_SEGMENTS_H

#include <stdint.h>

/* For lgdt; the boot code loads it, too. */
struct segments_pointer {
    uint16_t limit;
    uintptr_t base;
} __attribute__((packed));
extern const struct segments_pointer segments_pointer;
extern uint64_t segments[];

/* Loads them on this CPU. */
void segments_begin(unsigned cpu);

/* Traps from ring 3 on this CPU go on at top. Interrupts off. */
void segments_kernel_stack(unsigned cpu, uintptr_t top);

#endif
