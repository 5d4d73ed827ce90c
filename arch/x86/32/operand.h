/* SPDX-License-Identifier: MIT
 *
 * What differs between the widths in an instruction's operands. Twin: arch/x86/64/operand.h.
 */
#ifndef TL_ARCH_OPERAND_H
#define TL_ARCH_OPERAND_H

#include <stdbool.h>
#include <stdint.h>

/* With the address-size prefix: an address or a counter has so many bits. */
#define TL_ARCH_SHORT_ADDRESS_MASK 0xffffu
/* A memory operand with the prefix is formed by other rules. */
#define TL_ARCH_SHORT_MEMORY false

/* The counter of a loop with the address-size prefix after it was written: a 16-bit write keeps the upper half. */
static inline uintptr_t tl_arch_short_counter(uintptr_t before, uintptr_t counter)
{
    return (before & ~(uintptr_t)TL_ARCH_SHORT_ADDRESS_MASK) | (counter & TL_ARCH_SHORT_ADDRESS_MASK);
}

#endif
