/* SPDX-License-Identifier: MIT
 *
 * Events one at a time, of all threads in the order of their times: a source a thread, filtered if asked for, and a
 * heap of them. No pairing, no output. Called by cli/replay.c.
 */
#ifndef TL_READER_SOURCE_H
#define TL_READER_SOURCE_H

#include <reader/profile.h>
#include <reader/trace.h>

struct tl_source_event {
    uint64_t time;
    uint64_t event; /* entry, exit or lost */
};

/* One thread. */
struct tl_source {
    const struct tl_trace_thread *thread;
    bool ready;                  /* next is valid */
    struct tl_source_event next; /* not taken yet */
    void *data;                  /* the caller's */
    struct tli_source *internal;
};

struct tl_merge {
    struct tl_source *sources; /* one a thread, in the order of the trace */
    size_t count;
    size_t *heap; /* indices of those that are ready, by time */
    size_t heap_count;
    bool taken;      /* the heap's first has moved on and waits for its new place */
    char wrong[160]; /* not empty: reading ended early, and why */
};

/* False: wrong says it. Free it in any case. */
bool tl_merge_open(struct tl_merge *merge, const struct tl_trace *trace, const struct tl_profile_filter *filter);
void tl_merge_close(struct tl_merge *merge);

/* Takes the earliest event: *event, and its source, of which next is then the one after, if it is ready. NULL at the
 * end, or when wrong is not empty. */
struct tl_source *tl_merge_take(struct tl_merge *merge, struct tl_source_event *event);

/* Passes over next of the source that take() just returned, whatever comes in other threads before it. */
void tl_merge_skip(struct tl_merge *merge, struct tl_source *source);

#endif
