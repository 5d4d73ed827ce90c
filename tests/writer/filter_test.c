/* SPDX-License-Identifier: MIT
 *
 * The filter of calls: short ones and deep ones do not come out, the calls around those that do come out first, times
 * never go down, whatever the input is cut into.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <tests/writer/synthetic.h>
#include <writer/filter.h>

enum { A = 1, B, C, D };

/* "+A10 -A20 ": entries and exits with their 64-bit times; "?3" is lost. */
static void transcript(char *to, size_t room, const uint64_t *events, size_t count, uint64_t *high, uint64_t *last)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t value = TL_EVENT_VALUE(events[i]);
        uint64_t time = *high | TL_EVENT_TIME32(events[i]);
        size_t length = strlen(to);
        switch (TL_EVENT_KIND(events[i])) {
        case TL_EVENT_CLOCK:
            *high = (uint64_t)value << 32;
            continue;
        case TL_EVENT_LOST:
            snprintf(to + length, room - length, "?%u ", value);
            continue;
        default:
            snprintf(to + length, room - length, "%c%c%llu ", TL_EVENT_KIND(events[i]) == TL_EVENT_ENTRY ? '+' : '-',
                     (char)('A' + (int)value - 1), (unsigned long long)time);
        }
        assert_true(time >= *last);
        *last = time;
    }
}

/* The same whether the events come at once or one at a time. */
static void expect(struct script *script, const struct tl_filter_limits *limits, uint64_t end, const char *wanted)
{
    for (size_t step = 1; step <= script->count; step += script->count > 1 ? script->count - 1 : 1) {
        struct tl_filter_stage *stage = tl_filter_stage_new(limits);
        char text[2000] = "";
        uint64_t high = 0, last = 0;
        size_t count;
        for (size_t i = 0; i <= script->count; i += step) {
            size_t some = script->count - i < step ? script->count - i : step;
            assert_int_equal(tl_filter_stage_feed(stage, script->events + i, some), 0);
            const uint64_t *out = tl_filter_stage_take(stage, &count);
            transcript(text, sizeof text, out, count, &high, &last);
        }
        assert_int_equal(tl_filter_stage_end(stage, end), 0);
        const uint64_t *out = tl_filter_stage_take(stage, &count);
        transcript(text, sizeof text, out, count, &high, &last);
        assert_string_equal(text, wanted);
        tl_filter_stage_free(stage);
    }
    free(script->events);
}

static void short_calls_are_left_out_and_their_callers_kept(void **state)
{
    (void)state;
    struct script script = {0};
    const struct tl_filter_limits limits = {.min_ticks = 100};
    enter(&script, 10, A);
    enter(&script, 20, B);
    leave(&script, 30, B);
    enter(&script, 40, C);
    enter(&script, 50, D);
    leave(&script, 150, D);
    leave(&script, 160, C);
    enter(&script, 170, B);
    leave(&script, 269, B);
    leave(&script, 300, A);
    enter(&script, 310, A);
    leave(&script, 409, A);
    expect(&script, &limits, 500, "+A10 +C40 +D50 -D150 -C160 -A300 ");
}

static void times_over_a_wrap_are_kept(void **state)
{
    (void)state;
    struct script script = {0};
    const struct tl_filter_limits limits = {.min_ticks = 100};
    enter(&script, 0xfffffff0, A);
    enter(&script, 0xfffffff8, B);
    enter(&script, 0x100000004, C);
    leave(&script, 0x100000010, C);
    leave(&script, 0x300000000, B);
    leave(&script, 0x300000001, A);
    expect(&script, &limits, 0x300000001, "+A4294967280 +B4294967288 -B12884901888 -A12884901889 ");
}

static void deep_calls_are_left_out(void **state)
{
    (void)state;
    struct script script = {0};
    const struct tl_filter_limits limits = {.depth = 2};
    enter(&script, 1, A);
    enter(&script, 2, B);
    enter(&script, 3, C);
    enter(&script, 4, B);
    leave(&script, 5, B);
    leave(&script, 6, C);
    leave(&script, 7, B);
    enter(&script, 8, C);
    leave(&script, 9, C);
    leave(&script, 10, A);
    expect(&script, &limits, 10, "+A1 +B2 -B7 +C8 -C9 -A10 ");
}

static void hidden_functions_do_not_count_as_levels(void **state)
{
    (void)state;
    struct script script = {0};
    static const uint8_t hidden[] = {0, 1, 0, 0};
    const struct tl_filter_limits limits = {.depth = 2, .hidden = hidden, .hidden_count = 4};
    enter(&script, 1, A);
    enter(&script, 2, B);
    enter(&script, 3, C);
    enter(&script, 4, D);
    leave(&script, 5, D);
    leave(&script, 6, C);
    leave(&script, 7, B);
    leave(&script, 8, A);
    expect(&script, &limits, 8, "+A1 +C3 -C6 -A8 ");
}

static void open_calls_are_as_long_as_they_last(void **state)
{
    (void)state;
    struct script script = {0};
    const struct tl_filter_limits limits = {.min_ticks = 100};
    enter(&script, 10, A);
    enter(&script, 50, B);
    expect(&script, &limits, 120, "+A10 ");
}

static void a_gap_ends_what_is_not_known(void **state)
{
    (void)state;
    struct script script = {0};
    const struct tl_filter_limits limits = {.min_ticks = 100};
    enter(&script, 10, A);
    enter(&script, 150, B); /* A is long enough now */
    lose(&script, 160, 7);
    leave(&script, 400, B);
    enter(&script, 410, C);
    leave(&script, 420, C);
    leave(&script, 500, A);
    expect(&script, &limits, 600, "+A10 ?7 -A500 ");
}

/* A told call that was left comes back while a short one waits: its exit must not overtake an entry. */
static void an_exit_waits_for_entries_before_it(void **state)
{
    (void)state;
    struct script script = {0};
    const struct tl_filter_limits limits = {.min_ticks = 100};
    enter(&script, 0, A);
    enter(&script, 10, B);
    enter(&script, 200, C);
    leave(&script, 210, A); /* B was told, C was not */
    enter(&script, 220, A);
    enter(&script, 225, D);
    leave(&script, 230, B);
    leave(&script, 240, C);
    leave(&script, 250, D);
    leave(&script, 400, A);
    expect(&script, &limits, 400, "+A0 +B10 -A210 +A220 -B230 -A400 ");
}

static void exits_from_before_are_left_out(void **state)
{
    (void)state;
    struct script script = {0};
    const struct tl_filter_limits limits = {.min_ticks = 1};
    leave(&script, 5, C);
    enter(&script, 10, A);
    leave(&script, 20, B);
    leave(&script, 30, A);
    expect(&script, &limits, 30, "+A10 -A30 ");
}

static void without_limits_all_comes_through(void **state)
{
    (void)state;
    struct script script = {0};
    const struct tl_filter_limits limits = {0};
    enter(&script, 10, A);
    enter(&script, 10, B);
    leave(&script, 10, B);
    leave(&script, 20, A);
    expect(&script, &limits, 20, "+A10 +B10 -B10 -A20 ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(short_calls_are_left_out_and_their_callers_kept),
        cmocka_unit_test(times_over_a_wrap_are_kept),
        cmocka_unit_test(deep_calls_are_left_out),
        cmocka_unit_test(hidden_functions_do_not_count_as_levels),
        cmocka_unit_test(open_calls_are_as_long_as_they_last),
        cmocka_unit_test(a_gap_ends_what_is_not_known),
        cmocka_unit_test(an_exit_waits_for_entries_before_it),
        cmocka_unit_test(exits_from_before_are_left_out),
        cmocka_unit_test(without_limits_all_comes_through),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
