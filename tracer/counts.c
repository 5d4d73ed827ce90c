/* SPDX-License-Identifier: MIT
 *
 * Reading counters. See counts.h. Only pages that a thread has written to are looked at: a look at another would make
 * it real memory.
 */
#include <fcntl.h>
#include <tracer/counts.h>
#include <unistd.h>

uint64_t tl_counts_take(const struct tl_agent *agent, unsigned slot, uint64_t *calls)
{
    const off_t begin = (off_t)(TL_CHUNKS_OFFSET + (uint64_t)slot * TL_COUNTERS_BYTES);
    const off_t end = begin + (off_t)TL_COUNTERS_BYTES;
    volatile uint64_t *counters = (volatile uint64_t *)((char *)agent->control + begin);
    uint64_t sum = 0;
    off_t from, to = begin;
    while (to < end && (from = lseek(agent->shared_fd, to, SEEK_DATA)) >= 0 && from < end) {
        to = lseek(agent->shared_fd, from, SEEK_HOLE);
        if (to < 0 || to > end)
            to = end;
        for (size_t i = (size_t)(from - begin) / 8; i < (size_t)(to - begin) / 8; i++) {
            uint64_t count = counters[i];
            if (count == 0)
                continue;
            counters[i] = 0;
            calls[i] += count;
            sum += count;
        }
    }
    fallocate(agent->shared_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, begin, TL_COUNTERS_BYTES);
    return sum;
}

uint64_t tl_called_take(const struct tl_agent *agent, uint64_t *calls)
{
    const volatile uint8_t *called = (const volatile uint8_t *)agent->control + TL_CALLED_OFFSET;
    uint64_t count = 0;
    for (size_t i = 0; i < TL_COUNTED_MAX; i += sizeof(uint64_t)) {
        if (*(const volatile uint64_t *)(called + i) == 0)
            continue;
        for (size_t k = i; k < i + sizeof(uint64_t); k++) {
            count += called[k];
            if (calls && called[k])
                calls[k] = 1;
        }
    }
    return count;
}
