/* SPDX-License-Identifier: MIT
 *
 * What sessions without events leave: the counters of TL_RING_COUNT, the bytes of TL_RING_COVER. Called by
 * tracer/drain.c and tracer/session.c.
 */
#ifndef TL_TRACER_COUNTS_H
#define TL_TRACER_COUNTS_H

#include <stdint.h>
#include <tracer/place.h>

/* Moves the counters of a ring, whose thread counts no more, to calls[TL_COUNTED_MAX], by function id: they are 0 then,
 * and their memory is given back. Returns their sum. */
uint64_t tl_counts_take(const struct tl_agent *agent, unsigned slot, uint64_t *calls);

/* Sets calls[id] to 1 for each function that has been called; returns how many that are. calls NULL: only that. */
uint64_t tl_called_take(const struct tl_agent *agent, uint64_t *calls);

#endif
