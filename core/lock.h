/* SPDX-License-Identifier: MIT
 *
 * Keeps changes of one room's tables apart, in thread context; who waits gives way to others. Not the text lock, which
 * is the port's and is taken inside of this one.
 */
#ifndef TL_CORE_LOCK_H
#define TL_CORE_LOCK_H

#include <stdatomic.h>
#include <trapline/port.h>

static inline void tli_lock(atomic_flag *lock)
{
    /* [W1] acquire: what the change before has left is seen. Pairs with the release in tli_unlock(). */
    while (atomic_flag_test_and_set_explicit(lock, memory_order_acquire))
        tl_port_relax();
}

static inline void tli_unlock(atomic_flag *lock)
{
    /* [W1] release: see tli_lock(). */
    atomic_flag_clear_explicit(lock, memory_order_release);
}

#endif
