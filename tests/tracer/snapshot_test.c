/* SPDX-License-Identifier: MIT
 *
 * Copies of rings that are overwritten meanwhile, as fast as a thread can, also by events that go again:
 * tracer/snapshot.c. Each event holds a number of its own and that of the event before it: what is copied must be one
 * chain.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above */
#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <tracer/snapshot.h>
#include <wire/event.h>

enum { CHUNKS = 4, WRITERS = 2, SNAPSHOTS = 3000, SLOTS = TL_CHUNK_BYTES / TL_EVENT_BYTES, PAGE_SLOTS = 512 };

struct writer {
    struct tl_agent *agent;
    unsigned slot;
    bool retracts;
    _Atomic bool stop;
    pthread_t thread;
};

/* As core/ring.c does. */
static _Atomic uint64_t *open_chunk(const struct writer *writer)
{
    _Atomic uint32_t *head = (_Atomic uint32_t *)&tl_agent_ring(writer->agent, writer->slot)->head;
    uint32_t number = atomic_load_explicit(head, memory_order_relaxed);
    _Atomic uint64_t *chunk = (_Atomic uint64_t *)tl_agent_chunk(writer->agent, writer->slot, number);
    atomic_thread_fence(memory_order_release);
    for (unsigned i = 0; i < SLOTS; i++)
        atomic_store_explicit(&chunk[i], 0, memory_order_relaxed);
    atomic_store_explicit(head, number + 1, memory_order_release);
    return chunk;
}

static uint32_t number_of(uint64_t event)
{
    return TL_EVENT_TIME32(event);
}

static void *write_ring(void *data)
{
    const struct writer *writer = data;
    uint32_t number = 1, before = 0, random = 7;
    while (!atomic_load_explicit(&writer->stop, memory_order_relaxed)) {
        _Atomic uint64_t *chunk = open_chunk(writer);
        for (unsigned at = 0; at < SLOTS;) {
            random = random * 1664525u + 1013904223u;
            if (writer->retracts && at % PAGE_SLOTS != 0 && (random >> 24) % 5 < 2) {
                /* The last event goes again: it knows which was the last before it. */
                before = TL_EVENT_VALUE(atomic_load_explicit(&chunk[--at], memory_order_relaxed));
                atomic_store_explicit(&chunk[at], 0, memory_order_release);
                continue;
            }
            /* release: in order, as x86 keeps them */
            atomic_store_explicit(&chunk[at++], TL_EVENT(number, TL_EVENT_ENTRY, before), memory_order_release);
            before = number;
            number = number % TL_EVENT_VALUE_MAX + 1;
        }
    }
    return NULL;
}

/* Follows one ring's chain; returns how many events there are. */
static uint32_t check_ring(const struct tl_agent *copy, unsigned slot)
{
    const struct tl_ring *ring = tl_agent_ring(copy, slot);
    uint32_t count = 0, before = 0;
    bool ended = false;
    assert_in_range(ring->head - ring->tail, ring->head ? 1 : 0, CHUNKS - 1);
    for (uint32_t n = ring->tail; n != ring->head; n++) {
        const uint64_t *chunk = tl_agent_chunk(copy, slot, n);
        for (unsigned i = 0; i < SLOTS; i++) {
            if (chunk[i] == 0) {
                assert_int_equal(n + 1, ring->head); /* only the newest has an end */
                ended = true;
                continue;
            }
            assert_false(ended);
            if (count++)
                assert_int_equal(TL_EVENT_VALUE(chunk[i]), before);
            before = number_of(chunk[i]);
        }
    }
    return count;
}

static struct tl_agent an_agent(void)
{
    struct tl_agent agent = {.shared_bytes = TL_CHUNKS_OFFSET + (uint64_t)TL_THREADS_MAX * CHUNKS * TL_CHUNK_BYTES};
    agent.control =
        mmap(NULL, agent.shared_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_ptr_not_equal(agent.control, MAP_FAILED);
    agent.control->ring_bytes = CHUNKS * TL_CHUNK_BYTES;
    agent.control->mode = TL_RING_FLIGHT;
    return agent;
}

static void snapshots(bool retracts)
{
    static const unsigned slots[WRITERS] = {0, 5};
    struct tl_agent agent = an_agent(), copy;
    struct writer writers[WRITERS];
    uint64_t events = 0, overtaken = 0;
    for (unsigned i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){.agent = &agent, .slot = slots[i], .retracts = retracts};
        assert_int_equal(pthread_create(&writers[i].thread, NULL, write_ring, &writers[i]), 0);
    }
    for (unsigned k = 0; k < SNAPSHOTS; k++) {
        assert_true(tl_snapshot_take(&agent, &copy));
        assert_ptr_not_equal(copy.control, agent.control);
        for (unsigned i = 0; i < WRITERS; i++) {
            const struct tl_ring *ring = tl_agent_ring(&copy, slots[i]);
            events += check_ring(&copy, slots[i]);
            overtaken += ring->head >= CHUNKS && ring->tail != ring->head - CHUNKS + 1;
        }
        assert_int_equal(check_ring(&copy, 1), 0);
        tl_snapshot_free(&copy);
    }
    for (unsigned i = 0; i < WRITERS; i++) {
        atomic_store_explicit(&writers[i].stop, true, memory_order_relaxed);
        pthread_join(writers[i].thread, NULL);
    }
    print_message("%llu events, %llu times overtaken\n", (unsigned long long)events, (unsigned long long)overtaken);
    assert_true(events > 0);
    munmap(agent.control, agent.shared_bytes);
}

static void what_is_copied_is_one_chain(void **state)
{
    (void)state;
    snapshots(false);
}

static void what_is_copied_while_events_go_again_is_one_chain(void **state)
{
    (void)state;
    snapshots(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_copied_is_one_chain),
        cmocka_unit_test(what_is_copied_while_events_go_again_is_one_chain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
