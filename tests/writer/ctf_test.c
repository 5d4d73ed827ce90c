/* SPDX-License-Identifier: MIT
 *
 * What tl_writer_ctf leaves on disk: read by babeltrace2 where that is installed, and byte by byte.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <tests/writer/synthetic.h>
#include <wire/recording.h>

static const char *const names[] = {"main", "parse", "step", ""};
#define NAMES (sizeof names / sizeof *names)

/* Runs babeltrace2 over the recording, what it says on either stream goes to OUT.txt, ERR.txt. */
static int babeltrace(struct synthetic *synthetic, const char *options, char **out, char **err)
{
    char command[400], path[120];
    snprintf(command, sizeof command, "cd %s && TZ=UTC0 babeltrace2 %s data >OUT.txt 2>ERR.txt", synthetic->parent,
             options);
    int status = system(command);
    snprintf(path, sizeof path, "%s/OUT.txt", synthetic->parent);
    *out = synthetic_read(path, NULL);
    snprintf(path, sizeof path, "%s/ERR.txt", synthetic->parent);
    *err = synthetic_read(path, NULL);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void need_babeltrace(void)
{
    if (system("babeltrace2 --version >/dev/null 2>&1") != 0)
        skip();
}

static size_t lines(const char *text)
{
    size_t count = 0;
    for (; *text; text++)
        count += *text == '\n';
    return count;
}

static void babeltrace_prints_names_times_and_threads(void **state)
{
    (void)state;
    need_babeltrace();
    struct synthetic synthetic;
    struct script script = {0};
    char *out, *err;
    synthetic_folder(&synthetic);
    assert_int_equal(synthetic_open(&synthetic, names, NAMES), 0);
    enter(&script, 1000, 1);
    enter(&script, 2500, 4);
    leave(&script, 1000002500, 4);
    assert_int_equal(synthetic_packet(&synthetic, 7, &script, 0), 0);
    assert_int_equal(synthetic_close(&synthetic), 0);
    assert_int_equal(babeltrace(&synthetic, "--no-delta", &out, &err), 0);
    assert_string_equal(err, "");
    assert_string_equal(out, "[22:13:20.000001000] entry: { tid = 7, pid = 28118, comm = \"prog\" }, { function = ( "
                             "\"main\" : container = 1 ) }\n"
                             "[22:13:20.000002500] entry: { tid = 7, pid = 28118, comm = \"prog\" }, { function = ( "
                             "\"prog+0x10c0\" : container = 4 ) }\n"
                             "[22:13:21.000002500] exit: { tid = 7, pid = 28118, comm = \"prog\" }, { function = ( "
                             "\"prog+0x10c0\" : container = 4 ) }\n");
    free(out);
    free(err);
    synthetic_remove(&synthetic);
}

/* Times over 32-bit wraps, one and many, exactly at the edge, and minutes apart. */
static void times_are_exact_over_wraps_and_gaps(void **state)
{
    (void)state;
    need_babeltrace();
    static const uint64_t times[] = {5,
                                     0xffffffff,
                                     0x100000000,
                                     0x100000005,
                                     0x200000004,
                                     0x200000006,
                                     0x7ffffffffe,
                                     0x8000000000,
                                     600000000000,
                                     600000000000,
                                     86400000000000,
                                     86400000000001};
    struct synthetic synthetic;
    struct script script = {0};
    char *out, *err;
    synthetic_folder(&synthetic);
    assert_int_equal(synthetic_open(&synthetic, names, NAMES), 0);
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        enter(&script, times[i], 2);
        if (i % 3 == 2)
            assert_int_equal(synthetic_packet(&synthetic, 7, &script, 0), 0);
    }
    assert_int_equal(synthetic_close(&synthetic), 0);
    assert_int_equal(babeltrace(&synthetic, "--clock-cycles --no-delta", &out, &err), 0);
    assert_string_equal(err, "");
    const char *at = out;
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        char *end;
        assert_int_equal(*at, '[');
        assert_int_equal(strtoull(at + 1, &end, 10), times[i]);
        at = strchr(at, '\n') + 1;
    }
    assert_int_equal(*at, 0);
    free(out);
    free(err);
    synthetic_remove(&synthetic);
}

static void lost_events_are_reported(void **state)
{
    (void)state;
    need_babeltrace();
    struct synthetic synthetic;
    struct script script = {0};
    char *out, *err;
    synthetic_folder(&synthetic);
    assert_int_equal(synthetic_open(&synthetic, names, NAMES), 0);
    enter(&script, 10, 2);
    lose(&script, 20, 3);
    leave(&script, 30, 2);
    assert_int_equal(synthetic_packet(&synthetic, 7, &script, 5), 0);
    enter(&script, 40, 2);
    assert_int_equal(synthetic_packet(&synthetic, 7, &script, 11), 0);
    lose(&script, 50, 17);
    assert_int_equal(synthetic_packet(&synthetic, 7, &script, 0), 0);
    assert_int_equal(synthetic_close(&synthetic), 0);
    assert_int_equal(babeltrace(&synthetic, "", &out, &err), 0);
    assert_int_equal(lines(out), 3);
    assert_int_equal(lines(err), 4);
    assert_non_null(strstr(err, "Tracer discarded 5 events"));
    assert_non_null(strstr(err, "Tracer discarded 3 events between [22:13:20.000000010] and [22:13:20.000000030]"));
    assert_non_null(strstr(err, "Tracer discarded 11 events between [22:13:20.000000030] and [22:13:20.000000040]"));
    assert_non_null(strstr(err, "Tracer discarded 17 events"));
    free(out);
    free(err);
    synthetic_remove(&synthetic);
}

/* Quotes, backslashes, control characters, broken UTF-8, two functions of one name. */
static void any_name_is_a_safe_string(void **state)
{
    (void)state;
    need_babeltrace();
    static const char *const odd[] = {"same",     "same",     "a\"b\\c",   "line\nfeed\x01",
                                      "\xff\xfe", "\xc3\xa9", "_ZN1a1bEv", "operator<<(\"x\", [])",
                                      "%s%n"};
    struct synthetic synthetic;
    struct script script = {0};
    char *out, *err;
    synthetic_folder(&synthetic);
    synthetic.info.command = "prog \"a\\b\"\n\xff };";
    assert_int_equal(synthetic_open(&synthetic, odd, sizeof odd / sizeof *odd), 0);
    for (uint32_t i = 1; i <= sizeof odd / sizeof *odd; i++)
        enter(&script, i * 10, i);
    assert_int_equal(synthetic_packet(&synthetic, 7, &script, 0), 0);
    assert_int_equal(synthetic_close(&synthetic), 0);
    assert_int_equal(babeltrace(&synthetic, "", &out, &err), 0);
    assert_string_equal(err, "");
    assert_int_equal(lines(out), sizeof odd / sizeof *odd);
    assert_non_null(strstr(out, "( \"_ZN1a1bEv\" : container = 7 )"));
    assert_non_null(strstr(out, "( \"\xc3\xa9\" : container = 6 )"));
    assert_null(strstr(out, "unknown"));
    free(out);
    free(err);
    synthetic_remove(&synthetic);
}

/* On disk: 8 bytes an event, as they lay in memory; slots never written are left out. */
static void events_are_written_as_they_lie(void **state)
{
    (void)state;
    struct synthetic synthetic;
    char path[120];
    size_t bytes;
    const uint64_t events[] = {TL_EVENT(9, TL_EVENT_CLOCK, 3),  TL_EVENT(10, 0, 1), 0, TL_EVENT(12, 0, 2),
                               TL_EVENT(13, TL_EVENT_CLOCK, 3), TL_EVENT(14, 1, 2)};
    const uint64_t wanted[] = {TL_EVENT(10, 0, 1), TL_EVENT(12, 0, 2), TL_EVENT(14, 1, 2)};
    const struct tl_recording_packet packet = {.tid = 7, .comm = "", .events = events, .count = 6};
    synthetic_folder(&synthetic);
    assert_int_equal(synthetic_open(&synthetic, names, NAMES), 0);
    assert_int_equal(tl_writer_ctf.packet(synthetic.writer, &packet), 0);
    assert_int_equal(synthetic_close(&synthetic), 0);
    snprintf(path, sizeof path, "%s/thread-7", synthetic.directory);
    char *file = synthetic_read(path, &bytes);
    assert_int_equal(bytes, sizeof(struct tl_stream_packet) + sizeof wanted);
    assert_memory_equal(file + sizeof(struct tl_stream_packet), wanted, sizeof wanted);
    free(file);
    synthetic_remove(&synthetic);
}

static void a_thousand_threads_need_few_descriptors(void **state)
{
    (void)state;
    struct synthetic synthetic;
    struct script script = {0};
    struct rlimit before, few = {.rlim_cur = 40, .rlim_max = 0};
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few.rlim_max = before.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    synthetic_folder(&synthetic);
    assert_int_equal(synthetic_open(&synthetic, names, NAMES), 0);
    for (int round = 0; round < 3; round++) {
        for (int tid = 1; tid <= 1000; tid++) {
            enter(&script, (uint64_t)round * 1000000 + (uint64_t)tid, 2);
            assert_int_equal(synthetic_packet(&synthetic, tid, &script, 0), 0);
        }
    }
    assert_int_equal(synthetic_close(&synthetic), 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    if (system("babeltrace2 --version >/dev/null 2>&1") == 0 && before.rlim_cur > 1100) {
        char *out, *err;
        assert_int_equal(babeltrace(&synthetic, "", &out, &err), 0);
        assert_string_equal(err, "");
        assert_int_equal(lines(out), 3000);
        free(out);
        free(err);
    }
    synthetic_remove(&synthetic);
}

/* A child writes without end and is killed at some moment; what it left is whole, for babeltrace2. */
static void a_killed_writer_leaves_a_whole_recording(void **state)
{
    (void)state;
    need_babeltrace();
    for (unsigned round = 0; round < 4; round++) {
        struct synthetic synthetic;
        char *out, *err, begun = 0;
        int begins[2];
        synthetic_folder(&synthetic);
        assert_int_equal(pipe(begins), 0);
        pid_t child = fork();
        if (child == 0) {
            struct script script = {0};
            uint64_t time = 1;
            synthetic_open(&synthetic, names, NAMES);
            (void)!write(begins[1], "b", 1);
            for (;;) {
                for (int i = 0; i < 4000; i++)
                    enter(&script, time += 100, 2);
                synthetic_packet(&synthetic, 1 + (int)(time / 400000 % 3), &script, 0);
            }
        }
        assert_int_equal(read(begins[0], &begun, 1), 1); /* before that there is nothing to be read */
        usleep(5000 + round * 5100);
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        close(begins[0]);
        close(begins[1]);
        assert_int_equal(babeltrace(&synthetic, "-n payload", &out, &err), 0);
        assert_string_equal(err, "");
        assert_null(strstr(out, "unknown")); /* the names are there from the start */
        free(out);
        free(err);
        synthetic_remove(&synthetic);
    }
}

/* Packets of so many events until the file is full: those that fitted are there, all but a few. */
static void fill_up(int events)
{
    struct synthetic synthetic;
    struct script script = {0};
    struct rlimit before, small;
    char *out, *err;
    int error = 0;
    synthetic_folder(&synthetic);
    assert_int_equal(synthetic_open(&synthetic, names, NAMES), 0);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = 100000;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    uint64_t time = 0;
    for (int round = 0; round < 10 && error == 0; round++) {
        for (int i = 0; i < events; i++)
            enter(&script, ++time, 2);
        error = synthetic_packet(&synthetic, 7, &script, 0);
    }
    assert_int_equal(error, -EFBIG);
    assert_int_equal(synthetic_close(&synthetic), 0);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(babeltrace(&synthetic, "", &out, &err), 0);
    assert_string_equal(err, "");
    size_t kept = lines(out);
    assert_true(kept >= 10000 && kept < 12500); /* of 8 bytes each */
    free(out);
    free(err);
    synthetic_remove(&synthetic);
}

static void a_full_disk_is_an_error_and_the_rest_stays(void **state)
{
    (void)state;
    need_babeltrace();
    fill_up(2000);
    fill_up(9000);
    fill_up(60000); /* not one packet fits */
}

static int empty_recording(struct synthetic *synthetic)
{
    int error = synthetic_open(synthetic, names, NAMES);
    return error != 0 ? error : synthetic_close(synthetic);
}

static void an_old_recording_is_kept_and_nothing_foreign_is_touched(void **state)
{
    (void)state;
    struct synthetic synthetic;
    struct script script = {0};
    char old[120], path[140];
    synthetic_folder(&synthetic);
    snprintf(old, sizeof old, "%s.old", synthetic.directory);
    assert_int_equal(synthetic_open(&synthetic, names, NAMES), 0);
    enter(&script, 1, 1);
    assert_int_equal(synthetic_packet(&synthetic, 7, &script, 0), 0);
    assert_int_equal(synthetic_close(&synthetic), 0);
    assert_int_equal(empty_recording(&synthetic), 0); /* the first is DIR.old */
    snprintf(path, sizeof path, "%s/thread-7", old);
    assert_int_equal(access(path, F_OK), 0);
    assert_int_equal(empty_recording(&synthetic), 0); /* and replaced */
    assert_int_equal(access(path, F_OK), -1);

    snprintf(path, sizeof path, "%s/letter.txt", old); /* somebody's file in DIR.old */
    close(open(path, O_CREAT | O_WRONLY, 0600));
    assert_int_equal(empty_recording(&synthetic), -EEXIST);
    assert_int_equal(access(path, F_OK), 0);
    snprintf(path, sizeof path, "%s/metadata", old);
    assert_int_equal(access(path, F_OK), 0);

    synthetic_remove_in(old);
    synthetic_remove_in(synthetic.directory); /* DIR itself is somebody's */
    assert_int_equal(mkdir(synthetic.directory, 0700), 0);
    snprintf(path, sizeof path, "%s/metadata", synthetic.directory);
    close(open(path, O_CREAT | O_WRONLY, 0600));
    assert_int_equal(empty_recording(&synthetic), -EEXIST);
    assert_int_equal(access(path, F_OK), 0);
    unlink(path);
    assert_int_equal(empty_recording(&synthetic), 0); /* an empty directory is taken as it is */
    assert_int_equal(access(old, F_OK), -1);
    synthetic_remove(&synthetic);
}

static void where_nothing_can_be_written_it_says_so(void **state)
{
    (void)state;
    struct synthetic synthetic;
    synthetic_folder(&synthetic);
    char *end = synthetic.directory + strlen(synthetic.directory);
    snprintf(end, sizeof synthetic.directory - strlen(synthetic.directory), "/a/b");
    assert_int_equal(synthetic_open(&synthetic, names, NAMES), -ENOENT);
    synthetic_remove(&synthetic);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(babeltrace_prints_names_times_and_threads),
        cmocka_unit_test(times_are_exact_over_wraps_and_gaps),
        cmocka_unit_test(lost_events_are_reported),
        cmocka_unit_test(any_name_is_a_safe_string),
        cmocka_unit_test(events_are_written_as_they_lie),
        cmocka_unit_test(a_thousand_threads_need_few_descriptors),
        cmocka_unit_test(a_killed_writer_leaves_a_whole_recording),
        cmocka_unit_test(a_full_disk_is_an_error_and_the_rest_stays),
        cmocka_unit_test(an_old_recording_is_kept_and_nothing_foreign_is_touched),
        cmocka_unit_test(where_nothing_can_be_written_it_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
