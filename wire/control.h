/* SPDX-License-Identifier: MIT
 *
 * The memory that tracer and agent share, and the protocol on it. Layout only.
 *
 * One memfd, mapped once in each process:
 *
 *     offset 0                          struct tl_control
 *     TL_RINGS_OFFSET + i * 128         struct tl_ring, one a thread slot, i < TL_THREADS_MAX
 *     TL_SITES_OFFSET                   struct tl_wire_site[TL_SITES_MAX]
 *     TL_CALLED_OFFSET                  uint8_t[TL_COUNTED_MAX], by function id: not 0 once it was called
 * (TL_RING_COVER) TL_CHUNKS_OFFSET + i * ring_bytes the chunks of ring i: ring_bytes / TL_CHUNK_BYTES of them; not
 * accessible in the target until a thread owns the ring
 *
 * Commands: the tracer fills the mailbox, writes one byte into the command pipe, and reads one byte
 * from the answer pipe; the answer is then in the mailbox. One command at a time. When the
 * command pipe is closed (the tracer has died) the agent takes all sites out and ends. When the
 * answer pipe is closed, the agent's thread has gone: the target has ended or executed another program.
 *
 * Rings: one writer (the thread that owns the slot), one reader (the tracer).
 *
 *     writer opens a chunk      head - tail < chunks; zeroes it, then head+1 (release)      [W1]
 *     reader takes a chunk      reads head (acquire) [W1]; all chunks before the newest are complete, but
 *                               for slots whose writer was interrupted between reserving and storing: zero
 *     reader gives chunks back  tail (release)                                              [W2]
 *     writer looks for room     tail (acquire)                                              [W2]
 *     reader frees a ring       state (release), its thread having ended and all being read   [W3]
 *     writer claims a ring      state (acquire)                                             [W3]
 *     writer says whose it is   tid, then serial+1 (release)                                [W5]
 *     reader looks who ended    serial (acquire), then tid                                  [W5]
 *     flight: reader copies a chunk, then looks at head again (fence: acquire): it is whole if     [W6]
 *             head - n < chunks, that is, if the writer has not come to zero it
 *     flight: writer zeroes the oldest chunk, its head of before being seen first (fence: release) [W6]
 *     a thread asks the agent to leave       confined (release)                             [W4]
 *     the agent looks each time it wakes up  confined (acquire)                             [W4]
 *     events in the newest      an 8-byte store each, seen as written once not zero; x86 keeps their order [W7]
 *
 * Chunk n of a ring lies at index n % chunks. Its first event is always a clock record.
 */
#ifndef TL_WIRE_CONTROL_H
#define TL_WIRE_CONTROL_H

#include <stdint.h>

#define TL_CONTROL_MAGIC 0x31706c74u /* "tlp1" */
#define TL_AGENT_VERSION 1u

#define TL_THREADS_MAX 4096u
#define TL_SITES_MAX (1u << 18) /* in one batch */
#define TL_CHUNK_BYTES 32768u
#define TL_COUNTED_MAX (1u << 20)               /* function ids in a session without events are smaller */
#define TL_COUNTERS_BYTES (TL_COUNTED_MAX * 8u) /* of a ring there */
#define TL_RING_STRIDE 128u
#define TL_RINGS_OFFSET 4096u
#define TL_SITES_OFFSET (TL_RINGS_OFFSET + TL_THREADS_MAX * TL_RING_STRIDE)
#define TL_CALLED_OFFSET (TL_SITES_OFFSET + (uint64_t)TL_SITES_MAX * 64u)
#define TL_CHUNKS_OFFSET (TL_CALLED_OFFSET + TL_COUNTED_MAX)

enum tl_command {
    TL_COMMAND_NONE = 0,
    TL_COMMAND_ARM,    /* sites[first .. first+count): verify all, build stubs, poke in one batch */
    TL_COMMAND_DISARM, /* take every site out again */
    TL_COMMAND_QUIT,   /* disarm, give SIGTRAP and SIGILL back, end the agent's thread */
    TL_COMMAND_PING,   /* do nothing, answer */
    TL_COMMAND_RETIRE, /* TL_RING_COVER: take out the sites of functions that were called */
};

enum tl_ring_mode {
    TL_RING_STREAM = 0, /* full: drop the newest, count them */
    TL_RING_FLIGHT = 1, /* full: overwrite the oldest; no ring is freed, and no chunk given back */
    TL_RING_COUNT = 2,  /* no events: a ring is its thread's counters, uint64_t by function id */
    TL_RING_COVER = 3,  /* no events and no rings: a byte a function says whether it was called */
};

/* Who writes: T tracer, A agent (its own thread), F any thread of the target. */
struct tl_control {
    uint32_t magic, version; /* T before the agent starts */
    uint32_t ring_bytes;     /* T: chunks of one thread, a multiple of TL_CHUNK_BYTES, at least two */
    uint32_t mode;           /* T: enum tl_ring_mode */
    uint32_t tracer_pid;     /* T: to name it to another tracer */
    uint32_t min_ticks;      /* T, before the first ARM: calls that took less TSC ticks are retracted, as far as the
                                stubs can tell: while the entry is the thread's last event. 0: none. Then only complete
                                chunks hold nothing that goes again. */

    uint32_t one_in; /* T, before the agent starts: of so many calls one is recorded; 0 or 1: each */

    uint32_t command;    /* T */
    uint32_t status;     /* A: enum tl_status */
    uint32_t site_first; /* T */
    uint32_t site_count; /* T */
    uint64_t detail;     /* A: an address, or an errno, that belongs to a refusal */

    uint64_t batches;      /* A: pokes done */
    uint64_t membarriers;  /* A: serialisations done */
    uint64_t sites_armed;  /* A: standing now */
    uint64_t poke_tsc;     /* A: TSC ticks that the last ARM or DISARM took in poking */
    uint64_t stub_bytes;   /* A: executable memory taken */
    uint32_t traps;        /* F: int3 and SIGILL hits of ours (relaxed, may lose a few) */
    uint32_t threads_lost; /* F: events dropped because no thread slot was free */
    uint32_t gs_taken;     /* F: events dropped because the program itself uses the GS base */
    uint32_t agent_tid;    /* A: in the target's pid namespace */
    uint32_t blocked_tid;  /* A: with TL_BUSY after ARM: a thread that blocks SIGTRAP for good */
    uint32_t confined;     /* F: the process is about to put a filter of system calls on all its threads: the agent
                              leaves */
    uint32_t at_rest;      /* T, before ARM: the program has not run yet and does not before the answer: nobody executes
                              its text */
    uint32_t alone;        /* T, before each command: nobody else writes the target's text: no debugger is there, no
                              uprobe has been hit, no text is writable */
};

enum tl_ring_state {
    TL_RING_FREE = 0,
    TL_RING_LIVE = 1, /* F: by compare-and-swap from FREE; T: back to FREE once the thread is gone and all is read */
};

struct tl_ring {
    uint32_t state;  /* enum tl_ring_state */
    uint32_t tid;    /* F: in the target's pid namespace */
    uint32_t head;   /* F: chunks opened since the ring went live */
    uint32_t lost;   /* F: events dropped, modulo 2^32 */
    uint32_t serial; /* F: goes up with each owner */
    uint32_t reserved0[11];
    uint32_t tail; /* T: chunks given back; on a cache line of its own */
    uint32_t reserved1[15];
};

_Static_assert(sizeof(struct tl_ring) == TL_RING_STRIDE, "the ring header is part of the wire format");
_Static_assert(sizeof(struct tl_control) <= TL_RINGS_OFFSET, "the control block has one page");

#endif
