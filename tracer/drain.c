/* SPDX-License-Identifier: MIT
 *
 * Draining the rings. See drain.h; the tags of memory order are those of wire/control.h.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <tracer/counts.h>
#include <tracer/drain.h>
#include <tracer/process.h>
#include <wire/event.h>

#define SLOTS (TL_CHUNK_BYTES / TL_EVENT_BYTES)
#define HOLE_NS 200000000u /* so long a slot may stay reserved but unwritten */
#define REAP_NS 50000000u  /* so long at a time ended threads are seen to */
#define UNUSED_SLOTS 3     /* at most so many at a chunk's end are never reserved */
#define RUN_CHUNKS 16 /* so many go to the writer at once: few calls, and still in the cache when they are copied */

/* What we know of the thread in a slot of the rings. */
struct thread {
    uint32_t reaped;   /* serial of the last owner that was seen to have ended */
    uint32_t serial;   /* of the owner that all below is about */
    uint32_t position; /* slots taken of the chunk at tail */
    uint32_t lost;     /* tl_ring.lost as of the last look */
    int64_t untold;    /* lost events that no record among the events has told of so far */
    uint64_t dropped;  /* slots given up, not told to the writer yet */
    uint64_t hole_since_ns;
    pid_t tid;
    char comm[32];
    struct tl_filter_stage *stage;
};

struct tl_drain {
    struct tl_agent *agent;
    const struct tl_writer_ops *ops;
    struct tl_writer *writer;
    struct tl_filter_limits limits;
    bool filtering, other_namespace;
    unsigned reap_next;    /* slot, modulo how many there are */
    unsigned started_next; /* the same of tl_drain_started() */
    struct tl_drain_count count;
    uint64_t *calls; /* by function id, if the session has no events */
    struct thread thread[TL_THREADS_MAX];
};

static uint64_t now_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static uint32_t load(uint32_t *field)
{
    /* [W1] acquire: what the thread wrote before it; see the calls. */
    return atomic_load_explicit((_Atomic uint32_t *)field, memory_order_acquire);
}

struct tl_drain *tl_drain_new(struct tl_agent *agent, const struct tl_writer_ops *ops, struct tl_writer *writer,
                              const struct tl_filter_limits *limits)
{
    struct tl_drain *drain = calloc(1, sizeof(*drain));
    if (!drain)
        return NULL;
    bool eventless = agent->control->mode == TL_RING_COUNT || agent->control->mode == TL_RING_COVER;
    if (eventless && !(drain->calls = calloc(TL_COUNTED_MAX, sizeof(*drain->calls)))) {
        free(drain);
        return NULL;
    }
    drain->agent = agent;
    drain->ops = ops;
    drain->writer = writer;
    drain->limits = *limits;
    drain->filtering = limits->min_ticks || limits->depth || limits->hidden;
    drain->other_namespace = !tl_process_same_namespace(agent->pid);
    return drain;
}

/* The id from outside of the thread that calls itself tid. */
static pid_t outer_tid(const struct tl_drain *drain, uint32_t tid)
{
    pid_t found = drain->other_namespace ? tl_process_thread(drain->agent->pid, tid) : 0;
    return found ? found : (pid_t)tid;
}

/* counted: entries and exits among the events; the filter's, which come out later, are counted here. */
static int give(struct tl_drain *drain, struct thread *thread, const uint64_t *events, size_t count, uint64_t counted)
{
    struct tl_recording_packet packet = {.tid = thread->tid, .comm = thread->comm, .lost_before = thread->dropped};
    thread->dropped = 0;
    packet.events = events;
    packet.count = count;
    if (thread->stage) {
        int error = tl_filter_stage_feed(thread->stage, events, count);
        if (error)
            return error;
        packet.events = tl_filter_stage_take(thread->stage, &packet.count);
        counted = 0;
        for (size_t i = 0; i < packet.count; i++)
            counted += TL_EVENT_KIND(packet.events[i]) <= TL_EVENT_EXIT;
    }
    if (packet.count == 0 && packet.lost_before == 0)
        return 0;
    drain->count.events += counted;
    return drain->ops->packet(drain->writer, &packet);
}

/* The end of what is written from first on. Adds the entries and exits to *counted. */
static uint32_t scan(struct thread *thread, const uint64_t *chunk, uint32_t first, uint32_t end, uint64_t *counted)
{
    uint32_t next = first, others = 0;
    uint64_t event;
    /* volatile: each slot is stored by another process at any time; x86 keeps its stores in order. */
    for (const volatile uint64_t *slots = chunk; next < end && (event = slots[next]) != 0; next++) {
        if (__builtin_expect(TL_EVENT_KIND(event) <= TL_EVENT_EXIT, 1))
            continue;
        others++;
        if (TL_EVENT_KIND(event) == TL_EVENT_LOST)
            thread->untold -= TL_EVENT_VALUE(event);
    }
    *counted += next - first - others;
    return next;
}

/* Gives the events of a chunk from the thread's position on, up to end or the first slot that is not written. */
static int take(struct tl_drain *drain, struct thread *thread, const uint64_t *chunk, uint32_t end)
{
    uint32_t first = thread->position;
    uint64_t counted = 0;
    thread->position = scan(thread, chunk, first, end, &counted);
    bool any = thread->position > first || thread->dropped;
    return any ? give(drain, thread, chunk + first, thread->position - first, counted) : 0;
}

/* After the last written slot there is nothing but slots that were never reserved. */
static bool rest_unused(const uint64_t *chunk, uint32_t position)
{
    for (uint32_t i = position; i < SLOTS; i++)
        if (chunk[i] != 0)
            return false;
    return SLOTS - position <= UNUSED_SLOTS;
}

/* Complete chunks that lie one behind the other, up to one with a hole, in one go from where they are. *taken of them
 * can be given back; the position is that of the one behind. */
static int take_run(struct tl_drain *drain, struct thread *thread, const uint64_t *chunks, uint32_t count,
                    uint32_t *taken)
{
    uint32_t first = thread->position;
    size_t end = first;
    uint64_t counted = 0;
    for (*taken = 0; *taken < count; ++*taken) {
        const uint64_t *chunk = chunks + (size_t)*taken * SLOTS;
        thread->position = scan(thread, chunk, thread->position, SLOTS, &counted);
        end = (size_t)*taken * SLOTS + thread->position;
        if (thread->position < SLOTS && !rest_unused(chunk, thread->position))
            break;
        thread->position = 0;
    }
    if (*taken)
        thread->hole_since_ns = 0;
    return end > first || thread->dropped ? give(drain, thread, chunks + first, end - first, counted) : 0;
}

/* A complete chunk with a hole. *done: it can be given back. */
static int take_complete(struct tl_drain *drain, struct thread *thread, const uint64_t *chunk, bool final, bool *done)
{
    for (;;) {
        int error = take(drain, thread, chunk, SLOTS);
        *done = thread->position == SLOTS || rest_unused(chunk, thread->position);
        if (error || *done) {
            thread->hole_since_ns = 0;
            return error;
        }
        /* A writer was interrupted between reserving this slot and storing to it. */
        if (!thread->hole_since_ns)
            thread->hole_since_ns = now_ns();
        if (!final && now_ns() - thread->hole_since_ns < HOLE_NS)
            return 0;
        thread->hole_since_ns = 0;
        thread->position++;
        thread->dropped++;
        drain->count.lost++;
    }
}

static void count_lost(struct tl_drain *drain, unsigned slot)
{
    struct thread *thread = &drain->thread[slot];
    uint32_t lost = load(&tl_agent_ring(drain->agent, slot)->lost);
    drain->count.lost += lost - thread->lost;
    thread->untold += lost - thread->lost;
    thread->lost = lost;
}

/* The thread has recorded its last. */
static int end_thread(struct tl_drain *drain, struct thread *thread, uint64_t tsc)
{
    int error = 0;
    if (thread->tid == 0)
        return 0;
    if (thread->untold > 0)
        thread->dropped += (uint64_t)thread->untold;
    thread->untold = 0;
    if (thread->stage)
        error = tl_filter_stage_end(thread->stage, tsc);
    if (!error && (thread->stage || thread->dropped))
        error = give(drain, thread, NULL, 0, 0);
    tl_filter_stage_free(thread->stage);
    *thread = (struct thread){.lost = thread->lost, .serial = thread->serial, .reaped = thread->reaped};
    return error;
}

/* Takes notice of a slot's new owner. */
static int meet(struct tl_drain *drain, struct thread *thread, const struct tl_ring *ring)
{
    if (thread->serial == ring->serial && thread->tid != 0)
        return 0;
    int error = end_thread(drain, thread, 0);
    thread->serial = ring->serial;
    thread->tid = outer_tid(drain, ring->tid);
    tl_process_comm(drain->agent->pid, thread->tid, thread->comm, sizeof(thread->comm));
    if (strcmp(thread->comm, "?") == 0)
        thread->comm[0] = 0;
    if (drain->filtering && !(thread->stage = tl_filter_stage_new(&drain->limits)))
        error = -ENOMEM;
    drain->count.threads++;
    return error;
}

/* The chunk that is being written, or was when its thread ended. */
static int take_newest(struct tl_drain *drain, struct thread *thread, const uint64_t *chunk)
{
    uint32_t last = SLOTS;
    int error = 0;
    while (last > thread->position && chunk[last - 1] == 0)
        last--;
    while (!error && thread->position < last) {
        error = take(drain, thread, chunk, last);
        if (thread->position < last) { /* a hole that will not be filled any more */
            thread->position++;
            thread->dropped++;
            drain->count.lost++;
        }
    }
    thread->position = 0;
    return error;
}

/* complete chunks, of which some lie before the ring's end. */
static uint32_t run_length(uint32_t complete, uint32_t before_end)
{
    uint32_t run = complete < before_end ? complete : before_end;
    return run < RUN_CHUNKS ? run : RUN_CHUNKS;
}

/* The counters of the slot's thread, which counts no more. */
static void take_counts(struct tl_drain *drain, unsigned slot)
{
    struct thread *thread = &drain->thread[slot];
    uint32_t serial = tl_agent_ring(drain->agent, slot)->serial;
    if (serial != 0 && drain->agent->control->mode == TL_RING_COUNT)
        drain->count.events += tl_counts_take(drain->agent, slot, drain->calls);
    drain->count.threads += serial - thread->serial;
    thread->serial = serial;
    count_lost(drain, slot);
}

/* last: the thread records no more, its newest chunk is taken too. */
static long drain_slot(struct tl_drain *drain, unsigned slot, bool last)
{
    struct tl_ring *ring = tl_agent_ring(drain->agent, slot);
    struct thread *thread = &drain->thread[slot];
    uint32_t chunks = drain->agent->control->ring_bytes / TL_CHUNK_BYTES;
    uint32_t head = load(&ring->head); /* [W1] */
    uint32_t tail = ring->tail;        /* ours */
    long taken = 0;
    int error = 0;
    if (drain->calls) {
        if (last)
            take_counts(drain, slot);
        return 0;
    }
    if (head != tail)
        error = meet(drain, thread, ring);
    if (drain->agent->control->mode == TL_RING_FLIGHT) {
        /* [W6] The oldest may be half zeroed: its thread was killed at that, or is at it. */
        if (head - tail >= chunks)
            tail = head - chunks + 1;
        drain->count.overwritten += (uint64_t)tail * (SLOTS - 1);
    }
    while (!error && (head - tail > 1 || (last && head != tail))) {
        const uint64_t *chunk = tl_agent_chunk(drain->agent, slot, tail);
        uint32_t run = 0;
        bool done = true;
        if (head - tail > 1)
            error = take_run(drain, thread, chunk, run_length(head - tail - 1, chunks - tail % chunks), &run);
        if (!error && run == 0)
            error =
                head - tail > 1 ? take_complete(drain, thread, chunk, last, &done) : take_newest(drain, thread, chunk);
        if (error || !done)
            break;
        if (run == 0) {
            thread->position = 0;
            run = 1;
        }
        tail += run;
        taken += run;
        atomic_store_explicit((_Atomic uint32_t *)&ring->tail, tail, memory_order_release); /* [W2] */
    }
    count_lost(drain, slot);
    return error ? error : taken;
}

long tl_drain_run(struct tl_drain *drain)
{
    long taken = 0;
    if (drain->agent->control->mode != TL_RING_STREAM)
        return 0;
    for (unsigned slot = 0; slot < TL_THREADS_MAX; slot++) {
        long here = drain_slot(drain, slot, false);
        if (here < 0)
            return here;
        taken += here;
    }
    return taken;
}

int tl_drain_started(struct tl_drain *drain)
{
    int error = 0;
    /* Events of a chunk that is not complete may be retracted. */
    if (drain->agent->control->mode != TL_RING_STREAM || drain->agent->control->min_ticks)
        return 0;
    uint64_t until =
        now_ns() + REAP_NS; /* thousands of new threads are thousands of files: some now, the others soon */
    for (unsigned i = 0; i < TL_THREADS_MAX && !error && now_ns() < until; i++) {
        unsigned slot = drain->started_next++ % TL_THREADS_MAX;
        struct tl_ring *ring = tl_agent_ring(drain->agent, slot);
        struct thread *thread = &drain->thread[slot];
        if (load(&ring->head) - ring->tail != 1) /* [W1]; more: a complete one has a hole that may yet be filled */
            continue;
        error = meet(drain, thread, ring);
        if (!error)
            error = take(drain, thread, tl_agent_chunk(drain->agent, slot, ring->tail), SLOTS);
    }
    return error;
}

/* True if the ring has an owner and that has ended. The list of a process's threads would not do: one that is made, or
 * others that end, while it is read may leave the living out. */
static bool ended(const struct tl_drain *drain, const struct thread *thread, struct tl_ring *ring)
{
    if (load(&ring->state) != TL_RING_LIVE)
        return false;
    uint32_t serial = load(&ring->serial);       /* [W5] the owner's id is there */
    if (serial == 0 || serial == thread->reaped) /* the next owner is just taking the ring */
        return false;
    bool met = thread->tid != 0 && thread->serial == serial;
    pid_t tid = met ? thread->tid : outer_tid(drain, ring->tid);
    return tl_process_thread_ended(drain->agent->pid, tid);
}

int tl_drain_reap(struct tl_drain *drain)
{
    int error = 0;
    if (drain->agent->control->mode == TL_RING_FLIGHT)
        return 0;
    uint64_t until = now_ns() + REAP_NS;
    for (unsigned i = 0; i < TL_THREADS_MAX && !error && now_ns() < until; i++) {
        unsigned slot = drain->reap_next++ % TL_THREADS_MAX;
        struct tl_ring *ring = tl_agent_ring(drain->agent, slot);
        struct thread *thread = &drain->thread[slot];
        if (!ended(drain, thread, ring))
            continue;
        thread->reaped = ring->serial;
        long taken = drain_slot(drain, slot, true);
        error = taken < 0 ? (int)taken : end_thread(drain, thread, 0);
        /* [W3] release: all is read. Pairs with the acquire of the thread that claims the ring. */
        atomic_store_explicit((_Atomic uint32_t *)&ring->state, TL_RING_FREE, memory_order_release);
    }
    return error;
}

bool tl_drain_crowded(const struct tl_drain *drain)
{
    unsigned live = 0;
    for (unsigned slot = 0; slot < TL_THREADS_MAX; slot++)
        live += tl_agent_ring(drain->agent, slot)->state == TL_RING_LIVE;
    return live > TL_THREADS_MAX / 2;
}

int tl_drain_finish(struct tl_drain *drain, uint64_t tsc_end)
{
    for (unsigned slot = 0; slot < TL_THREADS_MAX; slot++) {
        long taken = drain_slot(drain, slot, true);
        int error = taken < 0 ? (int)taken : end_thread(drain, &drain->thread[slot], tsc_end);
        if (error)
            return error;
    }
    drain->count.lost += drain->agent->control->threads_lost + drain->agent->control->gs_taken;
    if (drain->agent->control->mode == TL_RING_COVER)
        drain->count.events = tl_called_take(drain->agent, drain->calls);
    return drain->calls ? drain->ops->calls(drain->writer, drain->calls, TL_COUNTED_MAX) : 0;
}

struct tl_drain_count tl_drain_count(const struct tl_drain *drain)
{
    return drain->count;
}

void tl_drain_free(struct tl_drain *drain)
{
    for (unsigned slot = 0; drain && slot < TL_THREADS_MAX; slot++)
        tl_filter_stage_free(drain->thread[slot].stage);
    if (drain)
        free(drain->calls);
    free(drain);
}
