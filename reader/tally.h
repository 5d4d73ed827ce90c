/* SPDX-License-Identifier: MIT
 *
 * A count for each function of one thread, in memory for those that occur: blocks are taken when one in them counts.
 * Inline, as it is done for every event. Called by reader/calls.c.
 */
#ifndef TL_READER_TALLY_H
#define TL_READER_TALLY_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#define TLI_TALLY_SHIFT 9

struct tli_tally {
    uint32_t **blocks;
    size_t block_count;
};

static inline bool tli_tally_init(struct tli_tally *tally, size_t function_count)
{
    tally->block_count = (function_count >> TLI_TALLY_SHIFT) + 1;
    tally->blocks = calloc(tally->block_count, sizeof *tally->blocks);
    return tally->blocks != NULL;
}

static inline void tli_tally_free(struct tli_tally *tally)
{
    for (size_t i = 0; tally->blocks && i < tally->block_count; i++)
        free(tally->blocks[i]);
    free(tally->blocks);
}

/* The count of function, to be changed; NULL: out of memory. */
static inline uint32_t *tli_tally_of(struct tli_tally *tally, uint32_t function)
{
    uint32_t **block = &tally->blocks[function >> TLI_TALLY_SHIFT];
    if (__builtin_expect(!*block, 0)) {
        *block = calloc((size_t)1 << TLI_TALLY_SHIFT, sizeof **block);
        if (!*block)
            return NULL;
    }
    return &(*block)[function & ((1u << TLI_TALLY_SHIFT) - 1)];
}

static inline uint32_t tli_tally_get(const struct tli_tally *tally, uint32_t function)
{
    const uint32_t *block = tally->blocks[function >> TLI_TALLY_SHIFT];
    return block ? block[function & ((1u << TLI_TALLY_SHIFT) - 1)] : 0;
}

#endif
