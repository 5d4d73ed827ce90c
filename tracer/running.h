/* SPDX-License-Identifier: MIT
 *
 * A session while it runs: its state, and what it says of itself. Between session.c, loop.c, dump.c and words.c only.
 */
#ifndef TL_TRACER_RUNNING_H
#define TL_TRACER_RUNNING_H

#include <tracer/beside.h>
#include <tracer/drain.h>
#include <tracer/modules.h>
#include <tracer/place.h>
#include <tracer/remote.h>
#include <tracer/resident.h>
#include <tracer/session.h>
#include <writer/writer.h>

struct tl_session {
    const struct tl_session_options *options;
    pid_t pid;
    int memory;
    bool ended;      /* the program has ended, or executed another one */
    int wait_status; /* of a launched program that has ended */
    bool reaped;
    struct tl_hold hold;
    struct tl_resident resident;
    bool placed;
    struct tl_agent agent;
    struct tl_modules modules;
    struct tl_armed armed;
    struct tl_writer *writer;
    struct tl_filter_limits limits;
    struct tl_drain *drain;
    unsigned dumps; /* DIR.1 to DIR.this are not free any more */
    int nice_before;
    struct tl_recording_info info;
    uint64_t raw_start_ns;
    uint64_t bytes;
    uint64_t retired;   /* functions that had been called when sites were taken out last (TL_RING_COVER) */
    uint64_t retire_ns; /* when to do so next */
    uint64_t keep_ns;   /* when to write next what chunks hold so far */
    struct tl_beside beside;
    bool beside_well;         /* how it went */
    char beside_reason[1024]; /* why it did not go well */
    char command[512];
    char reason[1024];
};

/* session.c: what is known by now. */
void tl_session_fill_info(struct tl_session *session);

/* loop.c: the signals that end a session; whether one has come that does. */
void tl_loop_signals(bool launched);
bool tl_loop_told_to_stop(const struct tl_session *session);

/* loop.c: takes the sites in, and leaves in beside_well whether that worked. 0 or a negative errno of the writer. */
int tl_loop_arm(struct tl_session *session);

/* loop.c: drains until there is a reason to stop. False: the recording failed. */
bool tl_loop_run(struct tl_session *session);

/* loop.c: out of the process again. 0 or a negative errno of the writer. */
int tl_loop_leave(struct tl_session *session);

/* words.c, all of the following. A line on standard error, unless -q. */
__attribute__((format(printf, 2, 3))) void tl_session_say(const struct tl_session *session, const char *format, ...);

/* Says the reason; the exit status to end with. */
int tl_session_fail(const struct tl_session *session);

/* -v: what the plan and the arming came to. */
void tl_session_say_steps(const struct tl_session *session);

/* What a dump holds, and where it is. */
void tl_session_say_dump(const struct tl_session *session, const struct tl_drain_count *count, const char *path);

/* The two last lines. */
void tl_session_sum_up(const struct tl_session *session);

#endif
