/* SPDX-License-Identifier: MIT
 *
 * A histogram of durations over the whole 64-bit range in little memory: 32 equal steps to each power of two, so a
 * percentile is at most 1.6 % off; memory is taken for the powers that occur. No units. Called by reader/profile.c.
 */
#ifndef TL_READER_HISTOGRAM_H
#define TL_READER_HISTOGRAM_H

#include <stdbool.h>
#include <stdint.h>

#define TL_HISTOGRAM_STEPS 32
#define TL_HISTOGRAM_ROWS 60

struct tl_histogram {
    uint64_t *rows[TL_HISTOGRAM_ROWS]; /* of TL_HISTOGRAM_STEPS counts; NULL: all zero */
};

/* False: out of memory; nothing is counted. */
bool tl_histogram_add(struct tl_histogram *histogram, uint64_t value);

/* The value that per_mille of all values, count of them, are not above: the middle of its step. 0 for count 0. */
uint64_t tl_histogram_at(const struct tl_histogram *histogram, uint64_t count, unsigned per_mille);

void tl_histogram_free(struct tl_histogram *histogram);

#endif
