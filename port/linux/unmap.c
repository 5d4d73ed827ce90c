/* SPDX-License-Identifier: MIT
 *
 * A guarded munmap: a library that is unloaded while its sites are poked, and loaded again at the same place, would be
 * poked by halves. So who unmaps memory with sites in it waits for the poke, and the poke waits for who is unmapping.
 * Called by guard.c, in the traced thread.
 */
#include <core/site.h>
#include <port/linux/linux.h>
#include <syscall.h>

/* A thread that ends may unmap the very stack that we are on; it makes the call where nothing is left to come back to.
 */
static bool holds_stack(uintptr_t address, size_t size)
{
    return (uintptr_t)__builtin_frame_address(0) - address < size;
}

/* Handlers may come in again. */
static void let_in(uint64_t *kept, uint64_t before, const uint64_t *mask)
{
    *kept = (*kept & ~(uint64_t)TLI_OUR_SIGNALS) | before;
    tli_guard_send_held(kept);
    tl_syscall4(TL_SYS_RT_SIGPROCMASK, TLI_SIG_SETMASK, mask, 0, sizeof(*mask));
}

bool tli_guard_unmap(struct tli_guard_call *call)
{
    uintptr_t address = call->argument[0];
    size_t size = call->argument[1];
    if (size == 0 || size > UINTPTR_MAX - address || holds_stack(address, size) || tli_guard_borrowed_memory())
        return false;
    /* No handler may come in between: one that unmaps something itself would wait for a poke that waits for us, one
     * that jumps out would leave it waiting. Our two signals are blocked in name only: a thread that blocks them in
     * truth is one that is not poked under. */
    uint64_t *kept = tli_guard_mask(), before = *kept & TLI_OUR_SIGNALS;
    uint64_t all = ~(uint64_t)TLI_OUR_SIGNALS, mask = 0;
    unsigned cookie;
    for (;;) {
        tl_syscall4(TL_SYS_RT_SIGPROCMASK, TLI_SIG_BLOCK, &all, &mask, sizeof(all));
        *kept |= TLI_OUR_SIGNALS;
        if (tli_site_unmap_begin(address, size, &cookie))
            break;
        let_in(kept, before, &mask);
        tli_sleep(100000);
    }
    call->ax = (uint64_t)tl_syscall2(TL_SYS_MUNMAP, address, size);
    tli_site_unmap_end(cookie);
    let_in(kept, before, &mask);
    return true;
}
