/* SPDX-License-Identifier: MIT
 *
 * trapline info: what a recording is of, and what it took to make. Called by main().
 */
#include <cli/text.h>
#include <cli/views.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <tracer/selftest.h>

static void when(const struct tl_trace *trace, char *to, size_t bytes, const char *format, bool local)
{
    struct tm parts;
    time_t seconds = (time_t)(trace->info.realtime_start_ns / 1000000000u);
    if (!(local ? localtime_r(&seconds, &parts) : gmtime_r(&seconds, &parts)) ||
        strftime(to, bytes, format, &parts) == 0)
        snprintf(to, bytes, "?");
}

static void json_number(const char *key, uint64_t value)
{
    printf(", \"%s\": %llu", key, (unsigned long long)value);
}

static void print_json(const struct tl_trace *trace)
{
    const struct tl_trace_info *info = &trace->info;
    char began[64];
    when(trace, began, sizeof began, "%Y-%m-%dT%H:%M:%SZ", false);
    fputs("{\"command\": ", stdout);
    tl_text_json(stdout, info->command);
    printf(", \"pid\": %lld, \"attached\": %s, \"exit_status\": ", (long long)info->pid,
           info->by_attach ? "true" : "false");
    if (info->exit_status >= 0 && info->tsc_end)
        printf("%lld", (long long)info->exit_status);
    else
        fputs("null", stdout);
    printf(", \"began\": \"%s\", \"ended\": %s", began, info->tsc_end ? "true" : "false");
    json_number("duration_ns", tl_trace_duration_ns(trace));
    json_number("threads", tl_trace_threads(trace));
    json_number("events", trace->events);
    json_number("lost", trace->lost);
    json_number("overwritten", info->overwritten);
    json_number("one_in", info->one_in ? info->one_in : 1);
    printf(",\n \"functions\": {\"found\": %llu, \"traced\": %llu, \"jump\": %llu, \"trap\": %llu}",
           (unsigned long long)info->functions_found, (unsigned long long)info->functions_traced,
           (unsigned long long)info->entry_jump, (unsigned long long)info->entry_trap);
    printf(", \"sites\": {\"jump\": %llu, \"trap\": %llu}", (unsigned long long)info->sites_jump,
           (unsigned long long)info->sites_trap);
    json_number("held_ns", info->held_ns);
    json_number("batches", info->batches);
    json_number("membarriers", info->membarriers);
    json_number("poke_ns", info->poke_ns);
    json_number("traps", info->traps);
    json_number("bytes", trace->bytes);
    json_number("tsc_hz", info->tsc_hz);
    fputs(",\n \"modules\": [", stdout);
    for (size_t i = 0; i < trace->module_count; i++) {
        fputs(i ? ", {\"name\": " : "{\"name\": ", stdout);
        tl_text_json(stdout, trace->modules[i].name);
        fputs(", \"path\": ", stdout);
        tl_text_json(stdout, trace->modules[i].path);
        fputs(", \"build_id\": ", stdout);
        tl_text_json(stdout, trace->modules[i].build_id);
        fputs("}", stdout);
    }
    fputs("]}\n", stdout);
}

static const char *trimmed(const char *text)
{
    return text + strspn(text, " ");
}

static void print_process(const struct tl_trace_info *info)
{
    printf("process      %lld, %s", (long long)info->pid, info->by_attach ? "attached" : "launched");
    if (!info->tsc_end)
        fputs(", the tracer did not come to its end\n", stdout);
    else if (info->exit_status < 0)
        fputs(", ran on\n", stdout);
    else
        printf(", exit status %lld\n", (long long)info->exit_status);
}

static void print_table(const struct tl_trace *trace, const char *directory)
{
    const struct tl_trace_info *info = &trace->info;
    char text[TL_TEXT_DURATION_BYTES], a[32], b[32], began[64];
    when(trace, began, sizeof began, "%Y-%m-%d %H:%M:%S", true);
    fputs("command      ", stdout);
    tl_text_plain(stdout, info->command);
    putchar('\n');
    print_process(info);
    printf("began        %s\n", began);
    printf("duration     %s\n", trimmed(tl_text_duration(text, tl_trace_duration_ns(trace))));
    printf("threads      %s\n", tl_text_count(a, tl_trace_threads(trace)));
    const char *what = info->covered ? "called" : info->counted ? "calls " : "events";
    printf("%s       %s, %s lost", what, tl_text_count(a, trace->events), tl_text_count(b, trace->lost));
    if (info->overwritten)
        printf(", at most %s overwritten", tl_text_count(a, info->overwritten));
    putchar('\n');
    if (info->one_in)
        printf("sample       one call in %s\n", tl_text_count(a, info->one_in));
    if (info->functions_found)
        printf("functions    %llu of %llu traced (%llu jump, %llu trap)\n", (unsigned long long)info->functions_traced,
               (unsigned long long)info->functions_found, (unsigned long long)info->entry_jump,
               (unsigned long long)info->entry_trap);
    else /* the tracer was killed before it could write the sums */
        printf("functions    %s traced\n", tl_text_count(a, trace->function_count));
    printf("sites        %s jump, %s trap\n", tl_text_count(a, info->sites_jump), tl_text_count(b, info->sites_trap));
    if (info->by_attach)
        printf("held         one thread, %s\n", trimmed(tl_text_duration(text, info->held_ns)));
    else
        printf("held         no thread\n");
    printf("patching     %s %s, %s membarriers, %s\n", tl_text_count(a, info->batches),
           info->batches == 1 ? "batch" : "batches", tl_text_count(b, info->membarriers),
           trimmed(tl_text_duration(text, info->poke_ns)));
    printf("traps        %s\n", tl_text_count(a, info->traps));
    printf("size         %s in %s\n", tl_text_bytes(a, trace->bytes), directory);
    printf("clock        TSC, %.6f GHz\n", (double)info->tsc_hz / 1e9);
    for (size_t i = 0; i < trace->module_count; i++) {
        fputs(i ? "             " : "modules      ", stdout);
        tl_text_plain(stdout, trace->modules[i].path);
        putchar('\n');
    }
}

static const char help[] = "usage: trapline info [-d DIR] [--json]\n"
                           "       trapline info --selftest [--json]\n"
                           "About a recording, or whether this machine can be traced on.\n\n"
                           "  -d, --data DIR    the recording (trapline.data)\n"
                           "      --selftest    check this machine\n"
                           "      --json        for programs\n";

int tl_command_info(int argc, char **argv)
{
    struct tl_view_options options;
    int status = TL_VIEW_FAILED;
    if (!tl_view_options_parse(&options, argc, argv, "jS")) {
        tl_view_options_free(&options);
        return status;
    }
    struct tl_trace *trace = options.help || options.selftest ? NULL : tl_view_open(&options);
    if (options.help) {
        fputs(help, stdout);
        status = tl_view_finish();
    } else if (options.selftest) {
        status = tl_selftest(options.json);
    } else if (trace) {
        if (options.json)
            print_json(trace);
        else
            print_table(trace, options.directory);
        status = tl_view_finish();
    }
    tl_trace_close(trace);
    tl_view_options_free(&options);
    return status;
}
