/* SPDX-License-Identifier: MIT
 *
 * One call of N. See sample.h.
 */
#include <core/sample.h>
#include <stdatomic.h>
#include <wire/event.h>

/* The finalizer of a hash (Appleby, MurmurHash3): each bit of the result depends on each of the number. */
static uint32_t mix(uint32_t number)
{
    number = (number ^ number >> 16) * 0x85ebca6bu;
    number = (number ^ number >> 13) * 0xc2b2ae35u;
    return number ^ number >> 16;
}

bool tli_samples_chance(uint32_t seed, uint32_t one_in)
{
    return (uint64_t)mix(seed) * one_in >> 32 == 0;
}

/* 1 to 2 N - 1, N on the average: as much at random as it takes for a pattern of calls not to keep step with it. */
static int32_t draw(struct tli_samples *samples, uint32_t one_in)
{
    samples->random += 0x9e3779b9u;
    return (int32_t)((uint64_t)mix(samples->random) * (2 * one_in - 1) >> 32) + 1;
}

void tli_samples_begin(struct tli_samples *samples, uint32_t one_in, uint32_t seed)
{
    for (unsigned i = 0; i < TL_SAMPLES_MAX; i++)
        samples->open[i] = 0;
    samples->random = seed;
    samples->left = draw(samples, one_in);
}

static unsigned place_of(uintptr_t where)
{
    return (unsigned)(where >> 4) % TL_SAMPLES_MAX; /* as record.S has it */
}

static uint32_t function_of(uint32_t word)
{
    return TL_EVENT_VALUE((uint64_t)word << 32);
}

bool tli_samples_enter(struct tli_samples *samples, uint32_t word, uintptr_t where)
{
    unsigned place = place_of(where);
    if (samples->open[place] != 0)
        return false;
    /* In this order: a handler that comes in between finds the place taken. */
    samples->open[place] = where;
    samples->function[place] = function_of(word);
    return true;
}

bool tli_samples_take(struct tli_samples *samples, uint32_t one_in, uint32_t word, uintptr_t where)
{
    unsigned place = place_of(where);
    bool open = samples->open[place] == where;
    if (TL_EVENT_KIND((uint64_t)word << 32) == TL_EVENT_EXIT) {
        /* Another function's: it was come to by a jump that nobody knows for a call, and its entry is not recorded. */
        open = open && samples->function[place] == function_of(word);
        if (open)
            samples->open[place] = 0;
        return open;
    }
    if (open)
        samples->open[place] = 0; /* left without an exit: a call begins where its return address lay */
    if (samples->left > 0)
        return false;
    samples->left = draw(samples, one_in);
    return tli_samples_enter(samples, word, where);
}
