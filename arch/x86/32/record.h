/* SPDX-License-Identifier: MIT
 *
 * The shapes of the record templates of record.S: where core/stub.c fills constants in. Offsets in bytes from the
 * template's start. Twin: arch/x86/64/record.h.
 */
#ifndef TL_ARCH_RECORD_H
#define TL_ARCH_RECORD_H

#include <stdint.h>

#define TL_RECORD_SLOWS 4

struct tl_record_shape {
    uint16_t size;
    uint16_t slow[TL_RECORD_SLOWS]; /* rel32 to the cold half */
    uint16_t event;                 /* upper word of the event: kind and value; count: the counter's offset */
    uint16_t done;                  /* where the cold half returns to */
};

struct tl_cold_shape {
    uint16_t size;
    uint16_t event;
    uint16_t call; /* rel32 to the pointer */
    uint16_t done; /* rel32 to the hot half's done */
};

struct tl_guard_shape {
    uint16_t size;
    uint16_t call;
};

/* What decides before a record whether it is made, and its cold half, which the record follows. */
struct tl_gate_shape {
    uint16_t size;
    uint16_t slow[TL_RECORD_SLOWS]; /* rel32 to the cold half */
    uint16_t done;                  /* where that returns to if there is no record */
    uint16_t cold_size;
    uint16_t cold_event; /* rel32 to the record's event, upper word */
    uint16_t cold_call;  /* rel32 to the pointer */
    uint16_t cold_done;  /* rel32 to done */
};

struct tl_cover_shape {
    uint16_t size;
    uint16_t called; /* address of the function's byte, 64 bits */
};

extern const uint8_t tl_record_entry[], tl_record_exit[], tl_record_retract[], tl_record_cold[], tl_record_guard[],
    tl_record_count[], tl_record_count_cold[], tl_record_cover[], tl_record_gate_entry[], tl_record_gate_exit[],
    tl_record_gate_cold_entry[], tl_record_gate_cold_exit[];
extern const struct tl_gate_shape tl_record_gate_entry_shape, tl_record_gate_exit_shape;
extern const struct tl_record_shape tl_record_entry_shape, tl_record_exit_shape, tl_record_retract_shape,
    tl_record_count_shape;
extern const struct tl_cold_shape tl_record_cold_shape, tl_record_count_cold_shape;
extern const struct tl_cover_shape tl_record_cover_shape;
extern const struct tl_guard_shape tl_record_guard_shape;

#endif
