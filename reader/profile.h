/* SPDX-License-Identifier: MIT
 *
 * A row of figures for each function of a recording. Calls are paired a thread at a time, so it takes memory for the
 * functions that occur and one block of events, whatever the recording's size. No output. Called by cli/report.c.
 *
 * calls       entries; returned of them ended with an exit and without a gap between, gaps ended after a gap (the time
 *             is not known), the others never returned
 * total       time of the outermost calls: recursion counts once (as uftrace report has it)
 * all         time of all returned calls, the inner ones of a recursion too: what the average is taken from
 * self        time in the function itself: without the calls made from it that were recorded
 */
#ifndef TL_READER_PROFILE_H
#define TL_READER_PROFILE_H

#include <reader/histogram.h>
#include <reader/trace.h>

struct tl_profile_row {
    uint64_t calls, returned, gaps;
    uint64_t total, all, self, min, max; /* ticks */
    struct tl_histogram histogram;       /* of the returned calls' ticks */
};

struct tl_profile {
    struct tl_profile_row *rows; /* function id i at i - 1 */
    size_t row_count;
    uint64_t orphans; /* exits of calls that began before the recording */
};

/* Which calls count; all zero: all. What is not selected counts as if it had not been recorded. */
struct tl_profile_filter {
    uint64_t min_ticks;
    unsigned depth;
    const uint8_t *hidden; /* function id i at i - 1, not zero: hidden */
};

/* NULL: a sentence is in error. progress, if not NULL, is called now and then with bytes done and to do. */
struct tl_profile *tl_profile_make(const struct tl_trace *trace, const struct tl_profile_filter *filter,
                                   void (*progress)(uint64_t done, uint64_t all), char *error, size_t error_bytes);
void tl_profile_free(struct tl_profile *profile);

#endif
