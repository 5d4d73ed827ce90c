/* SPDX-License-Identifier: MIT
 *
 * Where a recording goes: a small table of operations per format. The tracer calls these from one thread, in the
 * order open, (module | function | packet)*, close. Every call returns 0 or a negative errno; after an error
 * the only call is close. What was written before an error stays readable.
 */
#ifndef TL_WRITER_H
#define TL_WRITER_H

#include <stddef.h>
#include <stdint.h>

/* What a recording is of. Times are in TSC ticks unless they end in _ns. */
struct tl_recording_info {
    const char *command; /* what was traced: program and arguments, one line */
    int pid;
    int exit_status; /* as a shell reports it; -1: it ran on after us */
    uint64_t tsc_hz; /* best estimate so far; may be made better before close */
    uint64_t tsc_start, tsc_end;
    uint64_t realtime_start_ns; /* CLOCK_REALTIME at tsc_start */
    uint64_t held_ns; /* how long the one thread was held while the agent was placed; 0 for a launched program */
    uint64_t functions_found, functions_traced, sites_jump, sites_trap; /* functions: by the tactic of their entry */
    uint64_t entry_jump, entry_trap;
    uint64_t lost;        /* all events dropped */
    uint64_t overwritten; /* by a flight recorder, at most so many */
    uint64_t threads;     /* that were seen */
    uint64_t one_in;      /* of so many calls one was recorded; 0: each */
    uint64_t counted;     /* calls were only counted: there are no events */
    uint64_t covered;     /* and only up to one */
    uint64_t batches, membarriers, poke_ns, traps;
    int by_attach; /* 1: attached, 0: launched */
};

struct tl_recording_function {
    uint32_t id;            /* what events carry; ids are given out upwards from 1 without gaps */
    uint32_t module;        /* index of the module() call it belongs to, from 0 */
    const char *name;       /* mangled, or NULL */
    uint64_t address, size; /* in the file */
};

struct tl_recording_module {
    const char *name, *path;
    const uint8_t *build_id;
    size_t build_id_bytes;
    uint64_t bias; /* run-time address minus address in the file */
};

/* A run of one thread's events as the ring holds them, clock records included; the first of each thread is a clock
 * record. Kept in order per thread; no order between threads. */
struct tl_recording_packet {
    int tid;          /* as seen from outside */
    const char *comm; /* thread name, may be "" */
    const uint64_t *events;
    size_t count;
    uint64_t lost_before; /* events of this thread dropped since the packet before */
};

struct tl_writer;
struct tl_writer_ops {
    const char *name;
    int (*check)(const char *directory); /* whether open would find its place; changes nothing. 0 or a negative errno */
    struct tl_writer *(*open)(const char *directory, const struct tl_recording_info *info, int *error);
    int (*module)(struct tl_writer *, const struct tl_recording_module *);
    int (*function)(struct tl_writer *, const struct tl_recording_function *);
    int (*flush_names)(struct tl_writer *); /* after a run of module/function calls: what is on disk is now readable */
    int (*info)(struct tl_writer *,
                const struct tl_recording_info *info); /* what is known by now: close may not come */
    int (*packet)(struct tl_writer *, const struct tl_recording_packet *);
    /* Instead of packets: how often each function was called, by its id; calls[0] is nobody's. */
    int (*calls)(struct tl_writer *, const uint64_t *calls, size_t count);
    int (*close)(struct tl_writer *, const struct tl_recording_info *info, uint64_t *bytes_written);
};

/* CTF 1.8: DIR/metadata, one stream file a thread, 8 bytes an event. The only one so far. */
extern const struct tl_writer_ops tl_writer_ctf;

#endif
