/* SPDX-License-Identifier: MIT
 *
 * Pairing entries and exits: what counts as a call and how long it took, for recursion, tail calls, exceptions,
 * coroutines, gaps and orphans. A transcript of what the sink is told is compared.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <reader/calls.h>
#include <reader/histogram.h>
#include <tests/writer/synthetic.h>

enum { A = 1, B, C, D };

static char told[4096];

static void tell(const char *what, const struct tl_call *call, const char *rest)
{
    size_t length = strlen(told);
    snprintf(told + length, sizeof told - length, "%s%*s%c%s\n", what, (int)call->depth + 1, "",
             (char)('A' + (int)call->function - 1), rest);
}

static void entered(void *data, const struct tl_call *call)
{
    (void)data;
    tell("+", call, "");
}

static void returned(void *data, const struct tl_call *call)
{
    char rest[100];
    (void)data;
    snprintf(rest, sizeof rest, " %llu self %llu%s%s", (unsigned long long)(call->end - call->start),
             (unsigned long long)call->self, call->outermost ? "" : " inner", call->exact ? "" : " gap");
    tell("-", call, rest);
}

static void left(void *data, const struct tl_call *call)
{
    (void)data;
    tell("!", call, "");
}

static void resumed(void *data, const struct tl_call *call)
{
    (void)data;
    tell("~", call, "");
}

static void expect(struct script *script, const char *wanted, uint64_t orphans)
{
    const struct tl_calls_sink sink = {.entered = entered, .returned = returned, .left = left, .resumed = resumed};
    struct tl_calls *calls = tl_calls_new(&sink, 4);
    assert_non_null(calls);
    told[0] = '\0';
    const char *wrong = tl_calls_feed(calls, script->events, script->count);
    assert_null(wrong);
    tl_calls_end(calls);
    assert_string_equal(told, wanted);
    assert_int_equal(tl_calls_orphans(calls), orphans);
    tl_calls_free(calls);
    free(script->events);
}

static void calls_nest(void **state)
{
    (void)state;
    struct script script = {0};
    enter(&script, 10, A);
    enter(&script, 20, B);
    leave(&script, 25, B);
    enter(&script, 30, C);
    leave(&script, 40, C);
    leave(&script, 0x100000000a, A);
    expect(&script, "+ A\n+  B\n-  B 5 self 5\n+  C\n-  C 10 self 10\n- A 68719476736 self 68719476721\n", 0);
}

static void recursion_has_one_outermost_call(void **state)
{
    (void)state;
    struct script script = {0};
    enter(&script, 0, A);
    enter(&script, 10, A);
    enter(&script, 20, A);
    leave(&script, 30, A);
    leave(&script, 40, A);
    leave(&script, 50, A);
    expect(&script, "+ A\n+  A\n+   A\n-   A 10 self 10 inner\n-  A 30 self 20 inner\n- A 50 self 20\n", 0);
}

static void a_tail_call_is_an_exit_and_an_entry(void **state)
{
    (void)state;
    struct script script = {0};
    enter(&script, 0, A);
    leave(&script, 10, A);
    enter(&script, 10, B);
    leave(&script, 15, B);
    expect(&script, "+ A\n- A 10 self 10\n+ B\n- B 5 self 5\n", 0);
}

static void an_exception_leaves_the_calls_between(void **state)
{
    (void)state;
    struct script script = {0};
    enter(&script, 0, A);
    enter(&script, 10, B);
    enter(&script, 20, C);
    leave(&script, 30, A);
    enter(&script, 40, C);
    leave(&script, 45, C);
    expect(&script, "+ A\n+  B\n+   C\n!   C\n!  B\n- A 30 self 30\n+ C\n- C 5 self 5\n", 0);
}

static void a_coroutine_comes_back(void **state)
{
    (void)state;
    struct script script = {0};
    enter(&script, 0, A); /* resume */
    enter(&script, 10, B);
    enter(&script, 20, C); /* yields: A returns on the other stack */
    leave(&script, 30, A);
    enter(&script, 40, A);
    leave(&script, 50, C);
    enter(&script, 60, D);
    leave(&script, 65, D);
    leave(&script, 70, B);
    leave(&script, 80, A);
    expect(&script,
           "+ A\n+  B\n+   C\n!   C\n!  B\n- A 30 self 30\n+ A\n~  B\n~   C\n-   C 30 self 30\n+   D\n-   D 5 self 5\n"
           "-  B 60 self 25\n- A 40 self 0\n",
           0);
}

static void exits_of_earlier_calls_are_orphans(void **state)
{
    (void)state;
    struct script script = {0};
    leave(&script, 5, C);
    enter(&script, 10, A);
    leave(&script, 15, B);
    leave(&script, 20, A);
    expect(&script, "+ A\n- A 10 self 10\n", 2);
}

static void what_spans_a_gap_has_no_time(void **state)
{
    (void)state;
    struct script script = {0};
    enter(&script, 0, A);
    enter(&script, 10, B);
    lose(&script, 20, 1000);
    enter(&script, 30, C);
    leave(&script, 35, C);
    leave(&script, 40, B);
    enter(&script, 50, C);
    leave(&script, 60, C);
    leave(&script, 70, A);
    expect(&script,
           "+ A\n+  B\n!  B\n! A\n+ C\n- C 5 self 5\n~ A\n~  B\n-  B 30 self 30 gap\n+  C\n-  C 10 self 10\n"
           "- A 70 self 30 gap\n",
           0);
}

static void open_calls_are_told_of_at_the_end(void **state)
{
    (void)state;
    struct script script = {0};
    enter(&script, 0, A);
    enter(&script, 10, B);
    expect(&script, "+ A\n+  B\n!  B\n! A\n", 0);
}

static void an_unknown_function_is_refused(void **state)
{
    (void)state;
    const struct tl_calls_sink sink = {.returned = returned};
    struct tl_calls *calls = tl_calls_new(&sink, 4);
    const uint64_t bad[] = {TL_EVENT(1, 0, 5), TL_EVENT(1, 0, 0), TL_EVENT(1, 1, TL_EVENT_VALUE_MAX)};
    for (size_t i = 0; i < 3; i++)
        assert_non_null(tl_calls_feed(calls, &bad[i], 1));
    tl_calls_free(calls);
}

/* A function whose exits are not seen, called without end: memory stays bounded, counts stay right. */
static uint64_t many_left;

static void count_left(void *data, const struct tl_call *call)
{
    (void)data;
    (void)call;
    many_left++;
}

static void endless_entries_are_bounded(void **state)
{
    (void)state;
    const struct tl_calls_sink sink = {.returned = returned, .left = count_left};
    struct tl_calls *calls = tl_calls_new(&sink, 4);
    uint64_t events[1000];
    for (size_t i = 0; i < 1000; i++)
        events[i] = TL_EVENT(i, 0, 1 + i % 4);
    for (int i = 0; i < 12000; i++)
        assert_null(tl_calls_feed(calls, events, 1000));
    tl_calls_end(calls);
    assert_true(many_left > 1000 && many_left <= (1u << 22));
    tl_calls_free(calls);
}

static void percentiles_are_near(void **state)
{
    (void)state;
    struct tl_histogram histogram = {0};
    for (uint64_t value = 1; value <= 100000; value++)
        assert_true(tl_histogram_add(&histogram, value * 1000));
    for (unsigned per_mille = 1; per_mille <= 1000; per_mille++) {
        double exact = per_mille * 100.0 * 1000, got = (double)tl_histogram_at(&histogram, 100000, per_mille);
        assert_true(got > exact * 0.98 && got < exact * 1.02);
    }
    tl_histogram_free(&histogram);
    memset(&histogram, 0, sizeof histogram);
    assert_true(tl_histogram_add(&histogram, UINT64_MAX) && tl_histogram_add(&histogram, 0));
    assert_int_equal(tl_histogram_at(&histogram, 2, 500), 0);
    assert_true(tl_histogram_at(&histogram, 2, 990) > UINT64_MAX / 100 * 98);
    tl_histogram_free(&histogram);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_nest),
        cmocka_unit_test(recursion_has_one_outermost_call),
        cmocka_unit_test(a_tail_call_is_an_exit_and_an_entry),
        cmocka_unit_test(an_exception_leaves_the_calls_between),
        cmocka_unit_test(a_coroutine_comes_back),
        cmocka_unit_test(exits_of_earlier_calls_are_orphans),
        cmocka_unit_test(what_spans_a_gap_has_no_time),
        cmocka_unit_test(open_calls_are_told_of_at_the_end),
        cmocka_unit_test(an_unknown_function_is_refused),
        cmocka_unit_test(endless_entries_are_bounded),
        cmocka_unit_test(percentiles_are_near),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
