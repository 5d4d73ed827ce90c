/* SPDX-License-Identifier: MIT
 *
 * Merging the threads of a recording by time. Each source reads its file in blocks; a block goes through the filter
 * as a whole. Called by cli/replay.c.
 */
#include <reader/source.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <writer/filter.h>

struct tli_source {
    struct tl_trace_cursor *cursor;
    struct tl_filter_stage *stage; /* NULL: everything comes */
    const uint64_t *events;        /* of the run or of the filter, and how many are left of it */
    size_t count;
    uint64_t high, last;
    uint64_t lost; /* to come before events, where there is no filter */
    uint64_t end;  /* of the recording */
    bool ended;
};

static bool fail(struct tl_merge *merge, const struct tl_source *source, const char *what)
{
    snprintf(merge->wrong, sizeof merge->wrong, "the recording of thread %d %s", source->thread->tid, what);
    return false;
}

static bool filter_run(struct tli_source *in, const struct tl_trace_run *run)
{
    uint64_t lost = run->lost < TL_EVENT_VALUE_MAX ? run->lost : TL_EVENT_VALUE_MAX;
    uint32_t time = run->count ? TL_EVENT_TIME32(run->events[0]) : 0;
    uint64_t before[2] = {TL_EVENT(time, TL_EVENT_CLOCK, run->high >> 32), TL_EVENT(time, TL_EVENT_LOST, lost)};
    if (tl_filter_stage_feed(in->stage, before, lost ? 2 : 1) != 0 ||
        tl_filter_stage_feed(in->stage, run->events, run->count) != 0)
        return false;
    in->events = tl_filter_stage_take(in->stage, &in->count);
    return true;
}

/* Another block. False: wrong is set. */
static bool fetch(struct tl_merge *merge, struct tl_source *source)
{
    struct tli_source *in = source->internal;
    struct tl_trace_run run;
    int more = tl_trace_cursor_next(in->cursor, &run);
    if (more < 0)
        return fail(merge, source, "changed while it was read, or cannot be read");
    if (more == 0) {
        in->ended = true;
        if (!in->stage)
            return true;
        if (tl_filter_stage_end(in->stage, in->end) != 0)
            return fail(merge, source, "does not fit into memory");
        in->events = tl_filter_stage_take(in->stage, &in->count);
        return true;
    }
    if (in->stage)
        return filter_run(in, &run) || fail(merge, source, "does not fit into memory");
    in->high = run.high;
    in->lost = run.lost;
    in->events = run.events;
    in->count = run.count;
    return true;
}

/* Fills source->next. False: wrong is set. */
static bool advance(struct tl_merge *merge, struct tl_source *source)
{
    struct tli_source *in = source->internal;
    source->ready = false;
    for (;;) {
        if (in->lost) {
            uint64_t lost = in->lost < TL_EVENT_VALUE_MAX ? in->lost : TL_EVENT_VALUE_MAX;
            uint64_t time = in->count ? in->high | TL_EVENT_TIME32(in->events[0]) : in->last;
            in->lost = 0; /* saturates, as the record does */
            source->next = (struct tl_source_event){time, TL_EVENT(time, TL_EVENT_LOST, lost)};
            break;
        }
        if (in->count == 0) {
            if (in->ended)
                return true;
            if (!fetch(merge, source))
                return false;
            continue;
        }
        uint64_t event = *in->events++;
        in->count--;
        if (TL_EVENT_KIND(event) == TL_EVENT_CLOCK) {
            in->high = (uint64_t)TL_EVENT_VALUE(event) << 32;
            continue;
        }
        source->next = (struct tl_source_event){in->high | TL_EVENT_TIME32(event), event};
        break;
    }
    in->last = source->next.time = source->next.time > in->last ? source->next.time : in->last;
    source->ready = true;
    return true;
}

/* Equal times: the thread that began first. */
static bool before(const struct tl_merge *merge, size_t a, size_t b)
{
    uint64_t time_a = merge->sources[a].next.time, time_b = merge->sources[b].next.time;
    return time_a != time_b ? time_a < time_b : a < b;
}

/* The heap is in order but for the one at i, which may be too early for its place below, never above. */
static void sift_down(struct tl_merge *merge, size_t i)
{
    for (;;) {
        size_t least = i;
        for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < merge->heap_count; child++) {
            if (before(merge, merge->heap[child], merge->heap[least]))
                least = child;
        }
        if (least == i)
            return;
        size_t index = merge->heap[i];
        merge->heap[i] = merge->heap[least];
        merge->heap[least] = index;
        i = least;
    }
}

static bool source_open(struct tl_merge *merge, struct tl_source *source, const struct tl_trace *trace,
                        const struct tl_profile_filter *filter)
{
    const struct tl_filter_limits limits = {.min_ticks = filter->min_ticks,
                                            .depth = filter->depth,
                                            .hidden = filter->hidden,
                                            .hidden_count = filter->hidden ? trace->function_count : 0};
    struct tli_source *in = source->internal = calloc(1, sizeof *in);
    if (!in)
        return fail(merge, source, "does not fit into memory");
    in->end = trace->last_time;
    in->cursor = tl_trace_cursor_new(trace, source->thread);
    if (!in->cursor)
        return fail(merge, source, "cannot be read");
    if (filter->min_ticks || filter->depth || filter->hidden) {
        in->stage = tl_filter_stage_new(&limits);
        if (!in->stage)
            return fail(merge, source, "does not fit into memory");
    }
    return advance(merge, source);
}

bool tl_merge_open(struct tl_merge *merge, const struct tl_trace *trace, const struct tl_profile_filter *filter)
{
    memset(merge, 0, sizeof *merge);
    merge->sources = calloc(trace->thread_count + 1, sizeof *merge->sources);
    merge->heap = calloc(trace->thread_count + 1, sizeof *merge->heap);
    if (!merge->sources || !merge->heap) {
        snprintf(merge->wrong, sizeof merge->wrong, "out of memory");
        return false;
    }
    for (size_t i = 0; i < trace->thread_count; i++) {
        merge->sources[i].thread = &trace->threads[i];
        merge->count++;
        if (!source_open(merge, &merge->sources[i], trace, filter))
            return false;
        if (merge->sources[i].ready)
            merge->heap[merge->heap_count++] = i;
    }
    for (size_t i = merge->heap_count / 2 + 1; i-- > 0;) {
        if (i < merge->heap_count)
            sift_down(merge, i);
    }
    return true;
}

void tl_merge_close(struct tl_merge *merge)
{
    for (size_t i = 0; i < merge->count; i++) {
        struct tli_source *in = merge->sources[i].internal;
        if (!in)
            continue;
        tl_trace_cursor_free(in->cursor);
        tl_filter_stage_free(in->stage);
        free(in);
    }
    free(merge->sources);
    free(merge->heap);
}

/* Puts the source that was taken from last, which still is the heap's first, where its next event belongs. */
static void settle_first(struct tl_merge *merge)
{
    if (!merge->taken)
        return;
    merge->taken = false;
    if (!merge->sources[merge->heap[0]].ready)
        merge->heap[0] = merge->heap[--merge->heap_count];
    sift_down(merge, 0);
}

struct tl_source *tl_merge_take(struct tl_merge *merge, struct tl_source_event *event)
{
    settle_first(merge);
    if (merge->heap_count == 0 || merge->wrong[0])
        return NULL;
    struct tl_source *source = &merge->sources[merge->heap[0]];
    *event = source->next;
    merge->taken = true;
    advance(merge, source); /* if that fails, this event is still good */
    return source;
}

void tl_merge_skip(struct tl_merge *merge, struct tl_source *source)
{
    advance(merge, source);
}
