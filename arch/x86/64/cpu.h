/* SPDX-License-Identifier: MIT
 *
 * The few instructions that C has no words for. Twin: arch/x86/32/cpu.h.
 */
#ifndef TL_ARCH_CPU_H
#define TL_ARCH_CPU_H

#include <stdint.h>

static inline uint64_t tl_arch_clock(void)
{
    uint32_t low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

/* The segment base that Linux leaves alone: GS. Needs FSGSBASE enabled (Linux 5.9). */
static inline uintptr_t tl_arch_block(void)
{
    uintptr_t base;
    __asm__ volatile("rdgsbase %0" : "=r"(base));
    return base;
}

static inline void tl_arch_block_set(uintptr_t base)
{
    __asm__ volatile("wrgsbase %0" : : "r"(base) : "memory");
}

/* The thread pointer: FS base. */
static inline uintptr_t tl_arch_thread_pointer(void)
{
    uintptr_t base;
    __asm__ volatile("rdfsbase %0" : "=r"(base));
    return base;
}

#endif
