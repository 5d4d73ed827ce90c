/* SPDX-License-Identifier: MIT
 *
 * trapline replay: the calls of all threads by time, indented. Events come merged from reader/source.h and are paired
 * by reader/calls.h; here each becomes a line. Called by main().
 */
#include <cli/text.h>
#include <cli/views.h>
#include <reader/calls.h>
#include <reader/source.h>
#include <stdlib.h>
#include <string.h>

#define INDENT_MAX 100 /* levels; deeper calls stand there, too */

struct replay {
    struct tl_view_options options;
    struct tl_trace *trace;
    struct tl_view_names names;
    uint8_t *hidden;
    struct tl_merge merge;
};

/* What is kept of one thread. */
struct thread {
    struct replay *replay;
    struct tl_calls *calls;
    int tid;
    uint64_t high;
    bool leaf; /* the call that comes is entered and left at once: one line */
};

/* The part of a line before the function. ns NULL: no duration. */
static void begin_line(const struct thread *thread, const uint64_t *ns, size_t depth)
{
    char text[TL_TEXT_DURATION_BYTES];
    bool color = thread->replay->options.color;
    if (depth > INDENT_MAX)
        depth = INDENT_MAX;
    if (ns && color && *ns >= 1000000)
        printf("%s%11s\033[0m", *ns >= 1000000000 ? "\033[31m" : "\033[33m", tl_text_duration(text, *ns));
    else
        printf("%11s", ns ? tl_text_duration(text, *ns) : "");
    printf(color ? " \033[2m[%6d] |\033[0m %*s" : " [%6d] | %*s", thread->tid, (int)depth * 2, "");
}

static const char *name_of(const struct thread *thread, const struct tl_call *call)
{
    return tl_view_name(&thread->replay->names, call->function);
}

/* "f(int)" brings its own parentheses; other names get them. */
static void print_call(const char *name, const char *after)
{
    tl_text_plain(stdout, name);
    printf("%s%s", strchr(name, '(') ? "" : "()", after);
}

static void remark(const struct thread *thread, const char *before, const char *name, const char *after)
{
    bool color = thread->replay->options.color;
    printf("%s%s/* ", before, color ? "\033[2m" : "");
    tl_text_plain(stdout, name);
    printf("%s */%s\n", after, color ? "\033[0m" : "");
}

static void entered(void *data, const struct tl_call *call)
{
    struct thread *thread = data;
    if (thread->leaf)
        return;
    const char *name = name_of(thread, call);
    begin_line(thread, NULL, call->depth);
    print_call(name, " {\n");
}

static void returned(void *data, const struct tl_call *call)
{
    struct thread *thread = data;
    uint64_t ns = tl_trace_ns(thread->replay->trace, call->end - call->start);
    const char *name = name_of(thread, call);
    begin_line(thread, call->exact ? &ns : NULL, call->depth);
    if (thread->leaf)
        print_call(name, ";\n");
    else
        remark(thread, "} ", name, call->exact ? "" : ": time not known, events were lost");
    thread->leaf = false;
}

static void left(void *data, const struct tl_call *call)
{
    struct thread *thread = data;
    begin_line(thread, NULL, call->depth);
    remark(thread, "} ", name_of(thread, call), call->exact ? ": did not return" : ": not known, events were lost");
}

static void resumed(void *data, const struct tl_call *call)
{
    struct thread *thread = data;
    const char *name = name_of(thread, call);
    begin_line(thread, NULL, call->depth);
    print_call(name, " { ");
    remark(thread, "", "goes on", "");
}

static void print_lost(struct thread *thread, uint64_t count)
{
    char text[32];
    begin_line(thread, NULL, 0);
    remark(thread, "", tl_text_count(text, count), count == 1 ? " event lost" : " events lost");
}

/* NULL or what is wrong. */
static const char *feed(struct thread *thread, const struct tl_source_event *event)
{
    uint64_t high = event->time >> 32 << 32;
    if (high != thread->high)
        tl_calls_clock(thread->calls, high);
    thread->high = high;
    /* The time in the event may be lower, where a file says so; order is by event->time. */
    uint64_t one = (event->event >> 32 << 32) | (uint32_t)event->time;
    return tl_calls_feed(thread->calls, &one, 1);
}

static const char *take(struct replay *replay, struct tl_source *source, struct tl_source_event *event)
{
    struct thread *thread = source->data;
    unsigned kind = TL_EVENT_KIND(event->event);
    if (kind == TL_EVENT_LOST)
        print_lost(thread, TL_EVENT_VALUE(event->event));
    const struct tl_source_event *next = &source->next;
    thread->leaf = kind == TL_EVENT_ENTRY && source->ready && TL_EVENT_KIND(next->event) == TL_EVENT_EXIT &&
                   TL_EVENT_VALUE(next->event) == TL_EVENT_VALUE(event->event);
    bool leaf = thread->leaf;
    const char *wrong = feed(thread, event);
    if (!wrong && leaf) {
        wrong = feed(thread, next);
        tl_merge_skip(&replay->merge, source);
    }
    return wrong;
}

static bool make_threads(struct replay *replay, struct thread *threads)
{
    for (size_t i = 0; i < replay->merge.count; i++) {
        struct thread *thread = &threads[i];
        const struct tl_calls_sink sink = {
            .entered = entered, .returned = returned, .left = left, .resumed = resumed, .data = thread};
        thread->replay = replay;
        thread->tid = replay->merge.sources[i].thread->tid;
        thread->calls = tl_calls_new(&sink, replay->trace->function_count);
        replay->merge.sources[i].data = thread;
        if (!thread->calls)
            return false;
    }
    return true;
}

static bool complain(const char *what)
{
    fflush(stdout);
    fprintf(stderr, "trapline: %s\n", what);
    return false;
}

static bool print_events(struct replay *replay)
{
    struct tl_source_event event;
    struct tl_source *source;
    while (!ferror(stdout) && (source = tl_merge_take(&replay->merge, &event))) {
        const char *wrong = take(replay, source, &event);
        if (wrong) {
            char sentence[200];
            snprintf(sentence, sizeof sentence, "the recording of thread %d %s", source->thread->tid, wrong);
            return complain(sentence);
        }
    }
    return !replay->merge.wrong[0] || complain(replay->merge.wrong);
}

/* Calls that were only counted cannot be shown one by one. */
static bool has_calls(const struct replay *replay)
{
    if (!replay->trace->info.counted)
        return true;
    fprintf(stderr, "trapline: '%s' holds no calls; 'trapline report -d %s' shows them\n", replay->options.directory,
            replay->options.directory);
    return false;
}

static bool print_all(struct replay *replay)
{
    const struct tl_profile_filter filter = {.min_ticks = tl_trace_ticks(replay->trace, replay->options.min_ns),
                                             .depth = replay->options.depth,
                                             .hidden = replay->hidden};
    bool fine = tl_merge_open(&replay->merge, replay->trace, &filter);
    struct thread *threads = fine ? calloc(replay->merge.count + 1, sizeof *threads) : NULL;
    if (!fine) {
        complain(replay->merge.wrong);
    } else if (!threads || !make_threads(replay, threads)) {
        fine = complain("out of memory");
    } else {
        const char *bold = replay->options.color ? "\033[1m" : "", *plain = replay->options.color ? "\033[0m" : "";
        printf("%s# DURATION     TID      FUNCTION%s\n", bold, plain);
        fine = print_events(replay);
        for (size_t i = 0; i < replay->merge.count && fine && !ferror(stdout); i++)
            tl_calls_end(threads[i].calls);
    }
    for (size_t i = 0; threads && i < replay->merge.count; i++)
        tl_calls_free(threads[i].calls);
    free(threads);
    tl_merge_close(&replay->merge);
    return fine;
}

static const char help[] = "usage: trapline replay [-d DIR] [options]\n"
                           "The calls of a recording, indented, per thread.\n\n"
                           "  -d, --data DIR        the recording (trapline.data)\n"
                           "  -f, --func GLOB       these functions, [MODULE:]GLOB; repeatable\n"
                           "  -x, --exclude GLOB    not these; wins; repeatable\n"
                           "  -t, --min-time T      calls of at least T (500ns, 10us, 2ms)\n"
                           "  -D, --depth N         N levels\n"
                           "      --color WHEN      auto, always, never\n";

int tl_command_replay(int argc, char **argv)
{
    struct replay replay = {0};
    int status = TL_VIEW_FAILED;
    if (tl_view_options_parse(&replay.options, argc, argv, "fxtD")) {
        bool fine = true;
        if (replay.options.help)
            fputs(help, stdout);
        else
            fine = (replay.trace = tl_view_open(&replay.options)) && has_calls(&replay) &&
                   tl_view_names_init(&replay.names, replay.trace) &&
                   tl_view_hidden(&replay.names, &replay.options, &replay.hidden) && print_all(&replay);
        if (fine)
            status = tl_view_finish();
    }
    free(replay.hidden);
    if (replay.trace)
        tl_view_names_free(&replay.names);
    tl_trace_close(replay.trace);
    tl_view_options_free(&replay.options);
    return status;
}
