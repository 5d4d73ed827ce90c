/* SPDX-License-Identifier: MIT
 *
 * What the rings of a flight recorder hold at one moment, copied while their threads go on overwriting them. The copy
 * has the layout of the shared memory, and nobody writes to it: tracer/drain.c reads it as it reads the rings of a
 * session that has ended. Called by dump.c.
 */
#ifndef TL_TRACER_SNAPSHOT_H
#define TL_TRACER_SNAPSHOT_H

#include <stdbool.h>
#include <tracer/place.h>

/* Fills copy with an agent that has a copy of the shared memory and is not to be talked to. What was overwritten while
 * it was read is left out: each ring's tail says from which chunk on it is there. It takes as much memory as the rings
 * have used. False: there is not enough. */
bool tl_snapshot_take(const struct tl_agent *agent, struct tl_agent *copy);

void tl_snapshot_free(struct tl_agent *copy);

#endif
