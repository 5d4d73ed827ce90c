/* SPDX-License-Identifier: MIT
 *
 * The counters of a session that counts (TL_RING_COUNT), read from its rings. Called by tracer/drain.c.
 */
#ifndef TL_TRACER_COUNTS_H
#define TL_TRACER_COUNTS_H

#include <stdint.h>
#include <tracer/place.h>

/* Moves the counters of a ring, whose thread counts no more, to calls[TL_COUNTED_MAX], by function id: they are 0 then,
 * and their memory is given back. Returns their sum. */
uint64_t tl_counts_take(const struct tl_agent *agent, unsigned slot, uint64_t *calls);

#endif
