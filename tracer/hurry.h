/* SPDX-License-Identifier: MIT
 *
 * First in line for a processor, for a moment: a held thread and its holder. Called by remote.c around a hold; each
 * stop of the held thread would otherwise cost somebody's time slice.
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

#endif
