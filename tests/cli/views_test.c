/* SPDX-License-Identifier: MIT
 *
 * What replay, report and info print for a small recording with known times, word for word; options and mistakes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <cli/text.h>
#include <cli/views.h>
#include <fcntl.h>
#include <signal.h>
#include <tests/writer/synthetic.h>

static const char *const names[] = {"main", "parse", "run", "step", "", "fail"};
enum { MAIN = 1, PARSE, RUN, STEP, BARE, FAIL };

static struct synthetic recording;
static char printed[20000];
static char dash_d[] = "-d";

static int make_recording(void **state)
{
    struct script script = {0};
    (void)state;
    setenv("TZ", "UTC0", 1);
    setenv("LC_ALL", "C.UTF-8", 1);
    synthetic_folder(&recording);
    assert_int_equal(synthetic_open(&recording, names, sizeof names / sizeof *names), 0);
    enter(&script, 1000, MAIN);
    enter(&script, 2000, PARSE);
    leave(&script, 4107, PARSE);
    enter(&script, 5000, RUN);
    enter(&script, 6000, STEP);
    leave(&script, 14448, STEP);
    leave(&script, 16020, RUN);
    enter(&script, 20000, RUN);
    enter(&script, 21000, STEP);
    enter(&script, 22000, FAIL); /* an exception: run catches */
    leave(&script, 5000000000, RUN);
    leave(&script, 5000001000, MAIN);
    assert_int_equal(synthetic_packet(&recording, 28118, &script, 0), 0);
    enter(&script, 5500, RUN);
    enter(&script, 7000, BARE);
    lose(&script, 8000, 1234);
    leave(&script, 9000, RUN);
    enter(&script, 10000, BARE);
    leave(&script, 10500, BARE);
    enter(&script, 11000, STEP);
    assert_int_equal(synthetic_packet(&recording, 28119, &script, 0), 0);
    recording.info.tsc_end = 6000000000;
    recording.info.exit_status = -1;
    recording.info.lost = 1234;
    return synthetic_close(&recording);
}

static int remove_recording(void **state)
{
    (void)state;
    synthetic_remove(&recording);
    return 0;
}

/* Runs a view, its words separated by blanks; both streams go to printed. */
static int view(const char *words)
{
    char copy[300], path[120], *argv[30] = {0};
    int argc = 0, out = dup(1), err = dup(2);
    snprintf(copy, sizeof copy, "%s", words);
    for (char *save, *word = strtok_r(copy, " ", &save); word && argc < 27; word = strtok_r(NULL, " ", &save))
        argv[argc++] = word;
    if (!strstr(words, "-d ")) {
        argv[argc++] = dash_d;
        argv[argc++] = recording.directory;
    }
    snprintf(path, sizeof path, "%s/out.txt", recording.parent);
    fflush(stdout);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_APPEND, 0600);
    dup2(fd, 1);
    dup2(fd, 2);
    int status = strcmp(argv[0], "replay") == 0   ? tl_command_replay(argc, argv)
                 : strcmp(argv[0], "report") == 0 ? tl_command_report(argc, argv)
                                                  : tl_command_info(argc, argv);
    fflush(stdout);
    dup2(out, 1);
    dup2(err, 2);
    close(fd);
    close(out);
    close(err);
    char *text = synthetic_read(path, NULL);
    snprintf(printed, sizeof printed, "%s", text);
    free(text);
    return status;
}

static void replay_shows_calls_by_time(void **state)
{
    (void)state;
    assert_int_equal(view("replay"), 0);
    assert_string_equal(printed, "# DURATION     TID      FUNCTION\n"
                                 "            [ 28118] | main() {\n"
                                 "   2.107 us [ 28118] |   parse();\n"
                                 "            [ 28118] |   run() {\n"
                                 "            [ 28119] | run() {\n"
                                 "   8.448 us [ 28118] |     step();\n"
                                 "            [ 28119] |   prog+0x1100() {\n"
                                 "            [ 28119] | /* 1,234 events lost */\n"
                                 "            [ 28119] |   } /* prog+0x1100: not known, events were lost */\n"
                                 "            [ 28119] | } /* run: not known, events were lost */\n"
                                 "            [ 28119] | run() { /* goes on */\n"
                                 "            [ 28119] | } /* run: time not known, events were lost */\n"
                                 "   0.500 us [ 28119] | prog+0x1100();\n"
                                 "            [ 28119] | step() {\n"
                                 "  11.020 us [ 28118] |   } /* run */\n"
                                 "            [ 28118] |   run() {\n"
                                 "            [ 28118] |     step() {\n"
                                 "            [ 28118] |       fail() {\n"
                                 "            [ 28118] |       } /* fail: did not return */\n"
                                 "            [ 28118] |     } /* step: did not return */\n"
                                 "   4.999  s [ 28118] |   } /* run */\n"
                                 "   5.000  s [ 28118] | } /* main */\n"
                                 "            [ 28119] | } /* step: did not return */\n");
}

static void replay_takes_the_filters(void **state)
{
    (void)state;
    assert_int_equal(view("replay -t 10us -x main"), 0);
    assert_string_equal(printed, "# DURATION     TID      FUNCTION\n"
                                 "  11.020 us [ 28118] | run();\n"
                                 "            [ 28119] | /* 1,234 events lost */\n"
                                 "            [ 28119] | step() {\n"
                                 "            [ 28118] | run() {\n"
                                 "            [ 28118] |   step() {\n"
                                 "            [ 28118] |     fail() {\n"
                                 "            [ 28118] |     } /* fail: did not return */\n"
                                 "            [ 28118] |   } /* step: did not return */\n"
                                 "   4.999  s [ 28118] | } /* run */\n"
                                 "            [ 28119] | } /* step: did not return */\n");
    assert_int_equal(view("replay -D 1 -f main -f prog:pars*"), 0);
    assert_string_equal(printed, "# DURATION     TID      FUNCTION\n"
                                 "   5.000  s [ 28118] | main();\n"
                                 "            [ 28119] | /* 1,234 events lost */\n");
}

static void report_has_a_row_a_function(void **state)
{
    (void)state;
    assert_int_equal(view("report"), 0);
    assert_string_equal(
        printed, "  Total time   Self time       Calls        Avg         p99         Max  Function\n"
                 "    5.000  s    6.873 us           1   5.000  s    5.000  s    5.000  s  main\n"
                 "    4.999  s    4.999  s           3   2.499  s    4.999  s    4.999  s  run  (1 over a gap)\n"
                 "    8.448 us    8.448 us           3   8.448 us    8.448 us    8.448 us  step  (2 not returned)\n"
                 "    2.107 us    2.107 us           1   2.107 us    2.107 us    2.107 us  parse\n"
                 "    0.500 us    0.500 us           2   0.500 us    0.500 us    0.500 us  prog+0x1100  "
                 "(1 not returned)\n"
                 "           -           -           1          -           -           -  fail  "
                 "(1 not returned)\n"
                 "trapline: 1,234 events were lost while recording: the counts are too low (--buffer makes more "
                 "room)\n");
    assert_int_equal(view("report --sort calls -x run"), 0);
    assert_non_null(strstr(printed, "Function\n    8.448 us    8.448 us           3"));
    assert_null(strstr(printed, "run"));
}

static void report_json_has_the_keys(void **state)
{
    (void)state;
    assert_int_equal(view("report --json -f parse -f fail"), 0);
    assert_string_equal(
        printed, "{\"threads\": 2, \"events\": 18, \"lost\": 1234, \"duration_ns\": 6000000000,\n"
                 " \"functions\": [\n"
                 "  {\"name\": \"parse\", \"module\": \"prog\", \"calls\": 1, \"total_ns\": 2107, \"self_ns\": 2107, "
                 "\"min_ns\": 2107, \"avg_ns\": 2107, \"p50_ns\": 2107, \"p99_ns\": 2107, \"max_ns\": 2107, "
                 "\"not_returned\": 0, \"gaps\": 0},\n"
                 "  {\"name\": \"fail\", \"module\": \"prog\", \"calls\": 1, \"total_ns\": 0, \"self_ns\": 0, "
                 "\"min_ns\": 0, \"avg_ns\": 0, \"p50_ns\": 0, \"p99_ns\": 0, \"max_ns\": 0, "
                 "\"not_returned\": 1, \"gaps\": 0}]}\n");
}

static void info_says_what_it_took(void **state)
{
    (void)state;
    assert_int_equal(view("info"), 0);
    char *size = strstr(printed, "size ");
    assert_non_null(size);
    char *clock = strchr(size, '\n');
    *size = '\0';
    assert_string_equal(printed, "command      prog -x\n"
                                 "process      28118, attached, ran on\n"
                                 "began        2023-11-14 22:13:20\n"
                                 "duration     6.000  s\n"
                                 "threads      2\n"
                                 "events       18, 1,234 lost\n"
                                 "functions    4 of 5 traced (3 jump, 1 trap)\n"
                                 "sites        7 jump, 2 trap\n"
                                 "held         one thread, 812.345 us\n"
                                 "patching     2 batches, 6 membarriers, 1.234 ms\n"
                                 "traps        0\n");
    assert_string_equal(clock, "\nclock        TSC, 1.000000 GHz\nmodules      /usr/bin/prog\n");
    assert_int_equal(view("info --json"), 0);
    assert_non_null(strstr(printed,
                           "\"command\": \"prog -x\", \"pid\": 28118, \"attached\": true, \"exit_status\": null, "
                           "\"began\": \"2023-11-14T22:13:20Z\", \"ended\": true"));
    assert_non_null(strstr(printed, "\"functions\": {\"found\": 5, \"traced\": 4, \"jump\": 3, \"trap\": 1}"));
}

static void mistakes_are_said_in_one_line(void **state)
{
    (void)state;
    static const char *const wrong[][2] = {
        {"report --sort size", "trapline: --sort knows total, self, calls, avg, max and p99, not 'size'\n"},
        {"report -t 5", "trapline: --min-time takes a time like 500ns, 10us or 2ms, not '5'\n"},
        {"replay -D 0", "trapline: --depth takes a number of levels, at least 1, not '0'\n"},
        {"report --color red", "trapline: --color knows auto, always and never, not 'red'\n"},
        {"replay --json", "trapline: not an option of this command: '--json' ('trapline --help' shows all)\n"},
        {"report --what", "trapline: not an option of this command: '--what' ('trapline --help' shows all)\n"},
        {"info -d /nowhere", "trapline: no recording '/nowhere' ('trapline record' makes one, -d names another)\n"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(view(wrong[i][0]), 125);
        assert_string_equal(printed, wrong[i][1]);
    }
    assert_int_equal(view("report -f nothing*"), 125);
    assert_non_null(strstr(printed, "matches 'nothing*'"));
}

static void a_closed_pipe_is_silent(void **state)
{
    (void)state;
    char *argv[] = {(char[]){"replay"}, dash_d, recording.directory, NULL};
    char *report[] = {(char[]){"report"}, dash_d, recording.directory, NULL};
    int ends[2], out = dup(1);
    signal(SIGPIPE, SIG_IGN);
    assert_int_equal(pipe(ends), 0);
    close(ends[0]);
    fflush(stdout);
    dup2(ends[1], 1);
    int status = tl_command_replay(3, argv);
    clearerr(stdout);
    int report_status = tl_command_report(3, report);
    clearerr(stdout);
    dup2(out, 1);
    close(out);
    close(ends[1]);
    assert_int_equal(status, 0);
    assert_int_equal(report_status, 0);
}

static void durations_counts_and_strings_have_one_look(void **state)
{
    (void)state;
    static const struct {
        uint64_t ns;
        const char *text;
    } durations[] = {{0, "   0.000 us"},
                     {999, "   0.999 us"},
                     {999999, " 999.999 us"},
                     {1000000, "   1.000 ms"},
                     {1234567890, "   1.234  s"},
                     {999999999999, " 999.999  s"},
                     {1000000000000, "  16.666  m"},
                     {90000000000000, "  25.000  h"}};
    static const struct {
        const char *text;
        uint64_t ns;
    } parsed[] = {{"500ns", 500}, {"10us", 10000}, {"2ms", 2000000}, {"1.5s", 1500000000}, {"1m", 60000000000}};
    static const char *const bad[] = {"", "5", "us", "-1s", "1 s", "1sec", "infs", "9999999999999h", "0x"};
    char text[TL_TEXT_DURATION_BYTES], count[32];
    uint64_t ns;
    for (size_t i = 0; i < 7; i++)
        assert_string_equal(tl_text_duration(text, durations[i].ns), durations[i].text);
    for (size_t i = 0; i < 5; i++) {
        assert_true(tl_text_duration_parse(parsed[i].text, &ns));
        assert_int_equal(ns, parsed[i].ns);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(tl_text_duration_parse(bad[i], &ns));
    assert_string_equal(tl_text_count(count, 0), "0");
    assert_string_equal(tl_text_count(count, 999), "999");
    assert_string_equal(tl_text_count(count, 12345678), "12,345,678");
    assert_string_equal(tl_text_bytes(count, 98800000), "98.8 MB");
    char *out;
    size_t length;
    FILE *to = open_memstream(&out, &length);
    tl_text_json(to, "a\"\\\n\x01\x7f\xc3\xa9\xff\xed\xa0\x80z");
    tl_text_plain(to, "\x1b[31m\xc2\x9bq\xc3\xa9");
    fclose(to);
    assert_string_equal(out, "\"a\\\"\\\\\\u000a\\u0001\\u007f\xc3\xa9\\ufffd\\ufffd\\ufffd\\ufffdz\""
                             "\\x1b[31m\\xc2\\x9bq\xc3\xa9");
    free(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replay_shows_calls_by_time),  cmocka_unit_test(replay_takes_the_filters),
        cmocka_unit_test(report_has_a_row_a_function), cmocka_unit_test(report_json_has_the_keys),
        cmocka_unit_test(info_says_what_it_took),      cmocka_unit_test(mistakes_are_said_in_one_line),
        cmocka_unit_test(a_closed_pipe_is_silent),     cmocka_unit_test(durations_counts_and_strings_have_one_look),
    };
    return cmocka_run_group_tests(tests, make_recording, remove_recording);
}
