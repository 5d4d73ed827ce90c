/* SPDX-License-Identifier: MIT
 *
 * The reading side of the rings, for the recorded torture: a thread that takes every event out as it comes, counts it
 * by function, and checks that in each thread entries and exits nest. Order of access as wire/control.h has it.
 */
#include "torture.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <wire/event.h>

enum { DEPTH_MAX = 64 };

static struct torture_events events;
static struct tl_control *control;
static pthread_t reader;
static _Atomic bool stop;
static struct place {
    uint32_t chunk, at; /* next event: chunk since the start, and index in it */
    uint32_t stack[DEPTH_MAX], depth;
} places[TL_THREADS_MAX];

static struct tl_ring *ring_of(uint32_t slot)
{
    return (struct tl_ring *)((uintptr_t)control + TL_RINGS_OFFSET) + slot;
}

static _Atomic uint32_t *word_of(uint32_t *field)
{
    return (_Atomic uint32_t *)field;
}

static void nest(struct place *place, unsigned kind, uint32_t function)
{
    if (kind == TL_EVENT_ENTRY && place->depth < DEPTH_MAX)
        place->stack[place->depth++] = function;
    else if (kind == TL_EVENT_EXIT && place->depth > 0 && place->stack[place->depth - 1] == function)
        place->depth--;
    else
        events.unpaired++;
}

static void take(struct place *place, uint64_t event)
{
    unsigned kind = TL_EVENT_KIND(event);
    uint32_t function = TL_EVENT_VALUE(event);
    if (kind > TL_EVENT_EXIT)
        return;
    if (function == 0 || function > torture_count())
        abort();
    (kind == TL_EVENT_ENTRY ? events.entries : events.exits)[function - 1]++;
    events.events++;
    if (torture_stands(function - 1))
        nest(place, kind, function);
}

/* Everything that a ring holds. last: nobody writes any more, so what is zero stays so. */
static void read_ring(uint32_t slot, bool last)
{
    struct tl_ring *ring = ring_of(slot);
    struct place *place = &places[slot];
    uint32_t chunks = control->ring_bytes / TL_CHUNK_BYTES;
    /* [W1] acquire: the chunks before the newest are written, the newest was zeroed. */
    uint32_t head = atomic_load_explicit(word_of(&ring->head), memory_order_acquire);
    while (place->chunk != head) {
        _Atomic uint64_t *chunk =
            (_Atomic uint64_t *)((uintptr_t)control + (uintptr_t)TL_CHUNKS_OFFSET +
                                 (uintptr_t)slot * control->ring_bytes + place->chunk % chunks * TL_CHUNK_BYTES);
        for (; place->at < TL_CHUNK_BYTES / TL_EVENT_BYTES; place->at++) {
            /* relaxed: an event is one word, and a writer's stores are seen in their order */
            uint64_t event = atomic_load_explicit(&chunk[place->at], memory_order_relaxed);
            if (event == 0 && !last)
                return; /* not written yet, or its writer is interrupted */
            if (event != 0)
                take(place, event);
        }
        place->at = 0;
        place->chunk++;
        /* [W2] release: all of it is read. */
        atomic_store_explicit(word_of(&ring->tail), place->chunk, memory_order_release);
    }
}

static void read_rings(bool last)
{
    for (uint32_t slot = 0; slot < TL_THREADS_MAX; slot++)
        if (ring_of(slot)->state == TL_RING_LIVE)
            read_ring(slot, last);
}

static void *read_all(void *argument)
{
    while (!atomic_load(&stop)) {
        struct timespec pause = {0, 500000};
        read_rings(false);
        nanosleep(&pause, NULL);
    }
    return argument;
}

void torture_rings_start(struct tl_control *shared)
{
    control = shared;
    if (pthread_create(&reader, NULL, read_all, NULL) != 0)
        abort();
}

const struct torture_events *torture_rings_stop(void)
{
    atomic_store(&stop, true);
    pthread_join(reader, NULL);
    read_rings(true);
    for (uint32_t slot = 0; slot < TL_THREADS_MAX; slot++) {
        events.lost += ring_of(slot)->lost;
        events.unpaired += places[slot].depth;
    }
    events.lost += control->threads_lost + control->gs_taken;
    return &events;
}
