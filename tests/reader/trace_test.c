/* SPDX-License-Identifier: MIT
 *
 * Reading recordings back: what was written is what is read, over wraps, gaps, losses and many threads, merged by time;
 * and whatever is broken is refused in a sentence.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <reader/profile.h>
#include <reader/source.h>
#include <reader/trace.h>
#include <tests/writer/synthetic.h>

static const char *const names[] = {"main", "_ZN3foo3barEi", "odd \\ \n\xff name", ""};
#define NAMES (sizeof names / sizeof *names)

static struct tl_trace *open_fine(const char *directory)
{
    char error[600];
    struct tl_trace *trace = tl_trace_open(directory, error, sizeof error);
    if (!trace)
        fail_msg("%s", error);
    return trace;
}

static void names_and_facts_come_back(void **state)
{
    (void)state;
    struct synthetic synthetic;
    struct script script = {0};
    synthetic_folder(&synthetic);
    synthetic.info.command = "prog  a\\b\nc";
    assert_int_equal(synthetic_open(&synthetic, names, NAMES), 0);
    enter(&script, 0xfffffff0, 1);
    lose(&script, 0xfffffff8, 5);
    leave(&script, 0x700000000, 1);
    assert_int_equal(synthetic_packet(&synthetic, 99, &script, 2), 0);
    synthetic.info.tsc_start = 0xffffff00;
    synthetic.info.tsc_end = 0x700000100;
    assert_int_equal(synthetic_close(&synthetic), 0);
    struct tl_trace *trace = open_fine(synthetic.directory);
    assert_string_equal(trace->info.command, "prog  a\\b\nc");
    assert_int_equal(trace->info.pid, 28118);
    assert_int_equal(trace->info.membarriers, 6);
    assert_int_equal(trace->info.held_ns, 812345);
    assert_int_equal(trace->module_count, 1);
    assert_string_equal(trace->modules[0].path, "/usr/bin/prog");
    assert_string_equal(trace->modules[0].build_id, "deadbeef");
    assert_int_equal(trace->modules[0].bias, 0x555500000000);
    assert_int_equal(trace->function_count, NAMES);
    assert_string_equal(trace->functions[2].name, names[2]);
    assert_null(trace->functions[3].name);
    assert_int_equal(trace->functions[3].address, 0x10c0);
    assert_int_equal(trace->thread_count, 1);
    assert_int_equal(trace->threads[0].tid, 99);
    assert_string_equal(trace->threads[0].comm, "prog");
    assert_int_equal(trace->events, 2);
    assert_int_equal(trace->lost, 7);
    assert_int_equal(trace->first_time, 0xfffffff0);
    assert_int_equal(trace->last_time, 0x700000000);
    assert_int_equal(tl_trace_duration_ns(trace), 0x700000100 - 0xffffff00);
    tl_trace_close(trace);
    synthetic_remove(&synthetic);
}

/* Threads whose events interleave, with gaps of minutes: taken in order, none missing. */
static void threads_are_merged_by_time(void **state)
{
    (void)state;
    enum { THREADS = 300, ROUNDS = 20 };
    struct synthetic synthetic;
    struct script script = {0};
    synthetic_folder(&synthetic);
    assert_int_equal(synthetic_open(&synthetic, names, NAMES), 0);
    for (int tid = 1; tid <= THREADS; tid++) {
        for (int round = 0; round < ROUNDS; round++) {
            uint64_t time = (uint64_t)round * 60000000000u + (uint64_t)(tid * 7919 % 1000) * 10;
            enter(&script, time, 2);
            leave(&script, time + 5, 2);
        }
        assert_int_equal(synthetic_packet(&synthetic, tid, &script, 0), 0);
    }
    assert_int_equal(synthetic_close(&synthetic), 0);
    struct tl_trace *trace = open_fine(synthetic.directory);
    const struct tl_profile_filter none = {0};
    struct tl_merge merge;
    struct tl_source_event event;
    uint64_t last = 0, count = 0;
    assert_true(tl_merge_open(&merge, trace, &none));
    while (tl_merge_take(&merge, &event)) {
        assert_true(event.time >= last);
        last = event.time;
        count++;
    }
    assert_int_equal(merge.wrong[0], 0);
    assert_int_equal(count, 2 * THREADS * ROUNDS);
    tl_merge_close(&merge);
    char error[600];
    struct tl_profile *profile = tl_profile_make(trace, &none, NULL, error, sizeof error);
    assert_non_null(profile);
    assert_int_equal(profile->rows[1].calls, THREADS * ROUNDS);
    assert_int_equal(profile->rows[1].total, 5 * THREADS * ROUNDS);
    tl_profile_free(profile);
    tl_trace_close(trace);
    synthetic_remove(&synthetic);
}

/* More events than a block of the reader holds, in packets of any size, so that blocks end anywhere. */
static void large_streams_come_back_whole(void **state)
{
    (void)state;
    struct synthetic synthetic;
    struct script script = {0};
    uint64_t time = 0, count = 0;
    synthetic_folder(&synthetic);
    assert_int_equal(synthetic_open(&synthetic, names, NAMES), 0);
    for (int packet = 1; packet < 400; packet++) {
        for (int i = 0; i < packet * 37 % 1999; i++, count++)
            script_put(&script, time += 1000003, (unsigned)count & 1, 1);
        assert_int_equal(synthetic_packet(&synthetic, 7, &script, 0), 0);
    }
    assert_int_equal(synthetic_close(&synthetic), 0);
    struct tl_trace *trace = open_fine(synthetic.directory);
    assert_int_equal(trace->events, count);
    struct tl_trace_cursor *cursor = tl_trace_cursor_new(trace, &trace->threads[0]);
    struct tl_trace_run run;
    uint64_t seen = 0, expected = 0;
    while (tl_trace_cursor_next(cursor, &run) == 1) {
        for (size_t i = 0; i < run.count; i++, seen++) {
            expected += 1000003;
            assert_int_equal(run.high | TL_EVENT_TIME32(run.events[i]), expected);
            assert_int_equal(TL_EVENT_KIND(run.events[i]), seen & 1);
        }
    }
    assert_int_equal(seen, count);
    tl_trace_cursor_free(cursor);
    tl_trace_close(trace);
    synthetic_remove(&synthetic);
}

/* Calls that never return and are called again must not make the later ones inner calls for ever. */
static void a_call_that_never_returns_hides_no_time(void **state)
{
    (void)state;
    struct synthetic synthetic;
    struct script script = {0};
    char error[600];
    synthetic_folder(&synthetic);
    assert_int_equal(synthetic_open(&synthetic, names, NAMES), 0);
    enter(&script, 0, 1);
    enter(&script, 10, 2); /* left by longjmp */
    for (uint64_t i = 0; i < 5; i++) {
        enter(&script, 100 + i * 20, 2);
        leave(&script, 110 + i * 20, 2);
    }
    leave(&script, 1000, 1);
    enter(&script, 2000, 4); /* a recursion, open at the end */
    enter(&script, 2010, 4);
    leave(&script, 2020, 4);
    assert_int_equal(synthetic_packet(&synthetic, 7, &script, 0), 0);
    assert_int_equal(synthetic_close(&synthetic), 0);
    struct tl_trace *trace = open_fine(synthetic.directory);
    const struct tl_profile_filter none = {0};
    struct tl_profile *profile = tl_profile_make(trace, &none, NULL, error, sizeof error);
    assert_non_null(profile);
    assert_int_equal(profile->rows[1].calls, 6);
    assert_int_equal(profile->rows[1].returned, 5);
    assert_int_equal(profile->rows[1].total, 50);
    assert_int_equal(profile->rows[3].total, 10);
    assert_int_equal(profile->rows[0].self, 1000 - 50);
    tl_profile_free(profile);
    tl_trace_close(trace);
    synthetic_remove(&synthetic);
}

/* Opens and reads all; whatever comes, a sentence or events, no crash. True if all went well. */
static bool read_through(const char *directory, char error[600])
{
    const struct tl_profile_filter none = {0}, some = {.min_ticks = 3, .depth = 2};
    struct tl_trace *trace = tl_trace_open(directory, error, 600);
    if (!trace) {
        assert_true(strlen(error) > 10);
        assert_null(strchr(error, '\n'));
        return false;
    }
    struct tl_profile *profile = tl_profile_make(trace, &none, NULL, error, 600);
    bool fine = profile != NULL;
    tl_profile_free(profile);
    struct tl_merge merge;
    struct tl_source_event event;
    if (tl_merge_open(&merge, trace, &some)) {
        while (tl_merge_take(&merge, &event))
            ;
    }
    tl_merge_close(&merge);
    tl_trace_close(trace);
    return fine;
}

static void write_file(const char *path, const char *data, size_t bytes)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0 && write(fd, data, bytes) == (ssize_t)bytes);
    close(fd);
}

static void make_small(struct synthetic *synthetic)
{
    struct script script = {0};
    synthetic_folder(synthetic);
    assert_int_equal(synthetic_open(synthetic, names, NAMES), 0);
    enter(&script, 10, 1);
    enter(&script, 20, 2);
    leave(&script, 0x100000001, 2);
    lose(&script, 0x100000002, 3);
    leave(&script, 0x100000003, 1);
    assert_int_equal(synthetic_packet(synthetic, 7, &script, 0), 0);
    enter(&script, 15, 4);
    assert_int_equal(synthetic_packet(synthetic, 8, &script, 0), 0);
    assert_int_equal(synthetic_close(synthetic), 0);
}

/* Every byte of each file set to some values, every length. */
static void broken_files_are_refused_or_read_never_worse(void **state)
{
    (void)state;
    static const char *const files[] = {"thread-7", ".trapline"};
    static const unsigned char values[] = {0, 0xff, '\n', '9', 0x80};
    struct synthetic synthetic;
    char error[600], path[120];
    make_small(&synthetic);
    assert_true(read_through(synthetic.directory, error));
    for (size_t f = 0; f < 2; f++) {
        size_t bytes, refused = 0;
        snprintf(path, sizeof path, "%s/%s", synthetic.directory, files[f]);
        char *good = synthetic_read(path, &bytes), *bad = malloc(bytes);
        for (size_t i = 0; i < bytes; i++) {
            for (size_t v = 0; v < sizeof values; v++) {
                memcpy(bad, good, bytes);
                bad[i] = (char)values[v];
                write_file(path, bad, bytes);
                refused += !read_through(synthetic.directory, error);
            }
            write_file(path, good, i);
            bool fine = read_through(synthetic.directory, error);
            assert_true(!fine || f == 0); /* a stream may end between two packets */
        }
        assert_true(refused > bytes / 2);
        write_file(path, good, bytes);
        assert_true(read_through(synthetic.directory, error));
        free(good);
        free(bad);
    }
    synthetic_remove(&synthetic);
}

static void what_is_wrong_is_named(void **state)
{
    (void)state;
    struct synthetic synthetic;
    char error[600], path[120];
    make_small(&synthetic);
    assert_false(read_through("/nowhere/at/all", error));
    assert_non_null(strstr(error, "no recording '/nowhere/at/all'"));
    assert_false(read_through(synthetic.parent, error));
    assert_non_null(strstr(error, "is not a recording of trapline"));
    snprintf(path, sizeof path, "%s/thread-7", synthetic.directory);
    assert_false(read_through(path, error));
    assert_non_null(strstr(error, "is a file"));
    assert_int_equal(truncate(path, 200), 0);
    assert_false(read_through(synthetic.directory, error));
    assert_non_null(strstr(error, "thread-7' is truncated"));
    write_file(path, "", 0); /* a thread that has not got to its first packet */
    assert_true(read_through(synthetic.directory, error));
    unlink(path);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_false(read_through(synthetic.directory, error));
    assert_non_null(strstr(error, "cannot read"));
    synthetic_remove(&synthetic);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_facts_come_back),
        cmocka_unit_test(threads_are_merged_by_time),
        cmocka_unit_test(large_streams_come_back_whole),
        cmocka_unit_test(a_call_that_never_returns_hides_no_time),
        cmocka_unit_test(broken_files_are_refused_or_read_never_worse),
        cmocka_unit_test(what_is_wrong_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
