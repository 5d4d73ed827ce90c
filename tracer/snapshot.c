/* SPDX-License-Identifier: MIT
 *
 * Copying rings that are being overwritten. See snapshot.h; the tags of memory order are those of wire/control.h. No
 * meaning of events here.
 */
#include <stdatomic.h>
#include <sys/mman.h>
#include <tracer/snapshot.h>
#include <wire/event.h>

#define SLOTS (TL_CHUNK_BYTES / TL_EVENT_BYTES)
#define TRIES 100 /* a ring that is overwritten whole while we read, so often, is left out */

static uint32_t head_of(struct tl_ring *ring)
{
    return atomic_load_explicit((_Atomic uint32_t *)&ring->head, memory_order_acquire); /* [W1] */
}

/* relaxed: a slot is one 8-byte store; the callers order it against the others. */
static uint64_t event_at(const uint64_t *chunk, uint32_t slot)
{
    return atomic_load_explicit((_Atomic uint64_t *)&chunk[slot], memory_order_relaxed);
}

static void copy_slots(const uint64_t *from, uint64_t *to, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        to[i] = event_at(from, i);
}

/* The chunk that is being written, as it was at one moment: with a least time, too, where events go again while we read
 * and others come to their place (docs/ring.md). What a second look finds unchanged was there, all of it, between the
 * two; what comes behind is left out. */
static void copy_newest(const uint64_t *from, uint64_t *to)
{
    uint32_t same = 0;
    copy_slots(from, to, SLOTS);
    /* [W7] acquire: the second look comes after the first. Pairs with the order in which x86 keeps the stores of the
     * recording thread: it never writes a slot before those that lie in front of it. */
    atomic_thread_fence(memory_order_acquire);
    while (same < SLOTS && event_at(from, same) == to[same])
        same++;
    for (uint32_t i = same; i < SLOTS; i++)
        to[i] = 0;
}

/* Copies the chunks before head that are there, the oldest first as it goes first. Returns the first from which on all
 * are whole; head: none is. */
static uint32_t copy_chunks(const struct tl_agent *agent, const struct tl_agent *copy, unsigned slot, uint32_t head)
{
    struct tl_ring *ring = tl_agent_ring(agent, slot);
    uint32_t chunks = agent->control->ring_bytes / TL_CHUNK_BYTES;
    uint32_t first = head >= chunks ? head - chunks + 1 : 0;
    for (uint32_t n = first; n != head; n++) {
        const uint64_t *from = tl_agent_chunk(agent, slot, n);
        if (n + 1 == head)
            copy_newest(from, tl_agent_chunk(copy, slot, n));
        else
            copy_slots(from, tl_agent_chunk(copy, slot, n), SLOTS);
        /* [W6] acquire: head is read after the chunk. Pairs with the writer's release fence before it zeroes a chunk:
         * if we have seen a zero of that, we see a head that says so. Else: the beginning of one lap would be taken
         * with the end of another. */
        atomic_thread_fence(memory_order_acquire);
        uint32_t now = head_of(ring);
        if (now - n >= chunks) {
            first = now - head >= chunks ? head : now - chunks + 1;
            n = first - 1;
        }
    }
    return first;
}

static void copy_ring(const struct tl_agent *agent, const struct tl_agent *copy, unsigned slot)
{
    struct tl_ring *from = tl_agent_ring(agent, slot), *to = tl_agent_ring(copy, slot);
    uint32_t head = head_of(from), first = head;
    for (int i = 0; i < TRIES && first == head && head != 0; i++) {
        head = head_of(from);
        first = copy_chunks(agent, copy, slot, head);
    }
    /* The owner of a ring stays the same: a flight recorder frees none. Its chunks come after its name [W1]. */
    *to = (struct tl_ring){.state = from->state, .tid = from->tid, .serial = from->serial, .lost = from->lost};
    to->head = head;
    to->tail = first;
}

bool tl_snapshot_take(const struct tl_agent *agent, struct tl_agent *copy)
{
    *copy = *agent;
    /* Shared, as the original is: a private mapping of that size would be refused where memory is not overcommitted. */
    void *memory =
        mmap(NULL, agent->shared_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        return false;
    copy->control = memory;
    *copy->control = *agent->control;
    for (unsigned slot = 0; slot < TL_THREADS_MAX; slot++)
        copy_ring(agent, copy, slot);
    return true;
}

void tl_snapshot_free(struct tl_agent *copy)
{
    munmap(copy->control, copy->shared_bytes);
}
