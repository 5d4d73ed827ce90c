/* SPDX-License-Identifier: MIT
 *
 * The 8-byte event, as a traced thread stores it, as it crosses to the tracer and as it lies
 * on disk. Layout only. Little-endian; written with one 8-byte store.
 *
 *     bit  0..31   low 32 bits of the TSC
 *     bit 32..33   kind
 *     bit 34..63   value: a function id, or for a clock record the TSC's bits 32..61
 *
 * An event of eight zero bytes is a slot that is not written yet: function ids start at 1.
 * Within one thread's ring the 64-bit times never decrease: a slot is reserved (cmpxchg) only if no
 * signal handler has recorded since the clock was read.
 */
#ifndef TL_WIRE_EVENT_H
#define TL_WIRE_EVENT_H

#include <stdint.h>

enum tl_event_kind {
    TL_EVENT_ENTRY = 0,
    TL_EVENT_EXIT = 1,
    TL_EVENT_CLOCK = 2, /* value: TSC >> 32, in force for this event and those after it */
    TL_EVENT_LOST = 3,  /* value: how many events of this thread were dropped here (saturates) */
};

#define TL_EVENT_BYTES 8
#define TL_EVENT_KIND_SHIFT 32
#define TL_EVENT_VALUE_SHIFT 34
#define TL_EVENT_VALUE_MAX ((1u << 30) - 1)

#define TL_EVENT(time32, kind, value)                                                                                  \
    ((uint64_t)(uint32_t)(time32) | (uint64_t)(kind) << TL_EVENT_KIND_SHIFT | (uint64_t)(value) << TL_EVENT_VALUE_SHIFT)
#define TL_EVENT_TIME32(event) ((uint32_t)(event))
#define TL_EVENT_KIND(event) ((unsigned)((event) >> TL_EVENT_KIND_SHIFT) & 3u)
#define TL_EVENT_VALUE(event) ((uint32_t)((event) >> TL_EVENT_VALUE_SHIFT))

#endif
