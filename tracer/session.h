/* SPDX-License-Identifier: MIT
 *
 * One recording from start to end: attach or launch, plan, arm, drain, leave. What `record` and `live` do. Messages go
 * to standard error.
 */
#ifndef TL_TRACER_SESSION_H
#define TL_TRACER_SESSION_H

#include <plan/plan.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <wire/control.h>

struct tl_session_options {
    pid_t pid;   /* attach to it; 0: launch */
    char **argv; /* what to launch */
    struct tl_filter filter;
    bool libraries;
    const char *directory;
    uint64_t min_ns;       /* calls of at least that long */
    unsigned depth;        /* levels of calls; 0: all */
    uint32_t one_in;       /* of so many calls one is recorded; 0: each */
    uint64_t for_ns;       /* stop after; 0: do not */
    uint32_t buffer_bytes; /* of one thread */
    enum tl_ring_mode mode;
    int verbose; /* -1: -q, 0, 1: -v */
};

#define TL_EXIT_TRAPLINE 125 /* trapline itself failed */

/* Returns the exit status to end with: the launched program's own, 0 after an attach, TL_EXIT_TRAPLINE, 126, 127.
 * *recorded: there is a recording to look at. */
int tl_session_run(const struct tl_session_options *options, bool *recorded);

#endif
