/* SPDX-License-Identifier: MIT
 *
 * Leaving out calls of one thread before they are written: short ones, deep ones, those of hidden functions. Takes
 * events as the rings hold them and gives events of the same kinds. No files, no names. Called by the tracer while it
 * records and by reader/ for what is on disk already; one object a thread.
 */
#ifndef TL_WRITER_FILTER_H
#define TL_WRITER_FILTER_H

#include <stddef.h>
#include <stdint.h>

struct tl_filter_limits {
    uint64_t min_ticks;    /* calls of at least that long; 0: all */
    unsigned depth;        /* levels of calls, 1 the outermost alone; 0: all */
    const uint8_t *hidden; /* hidden[id - 1] not zero: as if the function were not traced; NULL: none */
    size_t hidden_count;
};

struct tl_filter_stage;

/* limits->hidden must outlive the stage. NULL: out of memory. */
struct tl_filter_stage *tl_filter_stage_new(const struct tl_filter_limits *limits);
void tl_filter_stage_free(struct tl_filter_stage *stage);

/* Takes a run of the thread's events: clock and lost records, and slots that were never written, included. An entry
 * comes out once its call is known to be long enough, with the entries of the calls around it before it; its exit when
 * it comes. Times of what comes out never go down. What is not known of a call because events were lost counts as
 * short; exits of calls that began before the first event are left out. 0 or -ENOMEM. */
int tl_filter_stage_feed(struct tl_filter_stage *stage, const uint64_t *events, size_t count);

/* The thread's last event is behind: calls still open are as long as they lasted until now_ticks. 0 or -ENOMEM. */
int tl_filter_stage_end(struct tl_filter_stage *stage, uint64_t now_ticks);

/* What came out since the last take, clock records where they are needed, the first of all included; valid until the
 * next feed or end. */
const uint64_t *tl_filter_stage_take(struct tl_filter_stage *stage, size_t *count);

#endif
