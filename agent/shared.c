/* SPDX-License-Identifier: MIT
 *
 * Where a session's shared memory comes to lie: over that of the session before. A thread may be asleep in a stub since
 * then, between reserving a slot and storing to it, so there is memory at that address at every moment. Run by the
 * agent's thread, before anything else of a session.
 */
#include <agent/agent.h>
#include <core/ring.h>
#include <port/linux/linux.h>
#include <syscall.h>
#include <trapline/port.h>

enum { PROT_NONE = 0, MADV_DONTDUMP = 16 };

/* One mapping replaces what was there in one go: who faults meanwhile waits. */
static bool replace(const struct tl_boot *boot, uint64_t offset, uint64_t end, int protection)
{
    uint64_t at = boot->shared_before + offset;
    return offset == end ||
           tl_syscall6(TL_SYS_MMAP, at, end - offset, protection, TLI_MAP_SHARED | TLI_MAP_FIXED | TLI_MAP_NORESERVE,
                       boot->shared_fd, offset) == (long)at;
}

/* Whether somebody may still store to the ring: its last owner lives; a forked child has its parent's rings, and its
 * thread may have been forked by a handler that interrupted a stub. */
static bool in_use(uint32_t slot)
{
    uint32_t owner = tli_ring.owner[slot];
    return owner != 0 && (!tli_ring.threads || !tli_ring.threads->alive || tl_port_thread_exists(owner));
}

/* The other rings are opened by their owners, one by one (core/ring.c): mlockall(2) would make all that is accessible
 * real memory. */
static bool replace_rings(const struct tl_boot *boot, uint64_t ring_bytes)
{
    for (uint32_t first = 0, next; first < TL_THREADS_MAX; first = next) {
        bool used = in_use(first);
        for (next = first + 1; next < TL_THREADS_MAX && in_use(next) == used;)
            next++;
        if (!replace(boot, TL_CHUNKS_OFFSET + first * ring_bytes, TL_CHUNKS_OFFSET + next * ring_bytes,
                     used ? TLI_PROT_READ | TLI_PROT_WRITE : PROT_NONE))
            return false;
    }
    return true;
}

struct tl_control *tli_agent_settle(struct tl_boot *boot)
{
    struct tl_control *control = (struct tl_control *)boot->shared;
    uint64_t ring_bytes = control->ring_bytes;
    if (!boot->shared_before)
        return control;
    if (!replace(boot, 0, TL_CHUNKS_OFFSET, TLI_PROT_READ | TLI_PROT_WRITE) || !replace_rings(boot, ring_bytes)) {
        boot->shared_bytes = 0; /* part of it may be gone: the next session begins anew */
        return 0;
    }
    tl_syscall3(TL_SYS_MADVISE, boot->shared_before, boot->shared_bytes, MADV_DONTDUMP);
    tl_syscall2(TL_SYS_MUNMAP, boot->shared, TL_CHUNKS_OFFSET);
    boot->shared = boot->shared_before;
    return (struct tl_control *)boot->shared;
}
