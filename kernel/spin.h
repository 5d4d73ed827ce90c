/* SPDX-License-Identifier: MIT
 *
 * A spin lock that keeps interrupts out. Not for NMIs and breakpoints.
 */
#ifndef KERNEL_SPIN_H
#define KERNEL_SPIN_H

#include <stdatomic.h>
#include <stdint.h>
#include <trapline/port.h>

struct spin {
    _Atomic uint8_t held;
};

/* Returns what unlock wants. */
static inline uint64_t spin_lock(struct spin *spin)
{
    uint64_t state = tl_port_interrupts_off();
    /* acquire: what the last holder wrote is seen. Pairs with the release in spin_unlock(). */
    while (atomic_exchange_explicit(&spin->held, 1, memory_order_acquire))
        __asm__ volatile("pause");
    return state;
}

static inline void spin_unlock(struct spin *spin, uint64_t state)
{
    /* release: see spin_lock(). */
    atomic_store_explicit(&spin->held, 0, memory_order_release);
    tl_port_interrupts_restore(state);
}

#endif
