/* SPDX-License-Identifier: MIT
 *
 * trapline report: one row a function. The figures are made in reader/profile.c; here they are sorted and printed.
 * Called by main().
 */
#include <cli/text.h>
#include <cli/views.h>
#include <reader/profile.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* One row, in ns. */
struct row {
    uint32_t function;
    uint64_t calls, not_returned, gaps, returned;
    uint64_t total, self, min, avg, p50, p99, max;
};

struct report {
    struct tl_view_options options;
    struct tl_trace *trace;
    struct tl_view_names names;
    uint8_t *hidden;
    struct tl_profile *profile;
    struct row *rows;
    size_t count;
};

static const struct {
    const char *key;
    size_t offset;
} sort_keys[] = {
    {"total", offsetof(struct row, total)}, {"self", offsetof(struct row, self)},
    {"calls", offsetof(struct row, calls)}, {"avg", offsetof(struct row, avg)},
    {"max", offsetof(struct row, max)},     {"p99", offsetof(struct row, p99)},
};
static size_t sort_offset; /* of the column in force, for qsort() */

static uint64_t column(const struct row *row, size_t offset)
{
    uint64_t value;
    memcpy(&value, (const char *)row + offset, sizeof value);
    return value;
}

/* Largest first; rows that are equal stand in the order of their ids, so the output is always the same. */
static int compare_rows(const void *left, const void *right)
{
    const struct row *a = left, *b = right;
    uint64_t in_a = column(a, sort_offset), in_b = column(b, sort_offset);
    if (in_a != in_b)
        return in_a > in_b ? -1 : 1;
    if (a->calls != b->calls)
        return a->calls > b->calls ? -1 : 1;
    return a->function < b->function ? -1 : a->function > b->function;
}

static uint64_t percentile(const struct tl_profile_row *from, unsigned per_mille)
{
    uint64_t ticks = tl_histogram_at(&from->histogram, from->returned, per_mille);
    return ticks < from->min ? from->min : ticks > from->max ? from->max : ticks;
}

static bool make_rows(struct report *report)
{
    const struct tl_trace *trace = report->trace;
    report->rows = calloc(trace->function_count + 1, sizeof *report->rows);
    if (!report->rows) {
        fprintf(stderr, "trapline: out of memory\n");
        return false;
    }
    for (size_t i = 0; i < report->profile->row_count; i++) {
        const struct tl_profile_row *from = &report->profile->rows[i];
        bool hidden = report->hidden && report->hidden[i];
        if (from->calls == 0 && (!trace->info.covered || hidden))
            continue;
        report->rows[report->count++] = (struct row){
            .function = (uint32_t)i + 1,
            .calls = from->calls,
            .returned = from->returned,
            .gaps = from->gaps,
            .not_returned = trace->info.counted ? 0 : from->calls - from->returned - from->gaps,
            .total = tl_trace_ns(trace, from->total),
            .self = tl_trace_ns(trace, from->self),
            .min = tl_trace_ns(trace, from->min),
            .avg = from->returned ? tl_trace_ns(trace, from->all) / from->returned : 0,
            .p50 = tl_trace_ns(trace, percentile(from, 500)),
            .p99 = tl_trace_ns(trace, percentile(from, 990)),
            .max = tl_trace_ns(trace, from->max),
        };
    }
    qsort(report->rows, report->count, sizeof *report->rows, compare_rows);
    return true;
}

static void print_json(struct report *report)
{
    const struct tl_trace *trace = report->trace;
    printf("{\"threads\": %zu, \"events\": %llu, \"lost\": %llu, \"duration_ns\": %llu,",
           (size_t)tl_trace_threads(trace), (unsigned long long)trace->events, (unsigned long long)trace->lost,
           (unsigned long long)tl_trace_duration_ns(trace));
    if (trace->info.one_in)
        printf(" \"one_in\": %llu,", (unsigned long long)trace->info.one_in);
    fputs("\n \"functions\": [", stdout);
    for (size_t i = 0; i < report->count && !ferror(stdout); i++) {
        const struct row *row = &report->rows[i];
        const struct tl_trace_function *function = &trace->functions[row->function - 1];
        fputs(i ? ",\n  {\"name\": " : "\n  {\"name\": ", stdout);
        tl_text_json(stdout, tl_view_name(&report->names, row->function));
        fputs(", \"module\": ", stdout);
        tl_text_json(stdout, trace->modules[function->module].name);
        printf(", \"calls\": %llu, \"total_ns\": %llu, \"self_ns\": %llu, \"min_ns\": %llu, \"avg_ns\": %llu, "
               "\"p50_ns\": %llu, \"p99_ns\": %llu, \"max_ns\": %llu, \"not_returned\": %llu, \"gaps\": %llu}",
               (unsigned long long)row->calls, (unsigned long long)row->total, (unsigned long long)row->self,
               (unsigned long long)row->min, (unsigned long long)row->avg, (unsigned long long)row->p50,
               (unsigned long long)row->p99, (unsigned long long)row->max, (unsigned long long)row->not_returned,
               (unsigned long long)row->gaps);
    }
    fputs("]}\n", stdout);
}

static void print_row(struct report *report, const struct row *row)
{
    char total[TL_TEXT_DURATION_BYTES], self[TL_TEXT_DURATION_BYTES], calls[32];
    char avg[TL_TEXT_DURATION_BYTES], p99[TL_TEXT_DURATION_BYTES], max[TL_TEXT_DURATION_BYTES];
    if (row->returned)
        printf("%12s%12s%12s%11s%12s%12s  ", tl_text_duration(total, row->total), tl_text_duration(self, row->self),
               tl_text_count(calls, row->calls), tl_text_duration(avg, row->avg), tl_text_duration(p99, row->p99),
               tl_text_duration(max, row->max));
    else
        printf("%12s%12s%12s%11s%12s%12s  ", "-", "-", tl_text_count(calls, row->calls), "-", "-", "-");
    tl_text_plain(stdout, tl_view_name(&report->names, row->function));
    const char *dim = report->options.color ? "\033[2m" : "", *plain = report->options.color ? "\033[0m" : "";
    if (row->not_returned)
        printf("%s  (%s not returned)%s", dim, tl_text_count(calls, row->not_returned), plain);
    if (row->gaps)
        printf("%s  (%s over a gap)%s", dim, tl_text_count(calls, row->gaps), plain);
    putchar('\n');
}

/* Calls that were only counted have no times. */
static void print_counts(struct report *report)
{
    char calls[32];
    for (size_t i = 0; i < report->count && !ferror(stdout); i++) {
        bool once = report->trace->info.covered;
        const char *answer = report->rows[i].calls ? "yes" : "no";
        printf("%16s  ", once ? answer : tl_text_count(calls, report->rows[i].calls));
        tl_text_plain(stdout, tl_view_name(&report->names, report->rows[i].function));
        putchar('\n');
    }
}

static void print_table(struct report *report)
{
    bool counted = report->trace->info.counted;
    const char *numbers = report->trace->info.covered ? "          Called" : "           Calls";
    const char *bold = report->options.color ? "\033[1m" : "", *plain = report->options.color ? "\033[0m" : "";
    printf("%s%s  Function%s\n", bold,
           counted ? numbers : "  Total time   Self time       Calls        Avg         p99         Max", plain);
    if (counted)
        print_counts(report);
    for (size_t i = 0; !counted && i < report->count && !ferror(stdout); i++)
        print_row(report, &report->rows[i]);
    if (report->trace->info.one_in) {
        char one_in[32];
        fflush(stdout);
        fprintf(stderr,
                "trapline: one call in %s was recorded (--sample): these are those, and self time holds the others\n",
                tl_text_count(one_in, report->trace->info.one_in));
    }
    if (report->trace->lost) {
        char lost[32];
        fflush(stdout);
        fprintf(stderr,
                "trapline: %s events were lost while recording: the counts are too low (--buffer makes more room)\n",
                tl_text_count(lost, report->trace->lost));
    }
}

static bool progress_shown;

/* On a terminal, and only for work of over a second. */
static void show_progress(uint64_t done, uint64_t all)
{
    static struct timespec began;
    static unsigned last = ~0u;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (began.tv_sec == 0)
        began = now;
    unsigned percent = all ? (unsigned)(done * 100 / all) : 0;
    if (now.tv_sec - began.tv_sec < 2 || percent == last)
        return;
    last = percent;
    progress_shown = true;
    fprintf(stderr, "\rreading: %u %% ", percent);
}

static bool make_profile(struct report *report)
{
    char error[600];
    const struct tl_profile_filter filter = {.min_ticks = tl_trace_ticks(report->trace, report->options.min_ns),
                                             .depth = report->options.depth,
                                             .hidden = report->hidden};
    report->profile =
        tl_profile_make(report->trace, &filter, isatty(STDERR_FILENO) ? show_progress : NULL, error, sizeof error);
    if (progress_shown)
        fputs("\r\033[K", stderr);
    if (!report->profile)
        fprintf(stderr, "trapline: %s\n", error);
    return report->profile != NULL;
}

static bool choose_column(const char *key)
{
    for (size_t i = 0; i < sizeof sort_keys / sizeof *sort_keys; i++) {
        if (!key || strcmp(key, sort_keys[i].key) == 0) {
            sort_offset = sort_keys[i].offset;
            return true;
        }
    }
    fprintf(stderr, "trapline: --sort knows total, self, calls, avg, max and p99, not '%s'\n", key);
    return false;
}

static bool run(struct report *report)
{
    if (!choose_column(report->options.sort) || !(report->trace = tl_view_open(&report->options)) ||
        !tl_view_names_init(&report->names, report->trace) ||
        !tl_view_hidden(&report->names, &report->options, &report->hidden) || !make_profile(report) ||
        !make_rows(report))
        return false;
    if (report->options.json)
        print_json(report);
    else
        print_table(report);
    return true;
}

static const char help[] =
    "usage: trapline report [-d DIR] [options]\n"
    "One row a function, from a recording.\n\n"
    "  -d, --data DIR        the recording (trapline.data)\n"
    "      --sort KEY        total, self, calls, avg, max or p99 (total)\n"
    "  -f, --func GLOB       these functions, [MODULE:]GLOB; repeatable\n"
    "  -x, --exclude GLOB    not these; wins; repeatable\n"
    "  -t, --min-time T      calls of at least T (500ns, 10us, 2ms)\n"
    "  -D, --depth N         N levels\n"
    "      --json            for programs\n"
    "      --color WHEN      auto, always, never\n\n"
    "Total time is that of the outermost calls: a recursion counts once. Self time leaves out the calls made from it.\n"
    "Calls are entries; those that never returned, and those over a gap of lost events, have no time.\n"
    "What -f, -x, -t and -D leave out counts as if it had not been recorded.\n";

int tl_command_report(int argc, char **argv)
{
    struct report report = {0};
    int status = TL_VIEW_FAILED;
    if (tl_view_options_parse(&report.options, argc, argv, "fxtDsj")) {
        if (report.options.help)
            fputs(help, stdout);
        if (report.options.help || run(&report))
            status = tl_view_finish();
    }
    free(report.rows);
    free(report.hidden);
    tl_profile_free(report.profile);
    if (report.trace)
        tl_view_names_free(&report.names);
    tl_trace_close(report.trace);
    tl_view_options_free(&report.options);
    return status;
}
