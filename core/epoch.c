/* SPDX-License-Identifier: MIT
 *
 * Counting readers in and out. See epoch.h. Enter and leave are in section .text.trap.
 */
#include <core/epoch.h>
#include <core/section.h>
#include <trapline/port.h>

/* A relaxed read of turn may be old by the time the counter goes up; tli_epoch_wait() turns twice for that reason. */
TLI_TRAP unsigned tli_epoch_enter(struct tli_epoch *epoch)
{
    unsigned cookie = atomic_load_explicit(&epoch->turn, memory_order_relaxed) & 1;
    /* [E1] sequentially consistent: the count is up before what is protected is read. Pairs with the exchange of what
     * is protected and the reading of the counter in tli_epoch_wait(). Else: it is freed under this reader. */
    atomic_fetch_add_explicit(&epoch->inside[cookie], 1, memory_order_seq_cst);
    return cookie;
}

TLI_TRAP void tli_epoch_leave(struct tli_epoch *epoch, unsigned cookie)
{
    /* [E2] release: all reading is done. Pairs with the acquire in tli_epoch_wait(). */
    atomic_fetch_sub_explicit(&epoch->inside[cookie], 1, memory_order_release);
}

void tli_epoch_turn(struct tli_epoch *epoch)
{
    /* [E1] see tli_epoch_enter(). [E3] and release: see tli_epoch_enter_copy(). */
    uint32_t old = atomic_fetch_add_explicit(&epoch->turn, 1, memory_order_seq_cst) & 1;
    /* [E2] acquire: see tli_epoch_leave(). [E1] and sequentially consistent: see tli_epoch_enter(). */
    while (atomic_load_explicit(&epoch->inside[old], memory_order_seq_cst) != 0)
        tl_port_relax();
}

void tli_epoch_wait(struct tli_epoch *epoch)
{
    tli_epoch_turn(epoch);
    tli_epoch_turn(epoch);
}

TLI_TRAP unsigned tli_epoch_enter_copy(struct tli_epoch *epoch)
{
    for (;;) {
        unsigned cookie = tli_epoch_enter(epoch);
        /* [E1] sequentially consistent: see tli_epoch_enter(); the turn is what is protected. [E3] acquire: the copy is
         * filled. Pairs with the release in tli_epoch_turn(). */
        if ((atomic_load_explicit(&epoch->turn, memory_order_seq_cst) & 1) == cookie)
            return cookie;
        tli_epoch_leave(epoch, cookie); /* it has turned meanwhile: this copy may be the writer's by now */
    }
}

unsigned tli_epoch_spare_copy(struct tli_epoch *epoch)
{
    return ~atomic_load_explicit(&epoch->turn, memory_order_relaxed) & 1; /* relaxed: only the writer turns it */
}
