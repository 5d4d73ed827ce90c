/* SPDX-License-Identifier: MIT
 *
 * A recording, read back: what it is of, its modules, functions and threads, and the events of one thread in order,
 * in blocks, whatever the size of the files. Trusts nothing in them. No pairing of entries and exits (calls.h), no
 * figures (profile.h), no output. Called by cli/ from one thread.
 */
#ifndef TL_READER_TRACE_H
#define TL_READER_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <wire/event.h>
#include <wire/recording.h>

/* What the tracer said of the recording. Ticks are those of the TSC. */
struct tl_trace_info {
    char *command;
    int64_t pid, exit_status, by_attach; /* exit_status -1: the program ran on */
    uint64_t tsc_hz;
    uint64_t tsc_start, tsc_end; /* tsc_end 0: the tracer did not come to an end */
    uint64_t realtime_start_ns, held_ns;
    uint64_t functions_found, functions_traced, sites_jump, sites_trap, entry_jump, entry_trap;
    uint64_t threads; /* as the tracer counted them; 0: it did not */
    uint64_t one_in;  /* of so many calls one was recorded; 0: each */
    uint64_t counted; /* calls were only counted: there are no events */
    uint64_t covered; /* and only up to one */
    uint64_t lost, overwritten, batches, membarriers, poke_ns, traps;
};

struct tl_trace_module {
    char *name, *path;
    char *build_id; /* hexadecimal, or "" */
    uint64_t bias;
};

struct tl_trace_function {
    char *name; /* mangled; NULL: none */
    uint32_t module;
    uint64_t address, size; /* in the file */
    uint64_t calls;         /* if they were only counted */
};

struct tl_trace_thread {
    int tid;
    char comm[TL_STREAM_COMM_BYTES + 1];
    char file[32];
    uint64_t end_bytes; /* the packets end here */
    uint64_t events, lost;
    uint64_t first_time, last_time;
};

struct tl_trace {
    int directory;
    uint8_t uuid[16];
    struct tl_trace_info info;
    struct tl_trace_module *modules;
    size_t module_count;
    struct tl_trace_function *functions; /* function id i at i - 1 */
    size_t function_count;
    struct tl_trace_thread *threads; /* by the time of their first event */
    size_t thread_count;
    uint64_t events, lost; /* over all threads, or calls counted; lost is the tracer's own count where that is higher */
    uint64_t first_time, last_time;
    uint64_t bytes; /* of all files, padding left out */
};

/* Opens and checks the recording in directory. On failure returns NULL and writes one sentence without a full stop
 * and without the program's name into error. */
struct tl_trace *tl_trace_open(const char *directory, char *error, size_t error_bytes);
void tl_trace_close(struct tl_trace *trace);

uint64_t tl_trace_ns(const struct tl_trace *trace, uint64_t ticks);
uint64_t tl_trace_ticks(const struct tl_trace *trace, uint64_t ns);

/* How many threads were seen. */
uint64_t tl_trace_threads(const struct tl_trace *trace);

/* How long the recording is. */
uint64_t tl_trace_duration_ns(const struct tl_trace *trace);

/* Some events of one thread, in order, all of one upper half of the clock. */
struct tl_trace_run {
    const uint64_t *events; /* entries and exits only; valid until the cursor moves on */
    size_t count;           /* may be 0, where something was lost */
    uint64_t high;          /* the upper half, in place */
    uint64_t lost;          /* events dropped before the first one */
};

struct tl_trace_cursor;
struct tl_trace_cursor *tl_trace_cursor_new(const struct tl_trace *trace, const struct tl_trace_thread *thread);
void tl_trace_cursor_free(struct tl_trace_cursor *cursor);

/* 1: *run is filled; 0: no more; -1: the file is not what it was when the trace was opened, or cannot be read. */
int tl_trace_cursor_next(struct tl_trace_cursor *cursor, struct tl_trace_run *run);

/* Bytes of the thread's file read so far, for a progress line. */
uint64_t tl_trace_cursor_bytes(const struct tl_trace_cursor *cursor);

#endif
