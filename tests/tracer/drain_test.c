/* SPDX-License-Identifier: MIT
 *
 * Whose ring is read to its end and given away: tracer/drain.c. The rings' other side is played by this process, whose
 * own threads they belong to.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above */
#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <tracer/drain.h>
#include <unistd.h>
#include <wire/event.h>

enum { OWNERS = 300, RING_BYTES = 2 * TL_CHUNK_BYTES };

static struct tl_agent agent;
static struct tl_drain *drain;
static uint64_t taken; /* events that reached the writer */
static _Atomic bool over;

static int take_packet(struct tl_writer *writer, const struct tl_recording_packet *packet)
{
    (void)writer;
    for (size_t i = 0; i < packet->count; i++)
        taken += TL_EVENT_KIND(packet->events[i]) <= TL_EVENT_EXIT;
    return 0;
}

static const struct tl_writer_ops writer_ops = {.packet = take_packet};

static int open_rings(void **state)
{
    static const struct tl_filter_limits all;
    (void)state;
    taken = 0;
    agent.pid = getpid();
    agent.shared_bytes = TL_CHUNKS_OFFSET + (uint64_t)TL_THREADS_MAX * RING_BYTES;
    agent.control =
        mmap(NULL, agent.shared_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_ptr_not_equal(agent.control, MAP_FAILED);
    agent.control->ring_bytes = RING_BYTES;
    drain = tl_drain_new(&agent, &writer_ops, NULL, &all);
    assert_non_null(drain);
    return 0;
}

static int close_rings(void **state)
{
    (void)state;
    tl_drain_free(drain);
    munmap(agent.control, agent.shared_bytes);
    return 0;
}

static void take_ring(unsigned slot, uint32_t tid)
{
    struct tl_ring *ring = tl_agent_ring(&agent, slot);
    ring->state = TL_RING_LIVE;
    ring->tid = tid;
    atomic_store_explicit((_Atomic uint32_t *)&ring->serial, ring->serial + 1, memory_order_release); /* [W5] */
}

/* The ring's first or next event; a chunk holds all of a test. */
static void record(unsigned slot, unsigned number)
{
    uint64_t *chunk = tl_agent_chunk(&agent, slot, 0);
    if (number == 0) {
        chunk[0] = TL_EVENT(0, TL_EVENT_CLOCK, 1);
        tl_agent_ring(&agent, slot)->head = 1;
    }
    chunk[number + 1] = TL_EVENT(number, TL_EVENT_ENTRY, 1);
}

static void *say_id(void *id)
{
    *(uint32_t *)id = (uint32_t)syscall(SYS_gettid);
    return NULL;
}

/* The id of a thread that has ended. */
static uint32_t ended_thread(void)
{
    pthread_t thread;
    uint32_t id = 0;
    assert_int_equal(pthread_create(&thread, NULL, say_id, &id), 0);
    pthread_join(thread, NULL);
    return id;
}

static void an_ended_threads_ring_is_read_and_given_away(void **state)
{
    (void)state;
    take_ring(7, ended_thread());
    record(7, 0);
    record(7, 1);
    assert_int_equal(tl_drain_reap(drain), 0);
    assert_int_equal(tl_agent_ring(&agent, 7)->state, TL_RING_FREE);
    assert_int_equal(taken, 2);
}

/* Between the two steps of taking a ring it is still known by its last owner's id. */
static void a_ring_that_is_being_taken_stays_its_new_owners(void **state)
{
    struct tl_ring *ring = tl_agent_ring(&agent, 7);
    (void)state;
    ring->state = TL_RING_LIVE;
    assert_int_equal(tl_drain_reap(drain), 0);
    assert_int_equal(ring->state, TL_RING_LIVE); /* its first owner, who has not said who it is */
    take_ring(7, ended_thread());
    record(7, 0);
    assert_int_equal(tl_drain_reap(drain), 0);
    assert_int_equal(ring->state, TL_RING_FREE);
    ring->state = TL_RING_LIVE;
    assert_int_equal(tl_drain_reap(drain), 0);
    assert_int_equal(ring->state, TL_RING_LIVE);
}

static void *own_ring(void *slot)
{
    take_ring((unsigned)(uintptr_t)slot, (uint32_t)syscall(SYS_gettid));
    record((unsigned)(uintptr_t)slot, 0);
    while (!atomic_load(&over))
        usleep(10000);
    record((unsigned)(uintptr_t)slot, 1);
    return NULL;
}

/* Owners come one by one, each behind another that ends. */
static void *start_owners(void *owner)
{
    for (uintptr_t i = 0; i < OWNERS; i++) {
        ended_thread();
        assert_int_equal(pthread_create((pthread_t *)owner + i, NULL, own_ring, (void *)i), 0);
        usleep(1000);
    }
    atomic_store(&over, true);
    return NULL;
}

static void living_threads_keep_their_rings_while_others_come_and_go(void **state)
{
    pthread_t owner[OWNERS], starter;
    (void)state;
    atomic_store(&over, false);
    assert_int_equal(pthread_create(&starter, NULL, start_owners, owner), 0);
    while (!atomic_load(&over)) {
        assert_int_equal(tl_drain_reap(drain), 0);
        assert_true(tl_drain_run(drain) >= 0);
    }
    pthread_join(starter, NULL);
    for (unsigned i = 0; i < OWNERS; i++)
        pthread_join(owner[i], NULL);
    assert_int_equal(tl_drain_finish(drain, 0), 0);
    assert_int_equal(taken, 2 * OWNERS);
    assert_int_equal(tl_drain_count(drain).threads, OWNERS);
    assert_int_equal(tl_drain_count(drain).lost, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_ended_threads_ring_is_read_and_given_away, open_rings, close_rings),
        cmocka_unit_test_setup_teardown(a_ring_that_is_being_taken_stays_its_new_owners, open_rings, close_rings),
        cmocka_unit_test_setup_teardown(living_threads_keep_their_rings_while_others_come_and_go, open_rings,
                                        close_rings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
