/* SPDX-License-Identifier: MIT
 *
 * Entries and exits of one thread, paired into calls. No files, no names, no figures. Called by reader/profile.c and
 * cli/replay.c, one object a thread.
 *
 * What is a call: every entry is one. An exit ends the innermost call of its function:
 *
 *   - the top of the stack: the usual case;
 *   - further down: the calls above were left without an exit (longjmp, an exception, a switch of stacks, a function
 *     that never returns). They are set aside, in the order they stood;
 *   - not on the stack but set aside: that stack runs again (coroutines). The call and those it was made from come
 *     back, on top of the stack, and the call ends. Its time is from its entry to its exit, absence included;
 *   - nowhere: it began before the recording did. An orphan: counted, and no call.
 *
 * Where events were lost, nobody knows which calls ended and which new ones of the same functions began. The whole
 * stack is set aside; a call that comes back from there is not exact: it is a call, but its time counts nowhere. Calls
 * made and ended after the gap are exact again.
 *
 * What is set aside or open at the end has not returned.
 */
#ifndef TL_READER_CALLS_H
#define TL_READER_CALLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All that one may be told about a call. Times are ticks. */
struct tl_call {
    uint32_t function;
    uint32_t depth; /* calls of this thread's stack around it */
    bool exact;     /* no event was lost between entry and exit */
    bool outermost; /* no other call of the function is on the stack */
    uint64_t start, end;
    uint64_t self;  /* duration without the calls made from it */
    uint64_t inner; /* returned, exact: what of its duration has been counted as outermost already; returned, not exact,
                     * and left: the time of calls of the same function inside it that were not outermost because of
                     * it, and are if it is outermost, as its own time is not known */
};

/* Any may be NULL but returned. left: set aside, or open at the end. resumed: came back, end is 0. */
struct tl_calls_sink {
    void (*entered)(void *data, const struct tl_call *call);
    void (*returned)(void *data, const struct tl_call *call);
    void (*left)(void *data, const struct tl_call *call);
    void (*resumed)(void *data, const struct tl_call *call);
    void *data;
};

struct tl_calls;
struct tl_calls *tl_calls_new(const struct tl_calls_sink *sink, size_t function_count);
void tl_calls_free(struct tl_calls *calls);

/* The clock's upper half for the events to come, in place. */
void tl_calls_clock(struct tl_calls *calls, uint64_t high);

/* Takes events of any kind, as wire/event.h has them. Returns NULL or what is wrong, as the end of a sentence. */
const char *tl_calls_feed(struct tl_calls *calls, const uint64_t *events, size_t count);

/* The end: tells of the calls on the stack, from the top. Those set aside have been told of. */
void tl_calls_end(struct tl_calls *calls);

uint64_t tl_calls_orphans(const struct tl_calls *calls);

#endif
