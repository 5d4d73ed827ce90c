/* SPDX-License-Identifier: MIT
 *
 * The log-linear histogram (the idea is that of G. Tene's HdrHistogram). Row 0 holds 0..31 exactly, row r the values
 * from 32 << (r - 1) up to twice that. Called by reader/profile.c.
 */
#include <reader/histogram.h>
#include <stdlib.h>

bool tl_histogram_add(struct tl_histogram *histogram, uint64_t value)
{
    unsigned row = value < 32 ? 0 : 59u - (unsigned)__builtin_clzll(value);
    unsigned step = (unsigned)(row < 2 ? value : value >> (row - 1)) & (TL_HISTOGRAM_STEPS - 1);
    if (!histogram->rows[row]) {
        histogram->rows[row] = calloc(TL_HISTOGRAM_STEPS, sizeof(uint64_t));
        if (!histogram->rows[row])
            return false;
    }
    histogram->rows[row][step]++;
    return true;
}

static uint64_t middle(unsigned row, unsigned step)
{
    if (row < 2)
        return row * 32 + step;
    return ((uint64_t)(32 + step) << (row - 1)) + ((uint64_t)1 << (row - 1)) / 2;
}

uint64_t tl_histogram_at(const struct tl_histogram *histogram, uint64_t count, unsigned per_mille)
{
    uint64_t wanted = (uint64_t)(((unsigned __int128)count * per_mille + 999) / 1000);
    uint64_t below = 0, last = 0;
    for (unsigned row = 0; row < TL_HISTOGRAM_ROWS; row++) {
        for (unsigned step = 0; histogram->rows[row] && step < TL_HISTOGRAM_STEPS; step++) {
            if (histogram->rows[row][step] == 0)
                continue;
            below += histogram->rows[row][step];
            last = middle(row, step);
            if (below >= wanted)
                return last;
        }
    }
    return last;
}

void tl_histogram_free(struct tl_histogram *histogram)
{
    for (unsigned row = 0; row < TL_HISTOGRAM_ROWS; row++)
        free(histogram->rows[row]);
}
