/* SPDX-License-Identifier: MIT
 *
 * What a CPU says of itself, the same on both widths: its clock, and whether it takes interrupts.
 */
#include <trapline/ftrace.h>
#include <trapline/port.h>

enum { FLAG_INTERRUPT = 0x200 };

TL_NOTRACE uint64_t tl_port_clock(void)
{
    uint32_t low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

uint64_t tl_port_interrupts_off(void)
{
    uintptr_t flags;
    __asm__ volatile("pushf\n\tpop %0\n\tcli" : "=r"(flags) : : "memory");
    return flags & FLAG_INTERRUPT;
}

void tl_port_interrupts_restore(uint64_t state)
{
    if (state)
        __asm__ volatile("sti" : : : "memory");
}
