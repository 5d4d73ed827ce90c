/* SPDX-License-Identifier: MIT
 *
 * The reading side of the rings (wire/control.h): takes events out and gives them to a writer.
 */
#ifndef TL_TRACER_DRAIN_H
#define TL_TRACER_DRAIN_H

#include <stdbool.h>
#include <stdint.h>
#include <tracer/place.h>
#include <writer/filter.h>
#include <writer/writer.h>

struct tl_drain;

/* limits: what to leave out, all zero for nothing. NULL: out of memory. */
struct tl_drain *tl_drain_new(struct tl_agent *agent, const struct tl_writer_ops *ops, struct tl_writer *writer,
                              const struct tl_filter_limits *limits);

/* Takes all complete chunks. Returns how many chunks, or a negative errno of the writer. */
long tl_drain_run(struct tl_drain *drain);

/* Takes what the chunks that are being written hold so far: should we be killed, it is on disk. To be called now and
 * then. 0 or a negative errno. */
int tl_drain_started(struct tl_drain *drain);

/* Gives the rings of threads that have ended to new ones, as many as a short time allows. To be called now and then. 0
 * or a negative errno. */
int tl_drain_reap(struct tl_drain *drain);

/* True if more than half of the rings have owners, so that it is time to see which of those have ended. */
bool tl_drain_crowded(const struct tl_drain *drain);

/* Takes all that is left, once no thread records any more. 0 or a negative errno. */
int tl_drain_finish(struct tl_drain *drain, uint64_t tsc_end);

/* So far: events given to the writer, events dropped, threads seen; of a flight recorder how many were overwritten, at
 * most: a chunk holds a clock record and as many events as fit, but for a few. */
struct tl_drain_count {
    uint64_t events, lost, overwritten;
    uint32_t threads;
};
struct tl_drain_count tl_drain_count(const struct tl_drain *drain);
void tl_drain_free(struct tl_drain *drain);

#endif
