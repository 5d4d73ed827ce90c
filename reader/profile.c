/* SPDX-License-Identifier: MIT
 *
 * The figures of a recording, a thread after the other: events by trace.h, through the filter if one is asked for,
 * paired by calls.h, added up here. Called by cli/report.c.
 */
#include <reader/calls.h>
#include <reader/profile.h>
#include <stdio.h>
#include <stdlib.h>
#include <writer/filter.h>

struct making {
    struct tl_profile *profile;
    const struct tl_trace *trace;
    struct tl_calls *calls;
    struct tl_filter_stage *stage; /* NULL: everything counts */
    bool no_memory;
};

static void entered(void *data, const struct tl_call *call)
{
    struct making *making = data;
    making->profile->rows[call->function - 1].calls++;
}

/* Without an end a call has no time; the calls of the same function inside it have. */
static void left(void *data, const struct tl_call *call)
{
    struct making *making = data;
    if (call->outermost)
        making->profile->rows[call->function - 1].total += call->inner;
}

static void returned(void *data, const struct tl_call *call)
{
    struct making *making = data;
    struct tl_profile_row *row = &making->profile->rows[call->function - 1];
    if (!call->exact) {
        row->gaps++;
        left(data, call);
        return;
    }
    uint64_t duration = call->end - call->start;
    if (row->returned++ == 0 || duration < row->min)
        row->min = duration;
    if (duration > row->max)
        row->max = duration;
    row->all += duration;
    row->self += call->self;
    if (call->outermost)
        row->total += duration > call->inner ? duration - call->inner : 0;
    making->no_memory |= !tl_histogram_add(&row->histogram, duration);
}

static const char *feed(struct making *making, const uint64_t *events, size_t count)
{
    if (!making->stage)
        return tl_calls_feed(making->calls, events, count);
    if (tl_filter_stage_feed(making->stage, events, count) != 0)
        return "does not fit into memory";
    events = tl_filter_stage_take(making->stage, &count);
    return tl_calls_feed(making->calls, events, count);
}

/* Lost records have 30 bits, like all values. */
static const char *feed_run(struct making *making, const struct tl_trace_run *run)
{
    uint64_t clock = TL_EVENT(0, TL_EVENT_CLOCK, run->high >> 32);
    uint64_t lost = run->lost < TL_EVENT_VALUE_MAX ? run->lost : TL_EVENT_VALUE_MAX;
    uint32_t time = run->count ? TL_EVENT_TIME32(run->events[0]) : 0;
    const char *wrong = feed(making, &clock, 1);
    if (!wrong && lost) {
        uint64_t record = TL_EVENT(time, TL_EVENT_LOST, lost);
        wrong = feed(making, &record, 1);
    }
    return wrong ? wrong : feed(making, run->events, run->count);
}

static const char *read_thread(struct making *making, const struct tl_trace_thread *thread,
                               void (*progress)(uint64_t, uint64_t), uint64_t before)
{
    struct tl_trace_cursor *cursor = tl_trace_cursor_new(making->trace, thread);
    if (!cursor)
        return "cannot be read";
    struct tl_trace_run run;
    const char *wrong = NULL;
    int more;
    while (!wrong && (more = tl_trace_cursor_next(cursor, &run)) > 0) {
        wrong = feed_run(making, &run);
        if (progress)
            progress(before + tl_trace_cursor_bytes(cursor), making->trace->bytes);
    }
    if (!wrong && more < 0)
        wrong = "changed while it was read, or cannot be read";
    tl_trace_cursor_free(cursor);
    if (!wrong && making->stage) {
        size_t count;
        if (tl_filter_stage_end(making->stage, making->trace->last_time) != 0)
            return "does not fit into memory";
        const uint64_t *events = tl_filter_stage_take(making->stage, &count);
        wrong = tl_calls_feed(making->calls, events, count);
    }
    tl_calls_end(making->calls);
    return making->no_memory ? "does not fit into memory" : wrong;
}

static const char *add_thread(struct making *making, const struct tl_trace_thread *thread,
                              const struct tl_profile_filter *filter, void (*progress)(uint64_t, uint64_t),
                              uint64_t before)
{
    const struct tl_calls_sink sink = {.entered = entered, .returned = returned, .left = left, .data = making};
    const struct tl_filter_limits limits = {.min_ticks = filter->min_ticks,
                                            .depth = filter->depth,
                                            .hidden = filter->hidden,
                                            .hidden_count = filter->hidden ? making->trace->function_count : 0};
    const char *wrong = "does not fit into memory";
    making->calls = tl_calls_new(&sink, making->trace->function_count);
    making->stage = NULL;
    bool filtered = filter->min_ticks || filter->depth || filter->hidden;
    if (filtered)
        making->stage = tl_filter_stage_new(&limits);
    if (making->calls && (!filtered || making->stage)) {
        wrong = read_thread(making, thread, progress, before);
        making->profile->orphans += tl_calls_orphans(making->calls);
    }
    tl_filter_stage_free(making->stage);
    tl_calls_free(making->calls);
    return wrong;
}

struct tl_profile *tl_profile_make(const struct tl_trace *trace, const struct tl_profile_filter *filter,
                                   void (*progress)(uint64_t done, uint64_t all), char *error, size_t error_bytes)
{
    struct tl_profile *profile = calloc(1, sizeof *profile);
    if (profile) {
        profile->row_count = trace->function_count;
        profile->rows = calloc(trace->function_count + 1, sizeof *profile->rows);
    }
    if (!profile || !profile->rows) {
        snprintf(error, error_bytes, "out of memory");
        tl_profile_free(profile);
        return NULL;
    }
    struct making making = {.profile = profile, .trace = trace};
    uint64_t before = 0;
    for (size_t i = 0; i < trace->thread_count; i++) {
        const char *wrong = add_thread(&making, &trace->threads[i], filter, progress, before);
        if (wrong) {
            snprintf(error, error_bytes, "the recording of thread %d %s", trace->threads[i].tid, wrong);
            tl_profile_free(profile);
            return NULL;
        }
        before += trace->threads[i].end_bytes;
    }
    for (size_t i = 0; i < trace->function_count; i++)
        if (!filter->hidden || !filter->hidden[i])
            profile->rows[i].calls += trace->functions[i].calls;
    return profile;
}

void tl_profile_free(struct tl_profile *profile)
{
    if (!profile)
        return;
    for (size_t i = 0; profile->rows && i < profile->row_count; i++)
        tl_histogram_free(&profile->rows[i].histogram);
    free(profile->rows);
    free(profile);
}
