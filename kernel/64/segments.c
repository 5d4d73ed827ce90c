/* SPDX-License-Identifier: MIT
 *
 * Segments and task states of x86-64: flat, and a stack for traps from ring 3. Twin: kernel/32/segments.c.
 */
#include <kernel/layout.h>
#include <kernel/segments.h>
#include <kernel/smp.h>
#include <stdint.h>

static struct task_state {
    uint32_t reserved_0;
    uint64_t sp[3];
    uint64_t reserved_1, stacks[7], reserved_2;
    uint16_t reserved_3, io_map;
} __attribute__((packed)) states[CPU_MAX];

uint64_t segments[SEGMENT_TASK / 8 + 2 * CPU_MAX] = {
    0, 0x00af9a000000ffff, 0x00cf92000000ffff, 0x00affa000000ffff, 0x00cff2000000ffff,
};

const struct segments_pointer segments_pointer = {sizeof segments - 1, (uintptr_t)segments};

void segments_begin(unsigned cpu)
{
    uint64_t base = (uintptr_t)&states[cpu], limit = sizeof states[cpu] - 1;
    uint64_t *entry = &segments[SEGMENT_TASK / 8 + 2 * cpu];
    states[cpu].io_map = sizeof states[cpu];
    entry[0] = limit | (base & 0xffffff) << 16 | (uint64_t)0x89 << 40 | (base >> 24 & 0xff) << 56;
    entry[1] = base >> 32;
    __asm__ volatile("lgdt %0" : : "m"(segments_pointer));
    __asm__ volatile("ltr %w0" : : "r"(SEGMENT_TASK + 16 * cpu));
}

void segments_kernel_stack(unsigned cpu, uintptr_t top)
{
    states[cpu].sp[0] = top;
}
