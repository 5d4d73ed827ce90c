/* SPDX-License-Identifier: MIT
 *
 * The slow half of recording: a thread's first event, a full chunk, a new clock word, a forked child. See ring.h.
 */
#include <core/ring.h>
#include <core/sample.h>
#include <core/section.h>
#include <trapline/port.h>
#include <wire/event.h>
#include <wire/image.h>

struct tli_ring tli_ring;

static _Atomic uint32_t *word_of(uint32_t *field)
{
    return (_Atomic uint32_t *)field; /* wire structures are plain; both ends use them so */
}

static void count(uint32_t *field, uint32_t more)
{
    atomic_fetch_add_explicit(word_of(field), more, memory_order_relaxed); /* relaxed: a statistic */
}

TLI_TRAP void tli_ring_count_trap(void)
{
    /* relaxed, both: a statistic; the control block stays mapped when its session has ended. */
    if (tli_ring.control && tli_ring.threads->alive && atomic_load_explicit(&tli_ring.session, memory_order_relaxed))
        atomic_fetch_add_explicit((_Atomic uint32_t *)&tli_ring.control->traps, 1, memory_order_relaxed);
}

static unsigned slot_of(const struct tli_thread *thread)
{
    return (unsigned)(thread - tli_ring.threads->block);
}

static uintptr_t waste_of(const struct tli_thread *thread)
{
    return (uintptr_t)tli_ring.waste + (uintptr_t)slot_of(thread) * TLI_WASTE_BYTES;
}

static void aim(struct tli_thread *thread, uintptr_t cursor, uintptr_t limit)
{
    thread->cursor = cursor;
    atomic_store_explicit(&thread->limit, limit, memory_order_relaxed); /* relaxed: [R1] decides */
}

/* Counts what lies in the waste as lost. */
static void settle_loss(struct tli_thread *thread)
{
    if (thread->losing && thread->session != 0) {
        uint32_t lost = (uint32_t)((thread->cursor - waste_of(thread)) / TL_EVENT_BYTES);
        count(&tli_ring.rings[slot_of(thread)].lost, lost);
        thread->lost_run += lost;
    }
}

/* The next chunk, zeroed, or the waste if the tracer has not given one back. Returns false for the waste. */
static bool next_chunk(struct tli_thread *thread)
{
    struct tl_ring *ring = &tli_ring.rings[slot_of(thread)];
    uint32_t head = atomic_load_explicit(word_of(&ring->head), memory_order_relaxed); /* relaxed: ours to write */
    /* [W2] acquire: the tracer's reads of the chunk are done. Pairs with its release of tail. */
    uint32_t tail = atomic_load_explicit(word_of(&ring->tail), memory_order_acquire);
    settle_loss(thread);
    thread->losing = !tli_ring.flight && head - tail >= tli_ring.chunk_count;
    if (thread->losing) {
        aim(thread, waste_of(thread), waste_of(thread) + TLI_WASTE_BYTES);
        return false;
    }
    uintptr_t chunk = tli_ring.chunks + (uintptr_t)slot_of(thread) * tli_ring.ring_bytes +
                      (uintptr_t)(head % tli_ring.chunk_count) * TL_CHUNK_BYTES;
    /* [W6] release: the head stored last time is seen before a zero of this chunk. Pairs with the acquire fence of who
     * reads a flight recorder that goes on. Else: it takes half a chunk of the lap before for a whole one. */
    atomic_thread_fence(memory_order_release);
    for (uint64_t *slot = (uint64_t *)chunk; slot < (uint64_t *)(chunk + TL_CHUNK_BYTES); slot++)
        *slot = 0;
    /* [W1] release: the chunk is zero before it is seen. Pairs with the tracer's acquire of head. Else: it takes events
     * of the lap before for new ones. */
    atomic_store_explicit(word_of(&ring->head), head + 1, memory_order_release);
    aim(thread, chunk, chunk + TL_CHUNK_BYTES);
    return true;
}

static void put(struct tli_thread *thread, uint64_t event)
{
    /* One 8-byte store, seen whole. volatile: neither split nor merged with a neighbour. [W7] In order, as x86 keeps
     * them: who looks twice at a chunk relies on it. */
    *(volatile uint64_t *)thread->cursor = event;
    thread->cursor += TL_EVENT_BYTES;
}

/* Records with all the room that a clock record and a note of lost events want. */
static void record(struct tli_thread *thread, uint32_t word)
{
    bool fresh = false;
    if (thread->cursor + 3 * TL_EVENT_BYTES > atomic_load_explicit(&thread->limit, memory_order_relaxed))
        fresh = next_chunk(thread); /* relaxed above: if it was set to 0 meanwhile, the check [R1] comes later */
    uint64_t now = tl_port_clock();
    uint32_t high = (uint32_t)(now >> 32);
    if (fresh || high != thread->clock_high)
        put(thread, TL_EVENT(now, TL_EVENT_CLOCK, high));
    thread->clock_high = high;
    if (fresh && thread->lost_run != 0) {
        uint32_t lost = thread->lost_run < TL_EVENT_VALUE_MAX ? thread->lost_run : TL_EVENT_VALUE_MAX;
        put(thread, TL_EVENT(now, TL_EVENT_LOST, lost));
        thread->lost_run = 0;
    }
    put(thread, (uint64_t)word << 32 | (uint32_t)now);
}

/* From now on the thread's stubs count by themselves. */
static void count_at(struct tli_thread *thread, uintptr_t counters)
{
    thread->counters = counters;
    atomic_store_explicit(&thread->counting, ~thread->pointer, memory_order_relaxed); /* relaxed: [R1] decides */
}

/* From now on the thread's stubs sample by themselves. */
static struct tli_samples *sample_at(struct tli_thread *thread, uint32_t seed)
{
    struct tli_samples *samples = &tli_ring.samples[slot_of(thread)];
    tli_samples_begin(samples, tli_ring.one_in, seed);
    thread->samples = (uintptr_t)samples;
    atomic_store_explicit(&thread->sampling, ~thread->pointer, memory_order_relaxed); /* relaxed: [R1] decides */
    return samples;
}

/* The call that word is the entry of. Exits come from stubs of an earlier session. */
static void count_call(struct tli_thread *thread, uint32_t word)
{
    uint64_t event = (uint64_t)word << 32;
    uintptr_t counters = tli_ring.chunks + (uintptr_t)slot_of(thread) * tli_ring.ring_bytes;
    if (TL_EVENT_KIND(event) == TL_EVENT_ENTRY)
        ++*(volatile uint64_t *)(counters + TL_EVENT_VALUE(event) * sizeof(uint64_t));
    count_at(thread, counters);
}

static bool claim_slot(uint32_t slot, uint32_t self)
{
    uint32_t last = tli_ring.owner[slot];
    if (last != 0 && last != self && tl_port_thread_exists(last))
        return false; /* it may be asleep between reserving a slot and storing to it */
    uintptr_t chunks = tli_ring.chunks + (uintptr_t)slot * tli_ring.ring_bytes;
    if (tli_ring.rings[slot].serial == 0 && !tl_port_ring_open(chunks, tli_ring.ring_bytes))
        return false; /* its first owner in this session opens it; twice does no harm */
    uint32_t expected = TL_RING_FREE;
    /* [W3] acquire: what the tracer wrote before it freed the ring. Pairs with its release of state; relaxed when it
     * fails, nothing is read then. */
    return atomic_compare_exchange_strong_explicit(word_of(&tli_ring.rings[slot].state), &expected, TL_RING_LIVE,
                                                   memory_order_acquire, memory_order_relaxed);
}

static struct tli_thread *own(uint32_t slot, uint32_t self, uint32_t session)
{
    struct tli_thread *thread = &tli_ring.threads->block[slot];
    struct tl_ring *ring = &tli_ring.rings[slot];
    tli_ring.owner[slot] = self;
    ring->tid = self;
    /* [W5] release: the id is the owner's. Pairs with the tracer's acquire of serial. Else: it finds the owner before
     * to have ended and takes the ring away. */
    atomic_store_explicit(word_of(&ring->serial), ring->serial + 1, memory_order_release);
    thread->owner = self;
    thread->losing = 0;
    thread->lost_run = 0;
    thread->session = session;
    thread->min_ticks = tli_ring.control->min_ticks;
    aim(thread, 0, 0);
    thread->pointer = tl_port_thread_pointer();
    tl_port_thread_block_set(thread);
    return thread;
}

/* led_to: the block that the segment base leads to, of this thread or of the one that it inherited it from. */
static struct tli_thread *claim(struct tli_thread *led_to, bool mine, uint32_t session)
{
    uint32_t self = tl_port_thread_id();
    uint64_t kept = led_to ? tli_ring.kept[slot_of(led_to)] : 0;
    if (mine && claim_slot(slot_of(led_to), self))
        return own(slot_of(led_to), self, session);
    for (uint32_t i = 0; i < TL_THREADS_MAX; i++) {
        /* relaxed, both: only hints, claim_slot() decides */
        uint32_t slot = atomic_fetch_add_explicit(&tli_ring.next_slot, 1, memory_order_relaxed) % TL_THREADS_MAX;
        if (atomic_load_explicit(word_of(&tli_ring.rings[slot].state), memory_order_relaxed) == TL_RING_FREE &&
            claim_slot(slot, self)) {
            tli_ring.kept[slot] = kept;
            return own(slot, self, session);
        }
    }
    return 0;
}

/* In a forked child nobody reads the rings: its threads write into the waste for ever, at the price of a record. */
static void mute(const struct tli_thread *led_to)
{
    struct tli_threads *threads = tli_ring.threads;
    uint32_t slot = atomic_fetch_add_explicit(&threads->mute_count, 1, memory_order_relaxed); /* relaxed: only unique */
    if (slot >= TL_THREADS_MAX)
        return;
    struct tli_thread *thread = &threads->block[slot];
    tli_ring.kept[slot] = led_to ? tli_ring.kept[slot_of(led_to)] : 0;
    aim(thread, waste_of(thread), waste_of(thread) + TLI_WASTE_BYTES);
    thread->clock_high = (uint32_t)(tl_port_clock() >> 32);
    thread->pointer = tl_port_thread_pointer();
    if (tli_ring.counts && tli_ring.scrap)
        count_at(thread, (uintptr_t)tli_ring.scrap);
    if (tli_ring.one_in > 1)
        sample_at(thread, 0);
    tl_port_thread_block_set(thread);
}

/* The block that the current thread's segment base leads to, if it is one of ours; *foreign: it is somebody else's. */
static struct tli_thread *current(bool *foreign)
{
    uintptr_t base = (uintptr_t)tl_port_thread_block();
    uintptr_t first = (uintptr_t)tli_ring.threads->block;
    bool ours = base >= first && base < first + sizeof(tli_ring.threads->block);
    /* The block of another build's agent, which has left: it is nobody's, and lies where nobody else's memory does. */
    bool older = (uint64_t)base - TL_IMAGE_MEMORY < TL_IMAGE_MEMORY_BYTES;
    *foreign = base != 0 && !ours && !older;
    return ours ? (struct tli_thread *)base : 0;
}

/* The current thread's block, claimed if need be; NULL if it is not to record. *session: the one that runs. */
static struct tli_thread *thread_of_session(uint32_t *session)
{
    bool foreign;
    struct tli_thread *thread = current(&foreign);
    bool mine = thread && thread->pointer == tl_port_thread_pointer();
    if (!tli_ring.threads->alive) {
        if (mine && thread->pointer != 0 && atomic_load_explicit(&thread->limit, memory_order_relaxed) != 0) {
            aim(thread, waste_of(thread), waste_of(thread) + TLI_WASTE_BYTES); /* relaxed: our own */
            thread->clock_high = (uint32_t)(tl_port_clock() >> 32);
        } else if (!foreign) {
            mute(thread);
        }
        return 0;
    }
    /* [R2] acquire: the session's fields are filled. Pairs with the release in tli_ring_start(). */
    *session = atomic_load_explicit(&tli_ring.session, memory_order_acquire);
    if (*session == 0)
        return 0;
    if (foreign) {
        count(&tli_ring.control->gs_taken, 1);
        return 0;
    }
    if (!mine || thread->session != *session)
        thread = claim(thread, mine, *session);
    if (!thread)
        count(&tli_ring.control->threads_lost, 1);
    return thread;
}

/* A thread that may make no system call: its block, if it has one, leads to its waste. True: it is one. */
static bool quiet(void)
{
    bool foreign;
    struct tli_thread *thread = current(&foreign);
    if (!thread || !(tli_ring.kept[slot_of(thread)] & TLI_KEPT_QUIET))
        return false;
    if (!tli_ring.threads->alive || atomic_load_explicit(&tli_ring.session, memory_order_relaxed) == 0)
        return true; /* relaxed: a session that ends right now counts as one event more or less */
    if (thread->pointer == tl_port_thread_pointer()) {
        settle_loss(thread);
        thread->losing = 1;
        aim(thread, waste_of(thread), waste_of(thread) + TLI_WASTE_BYTES);
        thread->clock_high = (uint32_t)(tl_port_clock() >> 32);
        count(&tli_ring.rings[slot_of(thread)].lost, 1);
    } else {
        count(&tli_ring.control->threads_lost, 1);
    }
    return true;
}

uint64_t *tli_ring_kept(void)
{
    bool foreign;
    uint32_t session;
    struct tli_thread *led_to = current(&foreign);
    if (led_to && (tli_ring.kept[slot_of(led_to)] & TLI_KEPT_QUIET))
        return &tli_ring.kept[slot_of(led_to)];
    if (led_to && tli_ring.threads->alive && led_to->pointer == tl_port_thread_pointer() &&
        led_to->session == atomic_load_explicit(&tli_ring.session, memory_order_relaxed))
        return &tli_ring.kept[slot_of(led_to)]; /* relaxed: nothing of the session is touched */
    uint64_t state = tl_port_interrupts_off();
    struct tli_thread *thread = thread_of_session(&session);
    if (!thread)
        thread = current(&foreign);
    tl_port_interrupts_restore(state);
    return thread ? &tli_ring.kept[slot_of(thread)] : 0;
}

/* [R1] sequentially consistent on both sides: either tli_ring_stop() sees our limit and clears it, or we see that the
 * session has ended and clear it ourselves. Else: a thread would go on writing into memory of a later session. */
static void give_up_with(uint32_t session, struct tli_thread *thread)
{
    atomic_thread_fence(memory_order_seq_cst); /* [R1], both */
    if (atomic_load_explicit(&tli_ring.session, memory_order_seq_cst) == session)
        return;
    atomic_store_explicit(&thread->limit, 0, memory_order_relaxed); /* relaxed, all: our own */
    atomic_store_explicit(&thread->counting, 0, memory_order_relaxed);
    atomic_store_explicit(&thread->sampling, 0, memory_order_relaxed);
}

static void slow(uint32_t word)
{
    uint32_t session;
    struct tli_thread *thread = thread_of_session(&session);
    if (!thread)
        return;
    if (tli_ring.counts)
        count_call(thread, word);
    else
        record(thread, word);
    give_up_with(session, thread);
}

/* A thread gets its samples with the first call of it that is chosen, by the clock so far. */
static void choose_first(uint32_t word, uintptr_t where, uint32_t seed)
{
    uint32_t session;
    uint64_t state = tl_port_interrupts_off();
    struct tli_thread *thread = thread_of_session(&session);
    if (thread) {
        tli_samples_enter(sample_at(thread, seed), word, where);
        give_up_with(session, thread);
    }
    tl_port_interrupts_restore(state);
}

bool tli_ring_gate(uint32_t word, uintptr_t where)
{
    bool foreign;
    struct tli_thread *thread = current(&foreign);
    uint32_t now = (uint32_t)tl_port_clock();
    if (tli_ring.one_in <= 1)
        return false; /* a thread that was asleep in its stub since an earlier session */
    /* relaxed: our own; others set it to 0 at any time */
    if (thread && atomic_load_explicit(&thread->sampling, memory_order_relaxed) == ~tl_port_thread_pointer())
        return tli_samples_take((struct tli_samples *)thread->samples, tli_ring.one_in, word, where);
    if (!tli_samples_chance(now, tli_ring.one_in))
        return false;
    if (!thread || !(tli_ring.kept[slot_of(thread)] & TLI_KEPT_QUIET)) /* that makes no system call */
        choose_first(word, where, now);
    return true; /* if it has no ring, the record that follows counts as lost */
}

void tli_ring_slow(uint32_t word)
{
    if (quiet())
        return;
    uint64_t state = tl_port_interrupts_off();
    slow(word);
    tl_port_interrupts_restore(state);
}

void tli_ring_start(struct tl_control *control, uint32_t session)
{
    TL_ASSERT(session != 0 && tli_ring.threads && tli_ring.waste);
    tli_ring.control = control;
    tli_ring.rings = (struct tl_ring *)((uintptr_t)control + TL_RINGS_OFFSET);
    tli_ring.chunks = (uintptr_t)control + (uintptr_t)TL_CHUNKS_OFFSET;
    tli_ring.ring_bytes = control->ring_bytes;
    tli_ring.chunk_count = control->ring_bytes / TL_CHUNK_BYTES;
    tli_ring.flight = control->mode == TL_RING_FLIGHT;
    tli_ring.counts = control->mode == TL_RING_COUNT;
    tli_ring.one_in = control->one_in;
    tli_ring.threads->alive = 1;
    atomic_store_explicit(&tli_ring.threads->mute_count, 0, memory_order_relaxed); /* relaxed: no child of ours yet */
    for (uint32_t slot = 0; slot < TL_THREADS_MAX;
         slot++) { /* blocks of the session before, or of the process we were forked from */
        /* relaxed, all: see [R1] */
        atomic_store_explicit(&tli_ring.threads->block[slot].limit, 0, memory_order_relaxed);
        atomic_store_explicit(&tli_ring.threads->block[slot].counting, 0, memory_order_relaxed);
        atomic_store_explicit(&tli_ring.threads->block[slot].sampling, 0, memory_order_relaxed);
    }
    /* [R2] release: see slow(). */
    atomic_store_explicit(&tli_ring.session, session, memory_order_release);
}

void tli_ring_stop(void)
{
    atomic_store_explicit(&tli_ring.session, 0, memory_order_seq_cst); /* [R1] see slow() */
    atomic_thread_fence(memory_order_seq_cst);
    for (uint32_t slot = 0; slot < TL_THREADS_MAX; slot++) {
        struct tli_thread *thread = &tli_ring.threads->block[slot];
        if (thread->pointer == 0 && thread->owner == 0)
            continue;
        settle_loss(thread);
        thread->losing = 0;
        atomic_store_explicit(&thread->limit, 0, memory_order_seq_cst); /* [R1], all */
        atomic_store_explicit(&thread->counting, 0, memory_order_seq_cst);
        atomic_store_explicit(&thread->sampling, 0, memory_order_seq_cst);
    }
}
