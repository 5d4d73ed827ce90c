/* SPDX-License-Identifier: MIT
 *
 * The out-of-line code of a site: [record of the entry] copies of the window's instructions, exits with a record before
 * them, a jump back behind the window, the cold halves, and the pointer that they call through. Where a stub lies is
 * place.c's matter. Poke side.
 */
#ifndef TL_CORE_STUB_H
#define TL_CORE_STUB_H

#include <core/move.h>
#include <core/site.h>
#include <wire/site.h>

#define TLI_STUB_RECORDS 8 /* at most so many entries and exits in one window */
#define TLI_STUB_MAX_BYTES 4096

/* What the stubs of a session do. */
enum tli_stub_work {
    TLI_STUB_RECORD = 0,
    TLI_STUB_RETRACT, /* calls may be too short to be recorded: tl_control.min_ticks. Serves TLI_STUB_RECORD, too */
    TLI_STUB_COUNT,   /* entries are counted, exits are nothing */
    TLI_STUB_COVER,   /* entries are noted once, exits are nothing */
    TLI_STUB_SAMPLE,  /* calls are recorded one by one in tl_control.one_in */
};

/* What a stub was made from, kept so that it can serve the same site again. */
struct tli_stub_shape {
    uint32_t size; /* bytes of the stub */
    uint16_t exits;
    uint8_t kind, window, insns, records; /* window: bytes */
    uint8_t work;                         /* enum tli_stub_work */
    uint8_t branches, linked;             /* instructions that heed tli_stub_target.link; and had one */
    bool fresh, stale;                    /* of the site, in the batch in the making */
    uint32_t function;                    /* that the constants are of */
    uint16_t event[2 * TLI_STUB_RECORDS]; /* offsets of what tli_stub_constant() gives: both of each record */
    uint8_t bytes[TL_SITE_MAX_BYTES];
};

struct tli_stub_target {
    uintptr_t slow;  /* called by cold halves */
    uintptr_t guard; /* called by guards */
    uintptr_t gate;  /* called by gates */
    enum tli_stub_work work;
    uintptr_t called;                  /* TLI_STUB_COVER: where the functions' bytes begin */
    uintptr_t link[TL_SITE_MAX_INSNS]; /* where the window's branches lead to instead, 0: where they say */
};

/* Builds the stub of spec into code, to run at code->address, and fills site->label and shape. With code->bytes == NULL
 * only the size is found out. TL_CANNOT_MOVE, TL_NO_INSTRUCTION, TL_NO_ROOM, TL_NO_MEMORY (out of reach from there). */
enum tl_status tli_stub_build(struct tli_code *code, const struct tl_wire_site *spec,
                              const struct tli_stub_target *target, struct tli_site *site,
                              struct tli_stub_shape *shape);

/* True if shape is what spec would be built into, or more, but for its links. */
bool tli_stub_matches(const struct tli_stub_shape *shape, const struct tl_wire_site *spec, enum tli_stub_work work);

/* The constants of a record, two each. Event: its upper word, in the hot half and in the cold one. Count: the offset of
 * its counter, and the event's upper word for the cold half. Cover: the address of its byte, low word and high word. */
uint32_t tli_stub_constant(const struct tli_stub_target *target, bool first, bool entry, uint32_t function);

#endif
