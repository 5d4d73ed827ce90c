/* SPDX-License-Identifier: MIT
 *
 * Which calls are chosen, and which exits belong to them: core/sample.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above */
#include <cmocka.h>
#include <core/sample.h>
#include <wire/event.h>

enum { CALLS = 4000000, STACK = 0x7fff0000 };

static uint32_t word(unsigned kind, uint32_t function)
{
    return (uint32_t)(TL_EVENT(0, kind, function) >> 32);
}

/* What a stub does before it comes here. */
static bool enter(struct tli_samples *samples, uint32_t one_in, uint32_t function, uintptr_t where)
{
    bool comes = --samples->left <= 0 || samples->open[(where >> 4) % TL_SAMPLES_MAX] == where;
    return comes && tli_samples_take(samples, one_in, word(TL_EVENT_ENTRY, function), where);
}

static bool leave(struct tli_samples *samples, uint32_t one_in, uint32_t function, uintptr_t where)
{
    return samples->open[(where >> 4) % TL_SAMPLES_MAX] == where &&
           tli_samples_take(samples, one_in, word(TL_EVENT_EXIT, function), where);
}

/* Chooses until a call is taken. */
static void enter_surely(struct tli_samples *samples, uint32_t function, uintptr_t where)
{
    for (int i = 0; i < 1000; i++)
        if (enter(samples, 2, function, where))
            return;
    fail();
}

/* Eight standard deviations away from n / one_in, of which a draw from 1 to 2 N - 1 needs a third at most. */
static void assert_share(uint64_t got, uint64_t n, uint32_t one_in)
{
    double wanted = (double)n / one_in, off = (double)got - wanted;
    assert_true(off * off < 64 * wanted);
}

static void each_call_of_a_pattern_has_its_share(void **state)
{
    static const uint32_t parts[] = {2, 3, 6, 10, 100, 1000};
    (void)state;
    for (unsigned k = 0; k < sizeof(parts) / sizeof(parts[0]); k++) {
        struct tli_samples samples = {0};
        uint64_t taken[6] = {0};
        tli_samples_begin(&samples, parts[k], 12345);
        for (uint32_t i = 0; i < CALLS; i++) {
            bool in = enter(&samples, parts[k], i % 6 + 1, STACK);
            taken[i % 6] += in;
            assert_int_equal(leave(&samples, parts[k], i % 6 + 1, STACK), in);
        }
        for (unsigned i = 0; i < 6; i++)
            assert_share(taken[i], CALLS / 6, parts[k]);
    }
}

static void chance_is_one_in_n_of_a_clock_with_any_step(void **state)
{
    static const uint32_t steps[] = {1, 2, 26, 36, 64, 1000, 4096, 65536 + 1};
    (void)state;
    for (unsigned k = 0; k < sizeof(steps) / sizeof(steps[0]); k++) {
        uint64_t taken = 0;
        for (uint32_t i = 0; i < CALLS; i++)
            taken += tli_samples_chance(i * steps[k], 100);
        assert_share(taken, CALLS, 100);
    }
}

static void an_exit_belongs_to_its_entry(void **state)
{
    struct tli_samples samples = {0};
    (void)state;
    tli_samples_begin(&samples, 2, 1);
    enter_surely(&samples, 7, STACK);
    assert_false(leave(&samples, 2, 7, STACK - 16));
    assert_false(leave(&samples, 2, 8, STACK)); /* come to by a jump */
    assert_true(leave(&samples, 2, 7, STACK));
    assert_false(leave(&samples, 2, 7, STACK));
}

static void calls_return_out_of_order(void **state)
{
    struct tli_samples samples = {0};
    (void)state;
    tli_samples_begin(&samples, 2, 1);
    for (unsigned i = 0; i < TL_SAMPLES_MAX; i++)
        enter_surely(&samples, i + 1, STACK - 16 * i);
    for (unsigned i = 0; i < TL_SAMPLES_MAX; i++) {
        unsigned k = (i * 29 + 5) % TL_SAMPLES_MAX;
        assert_true(leave(&samples, 2, k + 1, STACK - 16 * k));
    }
}

static void what_was_left_without_an_exit_is_forgotten_by_the_next_entry_there(void **state)
{
    struct tli_samples samples = {0};
    (void)state;
    for (uint32_t seed = 0; seed < 50; seed++) {
        tli_samples_begin(&samples, 1000000, seed);
        samples.left = 1;
        assert_true(enter(&samples, 1000000, 7, STACK));
        samples.left = 100;
        assert_false(enter(&samples, 1000000, 7, STACK)); /* a new call of the same function at the same place */
        assert_false(leave(&samples, 1000000, 7, STACK));
    }
}

static void no_more_are_taken_than_there_is_room_for(void **state)
{
    struct tli_samples samples = {0};
    unsigned taken = 0;
    (void)state;
    tli_samples_begin(&samples, 2, 3);
    for (unsigned i = 0; i < 100000; i++)
        taken += enter(&samples, 2, 1, STACK - 16 * i);
    assert_int_equal(taken, TL_SAMPLES_MAX);
    for (unsigned i = 100000; i-- > 0;)
        taken -= leave(&samples, 2, 1, STACK - 16 * i);
    assert_int_equal(taken, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_call_of_a_pattern_has_its_share),
        cmocka_unit_test(chance_is_one_in_n_of_a_clock_with_any_step),
        cmocka_unit_test(an_exit_belongs_to_its_entry),
        cmocka_unit_test(calls_return_out_of_order),
        cmocka_unit_test(what_was_left_without_an_exit_is_forgotten_by_the_next_entry_there),
        cmocka_unit_test(no_more_are_taken_than_there_is_room_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
