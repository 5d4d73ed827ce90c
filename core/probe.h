/* SPDX-License-Identifier: MIT
 *
 * Between the files of probe: the points, and what each file does with them. For users there is <trapline/probe.h>.
 *
 * A point is an address that was ever probed. It lives for ever, as do its slot and its detour: a thread may be asleep
 * in them. Operations against each other:
 *
 *                 hit             change          arm
 *   hit           safe            safe [E3]       safe [Q2]
 *   change                        probe's lock    probe's lock
 *   arm                                           probe's lock, text lock
 *
 * A hit may be nested in anything, on any core. A change is of who is told (probe.c), to arm is to write text
 * (probe_text.c).
 */
#ifndef TL_CORE_PROBE_H
#define TL_CORE_PROBE_H

#include <core/epoch.h>
#include <core/ftrace.h>
#include <core/site.h>
#include <regs.h>
#include <trapline/insn.h>
#include <trapline/probe.h>

/* The slot of a point whose instruction is not emulated: three copies of it. The first two end in an int3, for hits
 * that have to be told when it was executed: one for each copy of the set. The third ends in a jump back. */
#define TLI_PROBE_SLOT_BYTES 64
#define TLI_PROBE_COPY_BYTES 16
#define TLI_PROBE_BACK (2 * TLI_PROBE_COPY_BYTES)

#define TLI_PROBE_WINDOW_MAX (TLI_SITE_BYTES + TL_INSN_MAX_BYTES - 1) /* instructions under a jump */

/* Who is told. */
struct tli_probe_set {
    unsigned count;
    bool after; /* one of them wants to know when it was executed */
    struct tl_probe *probe[TL_PROBE_SHARED];
};

struct tli_probe_point {
    struct tli_site site;                              /* its address, and what stands there; the stub is the detour */
    _Atomic(struct tli_probe_point *) next, next_slot; /* in the buckets */
    uintptr_t slot;                                    /* 0: the instruction is emulated, or ftrace's */
    struct tl_insn insn;
    uint8_t bytes[TLI_PROBE_WINDOW_MAX]; /* the instruction's; once there is a detour, the window's */
    uint8_t window;                      /* bytes that the detour stands for; 0: there is no detour */
    bool no_jump;                        /* nor ever will be */
    uint32_t detour_bytes;
    _Atomic uint8_t how;    /* enum tl_probe_how */
    struct tli_epoch epoch; /* of the sets */
    struct tli_probe_set set[2];
    struct tl_probe *probes;   /* all that are registered, the oldest first. Probe's lock */
    struct tl_ftrace_ops *ops; /* on an ftrace site */
};

/* probe_hit.c. Any context: the newest point at an address, or NULL. */
struct tli_probe_point *tli_probe_point_at(uintptr_t address);
/* A filled point is seen from now on. Probe's lock. */
void tli_probe_point_publish(struct tli_probe_point *point);
/* Its entered, with the point as data. */
tl_ftrace_entered tli_probe_ftrace_entered;
/* For the trampoline of a detour. */
void tli_probe_detour(struct tli_probe_point *point, struct tl_regs *regs);
/* Around whatever a probe calls in a thread: false: a handler runs below, and this is not to be told. */
bool tli_probe_begin(struct tl_trace_thread *thread, unsigned context);
void tli_probe_end(struct tl_trace_thread *thread, unsigned context);

/* probe_point.c. The point for address, found or made; on TL_OK it may be armed. Probe's lock. */
enum tl_status tli_probe_point_for(uintptr_t address, struct tli_probe_point **point);
/* The text as it is without probes. TL_NO_TEXT. Probe's and text lock. */
enum tl_status tli_probe_text_read(uintptr_t address, uint8_t *bytes, size_t size);
extern struct tl_probe_text tli_probe_text;

/* probe_jump.c. True if a jump may stand at point now; makes its detour. Probe's and text lock. */
bool tli_probe_jump_ready(struct tli_probe_point *point);

/* probe_text.c. Has how stand at point. Probe's lock. TL_OVERLAP, TL_TEXT_DIFFERS, TL_NO_MEMORY, what ftrace refuses. A
 * jump that is not possible becomes an int3. */
enum tl_status tli_probe_arm(struct tli_probe_point *point, enum tl_probe_how how);

static inline enum tl_probe_how tli_probe_how(const struct tli_probe_point *point)
{
    /* [Q2] acquire: what it needs is filled. Pairs with the release in set_how() of probe_text.c. */
    return (enum tl_probe_how)atomic_load_explicit(&point->how, memory_order_acquire);
}

/* arch/x86/.../probe.S */
extern const uint8_t tl_probe_trampoline[];

#endif
