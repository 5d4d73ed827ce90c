/* SPDX-License-Identifier: MIT
 *
 * First in line for a processor: a held thread and its holder for a moment, since each stop of the held thread would
 * otherwise cost somebody's time slice (called by remote.c around a hold); and who drains the rings (session.c), since
 * while it waits for its turn behind threads that fill them, what they record is lost.
 */
#ifndef TL_TRACER_HURRY_H
#define TL_TRACER_HURRY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* struct sched_attr of sched_setattr(2). */
struct tl_scheduling {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
};

struct tl_hurry {
    struct {
        pid_t tid;
        bool changed;
        struct tl_scheduling before;
    } held, own;
};

/* Threads of the usual kind only, and as far as it is permitted. */
void tl_hurry_begin(struct tl_hurry *hurry, pid_t tid);
void tl_hurry_end(struct tl_hurry *hurry);

/* The current thread goes before ordinary ones by its nice value, until tl_hurry_drain_end() is given what this
 * returned: others are delayed by what it computes and no more. Nothing where it is not permitted. */
int tl_hurry_drain_begin(void);
void tl_hurry_drain_end(int before);

#endif
