/* SPDX-License-Identifier: MIT
 *
 * Segments and task states of i386: flat, and a stack for traps from ring 3. Twin: kernel/64/segments.c.
 */
#include <kernel/layout.h>
#include <kernel/segments.h>
#include <kernel/smp.h>
#include <stdint.h>

static struct task_state {
    uint32_t link, sp0, ss0, rest[22];
    uint16_t trap, io_map;
} states[CPU_MAX];

uint64_t segments[SEGMENT_TASK / 8 + 2 * CPU_MAX] = {
    0, 0x00cf9a000000ffff, 0x00cf92000000ffff, 0x00cffa000000ffff, 0x00cff2000000ffff,
};

const struct segments_pointer segments_pointer = {sizeof segments - 1, (uintptr_t)segments};

void segments_begin(unsigned cpu)
{
    uint64_t base = (uintptr_t)&states[cpu], limit = sizeof states[cpu] - 1;
    states[cpu].ss0 = SEGMENT_DATA;
    states[cpu].io_map = sizeof states[cpu];
    segments[SEGMENT_TASK / 8 + 2 * cpu] =
        limit | (base & 0xffffff) << 16 | (uint64_t)0x89 << 40 | (base >> 24 & 0xff) << 56;
    __asm__ volatile("lgdt %0" : : "m"(segments_pointer));
    __asm__ volatile("ltr %w0" : : "r"(SEGMENT_TASK + 16 * cpu));
}

void segments_kernel_stack(unsigned cpu, uintptr_t top)
{
    states[cpu].sp0 = top;
}
