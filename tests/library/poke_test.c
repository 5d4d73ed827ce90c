/* SPDX-License-Identifier: MIT
 *
 * No call lost, for real: threads and their signal handlers call through places that another thread switches
 * nop -> call A -> call B -> nop, one by one and in batches. Each counts what its calls reached.
 */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <core/poke.h>
#include <trapline/poke.h>
#include <trapline/self.h>

#define PLACES 64
#define PLACE_BYTES 9 /* so that they lie at all alignments */
#define THREADS 3
#define BATCHES 1500
#define SINGLES 6000

struct counts {
    uint64_t a, b; /* calls that reached A, B */
};

/* Each place is a function: a nop of five bytes, ret, filling. A and B add one; nothing else changes, not even a flag
 * that a caller could miss. */
extern uint8_t places[PLACES][PLACE_BYTES], target_a[], target_b[];
__asm__(".pushsection .text\n"
        "places: .rept 64\n"
        "    .byte 0x0f, 0x1f, 0x44, 0x00, 0x00\n"
        "    ret\n"
        "    .byte 0xcc, 0xcc, 0xcc\n"
        "    .endr\n"
        "target_a: incq (%rdi)\n"
        "    ret\n"
        "target_b: incq 8(%rdi)\n"
        "    ret\n"
        ".popsection\n");

/* Odd: only calls stand at the places. A call that begins and ends under the same odd number reached A or B. */
static atomic_uint phase;
static atomic_bool ended;
static atomic_ulong decided, undecided, lost, twice, in_handlers;

static void call_place(unsigned i, bool handler)
{
    struct counts counts = {0, 0};
    unsigned before = atomic_load(&phase);
    ((void (*)(struct counts *))(uintptr_t)places[i])(&counts);
    unsigned after = atomic_load(&phase);
    if (counts.a + counts.b > 1)
        atomic_fetch_add(&twice, 1);
    if (!(before & 1) || before != after) {
        atomic_fetch_add(&undecided, 1);
        return;
    }
    atomic_fetch_add(&decided, 1);
    if (handler)
        atomic_fetch_add(&in_handlers, 1);
    if (counts.a + counts.b == 0)
        atomic_fetch_add(&lost, 1);
}

static void on_alarm(int signal)
{
    static atomic_uint next;
    (void)signal;
    call_place(atomic_fetch_add(&next, 1) % PLACES, true);
}

static void *caller(void *argument)
{
    timer_t timer;
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM};
    struct itimerspec often = {{0, 200000}, {0, 200000}};
    (void)argument;
    if (timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &timer) == 0)
        timer_settime(timer, 0, &often, 0);
    for (unsigned i = 0; !atomic_load(&ended); i = (i + 1) % PLACES)
        call_place(i, false);
    timer_delete(timer);
    return 0;
}

static struct tl_poke pokes[PLACES];

/* All places, or one, to what; they hold what pokes said last. */
static void switch_to(unsigned from, unsigned count, enum tl_poke_what what, const uint8_t *target)
{
    for (unsigned i = from; i < from + count; i++) {
        struct tl_poke *poke = &pokes[i];
        assert_int_equal(tl_poke_encode(poke->expected, poke), TL_OK);
        poke->what = (uint8_t)what;
        poke->target = (uintptr_t)target;
    }
    assert_int_equal(tl_poke(pokes + from, count, 0), TL_OK);
}

static void in_batches(void)
{
    for (unsigned round = 0; round < BATCHES; round += 3) {
        switch_to(0, PLACES, TL_POKE_CALL, target_a);
        atomic_fetch_add(&phase, 1);
        switch_to(0, PLACES, TL_POKE_CALL, target_b);
        switch_to(0, PLACES, TL_POKE_CALL, target_a);
        switch_to(0, PLACES, TL_POKE_CALL, target_b);
        atomic_fetch_add(&phase, 1);
        switch_to(0, PLACES, TL_POKE_NOP, 0);
    }
}

static void one_by_one(void)
{
    switch_to(0, PLACES, TL_POKE_CALL, target_a);
    atomic_fetch_add(&phase, 1);
    for (unsigned round = 0; round < SINGLES; round++)
        switch_to(round % PLACES, 1, TL_POKE_CALL, round / PLACES & 1 ? target_a : target_b);
    atomic_fetch_add(&phase, 1);
    switch_to(0, PLACES, TL_POKE_NOP, 0);
}

static void under_threads(void (*writer)(void))
{
    pthread_t threads[THREADS];
    struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
    sigaction(SIGALRM, &action, 0);
    atomic_store(&ended, false);
    atomic_store(&decided, 0);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_create(&threads[i], 0, caller, 0);
    writer();
    while (atomic_load(&decided) == 0) /* a slow machine: the threads have not run yet */
        writer();
    atomic_store(&ended, true);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], 0);
    print_message("  %lu calls, %lu in signal handlers, %lu undecided, %lu lost\n", (unsigned long)decided,
                  (unsigned long)in_handlers, (unsigned long)undecided, (unsigned long)lost);
    assert_int_equal(atomic_load(&lost), 0);
    assert_int_equal(atomic_load(&twice), 0);
}

static void no_call_is_lost_in_batches(void **context)
{
    (void)context;
    uint64_t before = tli_poke_count.serialisations, batches = tli_poke_count.batches;
    under_threads(in_batches);
    assert_int_equal(tli_poke_count.serialisations - before, 3 * (tli_poke_count.batches - batches));
}

static void no_call_is_lost_one_by_one(void **context)
{
    (void)context;
    under_threads(one_by_one);
}

static int begin(void **context)
{
    (void)context;
    for (unsigned i = 0; i < PLACES; i++)
        pokes[i] = (struct tl_poke){.address = (uintptr_t)places[i], .what = TL_POKE_NOP, .size = 5};
    return tl_self_start() == TL_OK ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_call_is_lost_in_batches),
        cmocka_unit_test(no_call_is_lost_one_by_one),
    };
    return cmocka_run_group_tests(tests, begin, 0);
}
